"""Jobs: insert, unique keys, cancel, retry, delete."""

from __future__ import annotations

import pytest

from rota.errors import Conflict
from rota.ids import new_id
from rota.model import LogChunk
from rota.store import due, jobs, queues, unique
from rota.store.database import Database, Duplicate, Tx
from tests.store import builders
from tests.store.builders import (
    HOUR,
    SECOND,
    backdate,
    claim,
    claim_ids,
    end,
    get,
    insert,
    insert_one,
    new_job,
    run_one,
)

ODD_DOCUMENTS = [
    '{"a": 1, "a": 2}',
    '{"nul": "\\u0000", "pair": "\\ud83d\\ude00", "lone": "\\ud800"}',
    '{"big": 123456789012345678901234567890, "small": 1e-400, "exact": 1.10}',
    '{"z": 1, "a": {"y": [ ], "b": 2}}',
    "  [1 ,2,\t3]\n",
    '"ünïcödé \\" quotes \\\\ and \\/ slashes"',
    "null",
]


@pytest.mark.parametrize("document", ODD_DOCUMENTS)
def test_documents_stay_byte_for_byte(db: Database, worker: str, document: str) -> None:
    given = {"args": document, "target": document, "retry": document, "tags": '["a" ,"b"]'}
    job_id = insert_one(db, **given)
    labelled = insert_one(db, run_on='[ "gpu" ]', **given)
    (claimed,) = claim(db, worker)
    end(db, worker, claimed, result=document, error_detail=document)

    assert (claimed.call.args, claimed.call.target, claimed.retry) == (document, document, document)
    job = get(db, job_id)
    assert (job.args, job.target, job.retry, job.result, job.error_detail) == (document,) * 5
    assert (job.tags, get(db, labelled).run_on) == ('["a" ,"b"]', '[ "gpu" ]')


def test_every_field_is_stored(db: Database) -> None:
    given = new_job(
        queue="mail", rank=-7, max_attempts=9, origin="trigger", retry='{"base":1}', timeout_us=5, on_lost="fail",
        unique_key="k", unique_scope="active", concurrency_key="c", callback_url="http://x/", tags='["t"]',
        run_on='["gpu"]', started_by="ann", schedule_id="s", scheduled_for=77, delay_us=HOUR, expires_us=HOUR,
    )  # fmt: skip
    insert(db, given)

    job = get(db, given.id)
    for name in given.__struct_fields__:
        if name not in ("run_at", "delay_us", "expires_us", "unique_for_us", "if_exists"):
            assert getattr(job, name) == getattr(given, name), name
    assert job.run_at == job.created_at + HOUR
    assert job.expires_at == job.created_at + HOUR
    assert (job.ring, job.priority) == ('["gpu"]|c', None)
    assert (job.status, job.attempt, job.attempts_used, job.lost_count) == ("scheduled", 0, 0, 0)


def test_a_job_is_pending_when_due_and_scheduled_before(db: Database) -> None:
    now = db.read(lambda tx: tx.now())
    due = insert_one(db, run_at=now - SECOND)
    later = insert_one(db, run_at=now + HOUR)
    delayed = insert_one(db, delay_us=HOUR)
    both = insert_one(db, run_at=now - HOUR, delay_us=2 * HOUR)

    assert [get(db, job_id).status for job_id in (due, later, delayed, both)] == ["pending", *["scheduled"] * 3]
    assert get(db, later).run_at == now + HOUR
    assert get(db, both).run_at == now + HOUR


def test_the_same_insert_again_stores_nothing(db: Database) -> None:
    """What a caller does whose connection was lost at commit."""
    batch = [new_job(), new_job()]
    assert insert(db, *batch) == [job.id for job in batch]

    assert insert(db, *batch) == []
    assert db.read(lambda tx: jobs.existing(tx, [*(job.id for job in batch), new_id(), "no id"])) == {
        job.id for job in batch
    }
    assert len(builders.column(db, "id")) == 2


