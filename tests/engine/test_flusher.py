"""What running attempts leave is written in order, under its lease, whatever the database does meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from rota.engine.flusher import MOST_LOG_BYTES, Flusher
from rota.model import LogChunk
from rota.store import logs
from rota.store.claims import Claimed
from rota.store.database import Database
from rota.store.opening import open_database
from rota.store.results import Ended, Finished, Returned
from tests.store import builders
from tests.store.builders import attempts, claim, get, insert, new_job, register
from tests.support.faults import Faults, refuse, refuse_no_more
from tests.support.waiting import wait_until


class Written:
    """A flusher that runs, and what it says it has written."""

    def __init__(self, db: Database) -> None:
        self.accepted: set[str] = set()
        self.refused: list[str] = []
        self.batches = 0
        self.flusher = Flusher(db, self._note)

    def _note(self, written: Sequence[Ended], accepted: set[str], worker: str) -> None:
        self.batches += 1
        self.accepted |= accepted
        self.refused += [one.id for one in written if one.id not in accepted]

    def try_again(self) -> None:
        """Let the time pass until what is refused is tried again."""
        for one in self.flusher._refused:  # noqa: SLF001
            one.due = 0.0
        self.flusher.wake()

    def wait(self) -> None:
        wait_until(lambda: self.flusher.idle, 60, "everything is written")


@pytest.fixture
def written(real_db: Database) -> Iterator[Written]:
    found = Written(real_db)
    found.flusher.start()
    yield found
    assert found.flusher.stop()


@pytest.fixture
def worker(real_db: Database) -> str:
    return register(real_db)


def begin(db: Database, worker: str, count: int = 1) -> list[Claimed]:
    """Jobs that run under a worker's lease."""
    insert(db, *(new_job() for _ in range(count)))
    return claim(db, worker)


def done(claimed: Claimed, result: str | None = None, log_lines: int = 0) -> Finished:
    call = claimed.call
    return Finished(id=call.job_id, attempt=call.attempt, status="completed", result=result, log_lines=log_lines)


def chunk(claimed: Claimed, number: int, text: str = "line") -> LogChunk:
    return LogChunk(claimed.call.job_id, claimed.call.attempt, number, 1, 1, f'[[1,"stdout","{text}"]]')


def statuses(db: Database, claimed: list[Claimed]) -> set[str]:
    return {get(db, one.call.job_id).status for one in claimed}


def test_results_come_to_the_database_in_few_batches(real_db: Database, written: Written, worker: str) -> None:
    claimed = begin(real_db, worker, 300)
    for one in claimed:
        written.flusher.add(worker, [done(one)])
    written.wait()
    assert statuses(real_db, claimed) == {"completed"}
    assert len(written.accepted) == 300
    assert written.batches < 50


def test_the_log_is_there_at_the_moment_the_status_is_final(real_db: Database, written: Written, worker: str) -> None:
    (one,) = begin(real_db, worker)
    for number in range(1, 4):
        written.flusher.add(worker, (), [chunk(one, number, f"line {number}")])
    written.flusher.add(worker, [done(one, log_lines=3)])
    wait_until(lambda: get(real_db, one.call.job_id).status == "completed", what="the end")
    found = real_db.read(lambda tx: logs.lines(tx, one.call.job_id))
    assert [line["text"] for line in found] == ["line 1", "line 2", "line 3"]


def test_a_result_under_a_lost_lease_is_refused(real_db: Database, written: Written, worker: str) -> None:
    mine, lost = begin(real_db, worker, 2)
    other = register(real_db)
    sql = "UPDATE rota_jobs SET worker_id = :other, attempt = 2 WHERE id = :id"
    real_db.run(lambda tx: tx.run(sql, {"other": other, "id": lost.call.job_id}))
    written.flusher.add(worker, [done(mine), done(lost)])
    written.wait()
    assert written.refused == [lost.call.job_id]
    assert (get(real_db, mine.call.job_id).status, get(real_db, lost.call.job_id).status) == ("completed", "running")


