"""A worker whose lease is lost, whose event loop stands still, whose database goes away."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rota.engine.worker import Worker
from rota.store.claims import Claimed
from tests.engine.working import PATIENCE, HandTime, Shop, working
from tests.store import builders
from tests.support import procs
from tests.support.faults import Faults, refuse, refuse_no_more
from tests.support.waiting import wait_until

LONG = "echo begun; sleep 600"
AGAIN = 'echo begun; test "$ROTA_ATTEMPT" != 1 || sleep 600'
"""The first start hangs, the others end."""


def mark(path: Path) -> str:
    """A script that leaves its process id, hangs at its first start and ends at the others."""
    return f"echo $$ >> {path}; {AGAIN}"


def test_what_ran_under_a_lost_lease_ends_and_runs_again(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with working(shop) as running:
        job_id = shop.shell(mark(tmp_path / "pids"))
        shop.wait_text(job_id, "begun")
        old = running.worker.lease.worker_id
        builders.end_lease(shop.db, old)
        wait_until(lambda: shop.outcomes(job_id) == ["lost"], PATIENCE, "the janitor has given it back")
        running.worker.lease.wake()  # so that it hears of that now, not at its next renewal
        job = shop.wait(job_id)
        assert job.worker_id == running.worker.lease.worker_id != old
    assert (job.attempt, job.attempts_used) == (2, 1)
    assert shop.outcomes(job_id) == ["lost"]
    first, second = (tmp_path / "pids").read_text().split()
    assert not procs.alive(int(first))
    assert first != second


def test_the_late_result_of_a_lost_run_is_refused_and_told(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with working(shop) as running:
        script = f"echo begun; until test -e {tmp_path}/go; do sleep 0.01; done; echo '::rota result \"late\"'"
        job_id = shop.shell(script)
        shop.wait_text(job_id, "begun")
        # As if another worker had it: what the janitor does, and a claim, before this one hears of it.
        sql = "UPDATE rota_jobs SET attempt = 2, worker_id = :other WHERE id = :id"
        other = builders.register(shop.db)
        shop.db.run(lambda tx: tx.run(sql, {"id": job_id, "other": other}))
        (tmp_path / "go").touch()
        wait_until(lambda: "job/result-refused" in caplog.text, 60, "the refusal is told")
        wait_until(lambda: running.worker.flusher.idle, what="everything is written")
        job = shop.get(job_id)
        assert (job.status, job.result, job.worker_id) == ("running", None, other)


def test_a_claim_whose_answer_was_lost_is_given_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.engine.claimer.CHECK_SOON_S", 0.2)
    take = Worker._start  # noqa: SLF001 - where claimed jobs arrive
    lost = threading.Event()

    def once_lost(self: Worker, claimed: list[Claimed], worker: str) -> None:
        if lost.is_set():
            take(self, claimed, worker)
            return
        lost.set()
        for one in claimed:
            self.slots.release({one.call.lane: 1})
        self.claimer.check_soon()

    monkeypatch.setattr(Worker, "_start", once_lost)
    with working(shop):
        other = [shop.shell("true") for _ in range(2)]
        job_id = shop.shell("true")
        for each in (*other, job_id):
            shop.wait(each)
        starts = {each: shop.outcomes(each) for each in (*other, job_id)}
    assert ["interrupted"] in starts.values()
    assert all(outcomes in ([], ["interrupted"]) for outcomes in starts.values())
    assert all(shop.get(each).attempts_used == 1 for each in starts)


def test_a_run_that_ends_while_the_database_is_asked_is_no_lost_claim(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rota.engine.claimer.CHECK_S", 0.0)  # it asks at every turn
    with working(shop) as running:
        running.worker.claimer.check_soon()
        jobs = [shop.shell("true") for _ in range(100)]
        for each in jobs:
            shop.wait(each)
            running.worker.claimer.wake()
    assert [shop.outcomes(each) for each in jobs] == [[]] * 100
    assert "refused" not in caplog.text


def test_a_run_whose_result_the_database_never_takes_starts_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rota.engine.flusher.AGAIN_S", 0.05)
    for name in ("CHECK_S", "CHECK_SOON_S"):
        monkeypatch.setattr(f"rota.engine.claimer.{name}", 0.1)
    job_id = shop.shell("true")
    refuse(shop.db, job_id, "NEW.status IN ('completed', 'failed')")
    with working(shop) as running:
        running.worker.claimer.check_soon()
        wait_until(lambda: "not even a failure could be written" in caplog.text, 60, "it is refused")
        shop.wait(shop.shell("true"))  # so it is no matter of the database as a whole
        wait_until(lambda: "interrupted" in shop.outcomes(job_id), 60, "it is given back")
        refuse_no_more(shop.db)
        # A start whose result had just been refused when this ended is written as failed; any other completes.
        shop.wait(job_id, "completed", "failed")
    assert "job/result-lost" in caplog.text
    assert set(shop.outcomes(job_id)) == {"interrupted"}


def test_while_its_event_loop_stands_still_it_claims_nothing_and_loses_its_lease(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stands, free = threading.Event(), threading.Event()
    hand = HandTime(monkeypatch, "leases")

    def stand_still() -> None:
        stands.set()
        free.wait(100)

    with working(shop, stall="1m") as running:
        job_id = shop.shell(mark(Path("/dev/null")))
        shop.wait_text(job_id, "begun")
        worker_id = running.worker.lease.worker_id
        running.do(stand_still)
        try:
            assert stands.wait(PATIENCE)
            running.worker.turned -= 3600  # for an hour
            assert not running.worker.lease.held
            running.worker.lease.wake()
            wait_until(lambda: "loop/stalled" in caplog.text, PATIENCE, "it is not renewed")
            hand.turn(700)
            builders.end_lease(shop.db, worker_id)
            waiting = shop.shell("true")
            shop.wait(job_id, "pending")
            assert shop.worker_states() == ["lost"]
            assert shop.get(waiting).status == "pending"
        finally:
            free.set()
        shop.wait(waiting)
        assert shop.wait(job_id).attempt == 2
        assert running.worker.lease.worker_id != worker_id
    assert "loop/stalled" in caplog.text


class TestOutage:
    def test_a_short_one_costs_nothing(self, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        with working(shop) as running:
            faults = Faults(running.db, monkeypatch)
            jobs = [shop.shell(f"echo begun; until test -e {tmp_path}/go; do sleep 0.01; done") for _ in range(5)]
            for job_id in jobs:
                shop.wait_text(job_id, "begun")
            faults.away = True
            (tmp_path / "go").touch()
            wait_until(lambda: not running.worker.running, what="all have ended")
            wait_until(lambda: faults.asked > 3, what="it has tried to write")
            faults.away = False
            assert [shop.wait(job_id).attempt for job_id in jobs] == [1] * 5
            shop.wait(shop.shell("true"))

    def test_in_a_long_one_the_runs_end_before_their_lease_does(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        hand = HandTime(monkeypatch, "leases")
        with working(shop, lease="1m") as running:
            faults = Faults(running.db, monkeypatch)
            job_id = shop.shell(mark(tmp_path / "pids"))
            shop.wait_text(job_id, "begun")
            faults.away = True
            running.worker.lease.wake()
            wait_until(lambda: running.worker.lease.last_error, PATIENCE, "it cannot be renewed")
            assert running.worker.running
            hand.turn(58)
            wait_until(lambda: not running.worker.running, PATIENCE, "the run has ended")
            first = int((tmp_path / "pids").read_text().split()[0])
            assert not procs.alive(first)
            assert not running.worker.lease.held
            faults.away = False
            job = shop.wait(job_id)
        assert (job.attempt, job.attempts_used) == (2, 1)
        assert shop.outcomes(job_id)[0] in ("interrupted", "lost")

    def test_it_drains_without_the_database(self, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr("rota.engine.worker.LAST_WRITES_S", 0.5)
        with working(shop) as running:
            faults = Faults(running.db, monkeypatch)
            job_id = shop.shell(f"echo $$ >> {tmp_path}/pids; {LONG}")
            shop.wait_text(job_id, "begun")
            faults.away = True
            running.stop()
            running.join(20)
        assert not procs.alive(int((tmp_path / "pids").read_text()))
        assert shop.get(job_id).status == "running", "its lease runs out by itself"