def test_no_jobs_are_no_trouble(db: Database) -> None:
    assert insert(db) == []
    assert db.run(lambda tx: jobs.delete(tx, [])) == 0
    assert db.read(lambda tx: jobs.states(tx, [])) == {}


def test_a_queue_comes_into_being_with_its_first_job(db: Database, worker: str) -> None:
    job_id = insert_one(db, queue="brand new")
    assert [queue.name for queue in db.read(queues.listed)] == ["brand new"]
    assert claim_ids(db, worker) == [job_id]


def test_a_queue_undone_with_its_transaction_is_made_by_the_next_job(db: Database, worker: str) -> None:
    def undone(tx: Tx) -> None:
        jobs.insert(tx, [new_job(queue="mail")])
        raise Conflict

    with pytest.raises(Conflict), db.transaction() as tx:
        undone(tx)
    with db.transaction() as tx:
        with pytest.raises(Conflict), tx.savepoint():
            undone(tx)
        jobs.insert(tx, [new_job()])

    job_id = insert_one(db, queue="mail")
    assert claim_ids(db, worker, queues=("mail",)) == [job_id]


def test_texts_that_no_database_stores_are_replaced(db: Database) -> None:
    job_id = insert_one(db, started_by="a\0b", concurrency_key="x\ud800y")
    job = get(db, job_id)
    assert (job.started_by, job.concurrency_key) == ("a\ufffdb", "x\ufffdy")


def test_unknown_and_malformed_ids_are_no_jobs(db: Database) -> None:
    for job_id in (new_id(), "", "no id", "\0", "\ud800", new_id().upper()):
        with db.transaction() as tx:
            assert jobs.get(tx, job_id) is None
            assert jobs.lock(tx, job_id) is None
            assert jobs.states(tx, [job_id]) == {}
            assert jobs.delete(tx, [job_id]) == 0


def test_states_of_many(db: Database, worker: str) -> None:
    running = run_one(db, worker)
    waiting = insert_one(db)
    states = db.read(lambda tx: jobs.states(tx, [running.call.job_id, waiting, new_id()]))
    assert states == {running.call.job_id: "running", waiting: "pending"}