def test_each_lease_has_a_batch_of_its_own(real_db: Database, written: Written, worker: str) -> None:
    (first,) = begin(real_db, worker)
    other = register(real_db)
    (second,) = begin(real_db, other)
    written.flusher.add(worker, [done(first)])
    written.flusher.add(other, [done(second)])
    written.wait()
    assert statuses(real_db, [first, second]) == {"completed"}


def test_what_the_database_could_not_take_is_written_when_it_is_back(
    real_db: Database, written: Written, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = begin(real_db, worker, 3)
    faults = Faults(real_db, monkeypatch)
    faults.away = True
    written.flusher.add(worker, [done(first, "1")], [chunk(first, 1)])
    wait_until(lambda: faults.asked >= 2, what="it has tried")
    written.flusher.add(worker, [done(second, "2")])
    written.flusher.add(
        worker, [Returned(id=third.call.job_id, attempt=1, outcome="failed", delay_us=1_000_000, used=1)]
    )
    assert not written.flusher.idle
    assert written.flusher.pending() == {(one.call.job_id, 1) for one in (first, second, third)}
    faults.away = False
    written.wait()
    assert written.refused == []
    assert [get(real_db, one.call.job_id).status for one in (first, second, third)] == [
        "completed", "completed", "scheduled",
    ]  # fmt: skip


def test_an_answer_that_was_lost_is_not_taken_for_a_refusal(
    real_db: Database, written: Written, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, returned = begin(real_db, worker, 2)
    Faults(real_db, monkeypatch).lose_answer = True
    written.flusher.add(
        worker,
        [done(ended), Returned(id=returned.call.job_id, attempt=1, outcome="snoozed", delay_us=60_000_000)],
        [chunk(ended, 1)],
    )
    written.wait()
    assert written.refused == []
    assert len(written.accepted) == 2
    assert [one.outcome for one in attempts(real_db, returned.call.job_id)] == ["snoozed"]
    assert len(real_db.read(lambda tx: logs.lines(tx, ended.call.job_id))) == 1


def test_an_attempt_that_failed_after_its_job_was_cancelled_ends_it(
    real_db: Database, written: Written, worker: str
) -> None:
    (one,) = begin(real_db, worker)
    builders.backdate(real_db, one.call.job_id, cancel_requested_at=0)
    written.flusher.add(worker, [Returned(id=one.call.job_id, attempt=1, outcome="failed", delay_us=5, used=1)])
    written.wait()
    job = get(real_db, one.call.job_id)
    assert (job.status, job.reason, job.worker_id) == ("cancelled", "cancelled", worker)
    assert job.completed_at is not None
    assert attempts(real_db, job.id) == []
    assert written.refused == []


def test_one_that_the_database_refuses_keeps_no_other(
    real_db: Database, written: Written, worker: str, caplog: pytest.LogCaptureFixture
) -> None:
    claimed = begin(real_db, worker, 5)
    bad = claimed[2]
    refuse(real_db, bad.call.job_id, "NEW.status = 'completed'")  # that it failed can be stored
    written.flusher.add(worker, [done(one, log_lines=1) for one in claimed], [chunk(one, 1) for one in claimed])
    written.wait()
    ended = [get(real_db, one.call.job_id) for one in claimed]
    assert [job.status for job in ended] == ["completed", "completed", "failed", "completed", "completed"]
    assert "could not be stored" in (ended[2].error or "")
    assert "not this one" in (ended[2].error or "")
    assert {job.log_lines for job in ended} == {1}
    assert sorted(builders.column(real_db, "job_id", "rota_logs")) == sorted(job.id for job in ended)
    assert written.refused == []
    assert "loop/failed" in caplog.text


def test_one_that_the_database_takes_in_no_form_keeps_no_other_and_is_given_up(
    real_db: Database,
    written: Written,
    worker: str,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("rota.engine.flusher.MOST_TRIES", 1_000_000)
    bad, second, third = begin(real_db, worker, 3)
    refuse(real_db, bad.call.job_id, "true")
    written.flusher.add(worker, [done(bad), done(second)], [chunk(bad, 1)])
    wait_until(lambda: get(real_db, second.call.job_id).status == "completed", what="the others are written")
    wait_until(lambda: written.flusher.pending() == {(bad.call.job_id, 1)}, what="only the refused one is left")
    written.flusher.add(worker, [done(third)])
    wait_until(lambda: get(real_db, third.call.job_id).status == "completed", what="a later one is written")
    assert written.flusher.pending() >= {(bad.call.job_id, 1)}
    monkeypatch.setattr("rota.engine.flusher.MOST_TRIES", 1)
    written.wait()
    assert statuses(real_db, [second, third]) == {"completed"}
    assert (get(real_db, bad.call.job_id).status, written.refused) == ("running", [])
    [told] = [record.message for record in caplog.records if "job/result-lost" in record.message]
    assert bad.call.job_id in told


def test_one_that_the_database_takes_later_is_not_given_up(
    real_db: Database, written: Written, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.engine.flusher.AGAIN_S", 3600.0)
    bad, good = begin(real_db, worker, 2)
    refuse(real_db, bad.call.job_id, "true")
    written.flusher.add(worker, [done(bad, '"kept"'), done(good)])
    wait_until(lambda: written.flusher.pending() == {(bad.call.job_id, 1)}, what="only the refused one is left")
    refuse_no_more(real_db)
    written.try_again()
    written.wait()
    job = get(real_db, bad.call.job_id)
    assert (job.status, job.result, written.refused) == ("completed", '"kept"', [])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is tried again soon."""
    monkeypatch.setattr("rota.engine.flusher.AGAIN_S", 0.05)


def test_results_are_kept_while_no_write_at_all_works(
    real_db: Database, written: Written, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.engine.flusher.AGAIN_S", 3600.0)
    monkeypatch.setattr("rota.engine.flusher.MOST_TRIES", 1)
    claimed = begin(real_db, worker, 2)
    rename = "ALTER TABLE rota_jobs RENAME COLUMN {} TO {}"
    real_db.run(lambda tx: tx.run(rename.format("log_lines", "elsewhere")))
    for one in claimed:
        written.flusher.add(worker, [done(one)])
    refused = written.flusher._refused  # noqa: SLF001 - what is kept aside is seen nowhere else
    wait_until(lambda: len(refused) == 2, what="both are refused")
    written.try_again()
    wait_until(lambda: [one.tries for one in refused] == [2, 2], what="both are tried again")
    real_db.run(lambda tx: tx.run(rename.format("elsewhere", "log_lines")))
    written.try_again()
    written.wait()
    assert statuses(real_db, claimed) == {"completed"}
    assert written.refused == []


def test_a_flood_of_logs_is_held_where_it_is_bounded(
    real_db: Database, written: Written, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = begin(real_db, worker)
    faults = Faults(real_db, monkeypatch)
    faults.away = True
    number = 0
    while not written.flusher.behind:
        number += 1
        written.flusher.add(worker, (), [chunk(one, number, "x" * 65_000)])
    assert number * 65_000 < 2 * MOST_LOG_BYTES
    faults.away = False
    written.wait()
    assert not written.flusher.behind


def test_an_end_that_makes_room_is_told_here_and_elsewhere_when_it_is_durable(real_db: Database, worker: str) -> None:
    (claimed,) = begin(real_db, worker)
    seen: list[str] = []
    flusher = Flusher(real_db, lambda *_: None, room=lambda: seen.append(get(real_db, claimed.call.job_id).status))
    flusher.add(worker, [done(claimed)], room={("q", ""): 1})
    listener = real_db.listen()
    try:
        flusher.run_once()
        payloads = listener.wait(5.0)
    finally:
        listener.close()
    assert seen == ["completed"]
    assert real_db.topics(payloads) == set()
    other = open_database(real_db.url)
    try:
        assert other.topics(payloads) == {"room"}
    finally:
        other.close()