class TestUniqueKeys:
    def test_an_active_key_is_held_until_the_end(self, db: Database, worker: str) -> None:
        first = insert_one(db, unique_key="k", unique_scope="active")
        (claimed,) = claim(db, worker)
        assert insert(db, new_job(unique_key="k", unique_scope="active")) == []
        assert db.read(lambda tx: unique.holder(tx, "k")) == first

        end(db, worker, claimed)
        assert db.read(lambda tx: unique.holder(tx, "k")) is None
        insert_one(db, unique_key="k", unique_scope="active")

    def test_a_waiting_key_is_held_until_the_claim(self, db: Database, worker: str) -> None:
        insert_one(db, unique_key="k", unique_scope="waiting")
        assert insert(db, new_job(unique_key="k", unique_scope="waiting")) == []

        claim(db, worker)
        second = insert_one(db, unique_key="k", unique_scope="waiting")
        assert db.read(lambda tx: unique.holder(tx, "k")) == second

    def test_a_key_is_held_between_attempts(self, db: Database, worker: str) -> None:
        first = run_one(db, worker, unique_key="k", unique_scope="active")
        builders.give_back(db, worker, first, delay_us=HOUR)
        assert insert(db, new_job(unique_key="k", unique_scope="active")) == []

    def test_within_a_batch_the_first_has_the_key(self, db: Database) -> None:
        batch = [new_job(unique_key="k", unique_scope="active") for _ in range(3)]
        assert insert(db, *batch, new_job(unique_key="other", unique_scope="active"))[0] == batch[0].id
        assert len(builders.column(db, "id")) == 2

    def test_other_keys_and_no_keys_do_not_meet(self, db: Database) -> None:
        insert_one(db, unique_key="k", unique_scope="active")
        assert len(insert(db, new_job(), new_job(), new_job(unique_key="l", unique_scope="waiting"))) == 3

    @pytest.mark.parametrize("ends", ["cancel", "lost for good", "expired"])
    def test_every_end_releases_the_key(self, db: Database, ends: str) -> None:
        worker = builders.register(db)
        first = insert_one(db, unique_key="k", unique_scope="active", on_lost="fail", expires_us=HOUR)
        if ends == "cancel":
            assert db.run(lambda tx: jobs.cancel_waiting(tx, first, "ann"))
        elif ends == "expired":
            backdate(db, first, expires_at=-1)
            assert db.run(lambda tx: due.expire(tx, 10)) == [first]
        else:
            claim(db, worker)
            builders.lose(db, worker)
        assert insert_one(db, unique_key="k", unique_scope="active") != first

    def test_retry_takes_the_key_again_or_is_refused(self, db: Database, worker: str) -> None:
        first = run_one(db, worker, unique_key="k", unique_scope="active")
        end(db, worker, first, status="failed")
        second = insert_one(db, unique_key="k", unique_scope="active")

        with pytest.raises(Duplicate):
            db.run(lambda tx: jobs.retry(tx, first.call.job_id))
        assert get(db, first.call.job_id).status == "failed"
        assert builders.attempts(db, first.call.job_id) == []

        assert db.run(lambda tx: jobs.cancel_waiting(tx, second, None))
        assert db.run(lambda tx: jobs.retry(tx, first.call.job_id))
        assert db.read(lambda tx: unique.holder(tx, "k")) == first.call.job_id

    def test_many_at_once_store_one(self, db: Database) -> None:
        stored = builders.at_once(
            *[lambda: insert(db, new_job(unique_key="k", unique_scope="active")) for _ in range(8)]
        )
        assert sum(map(len, stored)) == 1


class TestCancel:
    @pytest.mark.parametrize("delay", [0, HOUR])
    def test_a_waiting_job_is_cancelled(self, db: Database, worker: str, delay: int) -> None:
        job_id = insert_one(db, delay_us=delay)
        assert db.run(lambda tx: jobs.cancel_waiting(tx, job_id, "ann"))

        job = get(db, job_id)
        assert (job.status, job.cancel_requested_by, job.reason) == ("cancelled", "ann", "cancelled")
        assert job.completed_at is not None
        assert job.cancel_requested_at is not None
        assert claim(db, worker) == []

    def test_a_running_job_is_only_asked(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        job_id = claimed.call.job_id
        assert not db.run(lambda tx: jobs.cancel_waiting(tx, job_id, "ann"))
        assert db.run(lambda tx: jobs.request_cancel(tx, job_id, "ann"))
        first = get(db, job_id).cancel_requested_at
        assert db.run(lambda tx: jobs.request_cancel(tx, job_id, "bob"))

        job = get(db, job_id)
        assert (job.status, job.cancel_requested_by, job.cancel_requested_at) == ("running", "ann", first)

    def test_an_ended_job_is_left(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        end(db, worker, claimed)
        assert not db.run(lambda tx: jobs.cancel_waiting(tx, claimed.call.job_id, None))
        assert not db.run(lambda tx: jobs.request_cancel(tx, claimed.call.job_id, None))
        assert get(db, claimed.call.job_id).status == "completed"


class TestRetry:
    @pytest.mark.parametrize(
        ("status", "reason", "outcome"),
        [("completed", None, "completed"), ("failed", "failed", "failed"), ("failed", "timeout", "timeout"),
         ("cancelled", "cancelled", "cancelled")],
    )  # fmt: skip
    def test_history_stays_and_attempts_begin_anew(
        self, db: Database, worker: str, status: str, reason: str | None, outcome: str
    ) -> None:
        claimed = run_one(db, worker)
        job_id = claimed.call.job_id
        db.run(lambda tx: jobs.request_cancel(tx, job_id, "ann"))
        end(db, worker, claimed, status=status, reason=reason, result='{"a":1}', error="boom", error_detail='{"c":1}')
        ended = get(db, job_id)
        assert db.run(lambda tx: jobs.retry(tx, job_id))

        job = get(db, job_id)
        assert (job.status, job.attempt, job.attempts_used, job.lost_count) == ("pending", 1, 0, 0)
        assert (job.result, job.completed_at, job.worker_id, job.cancel_requested_at) == (None, None, None, None)
        (first,) = builders.attempts(db, job_id)
        assert (first.attempt, first.outcome, first.worker_id, first.error) == (1, outcome, worker, "boom")
        assert (first.started_at, first.ended_at) == (ended.started_at, ended.completed_at)
        assert first.error_detail == '{"c":1}'

        (again,) = claim(db, worker)
        assert (again.call.attempt, again.call.attempts_used) == (2, 0)

    def test_attempts_that_were_recorded_are_not_recorded_twice(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker)
        builders.give_back(db, worker, claimed, delay_us=HOUR, used=1)
        db.run(lambda tx: jobs.cancel_waiting(tx, claimed.call.job_id, None))
        db.run(lambda tx: jobs.retry(tx, claimed.call.job_id))
        assert [one.outcome for one in builders.attempts(db, claimed.call.job_id)] == ["failed"]

    def test_what_waits_or_runs_is_left(self, db: Database, worker: str) -> None:
        waiting = insert_one(db)
        assert not db.run(lambda tx: jobs.retry(tx, waiting))
        (running,) = claim(db, worker)
        assert not db.run(lambda tx: jobs.retry(tx, waiting))
        assert builders.attempts(db, waiting) == []
        assert end(db, worker, running) == {waiting}

    def test_a_job_never_started_has_no_attempts(self, db: Database) -> None:
        job_id = insert_one(db)
        db.run(lambda tx: jobs.cancel_waiting(tx, job_id, None))
        assert db.run(lambda tx: jobs.retry(tx, job_id))
        assert builders.attempts(db, job_id) == []

    def test_an_expired_job_does_not_expire_again(self, db: Database, worker: str) -> None:
        job_id = insert_one(db, expires_us=HOUR)
        backdate(db, job_id, expires_at=-1)
        db.run(lambda tx: due.expire(tx, 10))
        db.run(lambda tx: jobs.retry(tx, job_id))
        assert claim_ids(db, worker) == [job_id]

    def test_run_now_makes_only_a_scheduled_job_due(self, db: Database, worker: str) -> None:
        job_id = insert_one(db, delay_us=HOUR)
        assert db.run(lambda tx: jobs.run_now(tx, job_id))
        assert not db.run(lambda tx: jobs.run_now(tx, job_id))
        assert claim_ids(db, worker) == [job_id]


class TestDelete:
    def test_a_job_goes_with_its_history(self, db: Database, worker: str) -> None:
        gone, kept = run_one(db, worker), run_one(db, worker)
        for claimed in (gone, kept):
            chunk = LogChunk(claimed.call.job_id, 1, 1, 1, 0, '[[0,"log","x"]]')
            builders.log(db, chunk)
            builders.give_back(db, worker, claimed, log_lines=1)
        assert db.run(lambda tx: jobs.delete(tx, [gone.call.job_id, new_id()])) == 1

        for table, name in (("rota_jobs", "id"), ("rota_attempts", "job_id"), ("rota_logs", "job_id")):
            assert list(builders.column(db, name, table)) == [kept.call.job_id]

    def test_a_running_job_stays(self, db: Database, worker: str) -> None:
        running, waiting = run_one(db, worker), insert_one(db)
        assert db.run(lambda tx: jobs.delete(tx, [running.call.job_id, waiting])) == 1
        assert list(builders.column(db, "id")) == [running.call.job_id]
