"""Many jobs changed at once: as one at a time, with what is in the way left out."""

from __future__ import annotations

import pytest

from rota.ids import new_id
from rota.store import changes, jobs, queues
from rota.store.database import Database
from tests.store import builders
from tests.store.builders import HOUR, claim, claim_ids, end, get, insert, insert_one, new_job


@pytest.fixture
def worker(db: Database) -> str:
    return builders.register(db)


def failed(db: Database, worker: str, count: int = 3, **given: object) -> list[str]:
    ids = insert(db, *(new_job(**given) for _ in range(count)))
    found = [one for one in claim(db, worker) if one.call.job_id in ids]
    end(db, worker, *found, status="failed", reason="failed", error="boom")
    return ids


def statuses(db: Database, ids: list[str]) -> list[str]:
    return [get(db, job_id).status for job_id in ids]


class TestRetry:
    def test_history_stays_and_attempts_begin_anew(self, db: Database, worker: str) -> None:
        ids = failed(db, worker)
        assert db.run(lambda tx: changes.retry(tx, ids)) == 3
        for job_id in ids:
            job = get(db, job_id)
            assert (job.status, job.attempt, job.attempts_used, job.worker_id) == ("pending", 1, 0, None)
            (first,) = builders.attempts(db, job_id)
            assert (first.outcome, first.error, first.worker_id) == ("failed", "boom", worker)
        assert claim_ids(db, worker) == ids

    def test_what_waits_or_runs_or_is_gone_is_left(self, db: Database, worker: str) -> None:
        running = insert_one(db)
        claim(db, worker)
        waiting = insert_one(db)
        assert db.run(lambda tx: changes.retry(tx, [running, waiting, new_id(), "x"])) == 0
        assert builders.attempts(db, running) == []

    def test_nothing_is_nothing(self, db: Database) -> None:
        assert db.run(lambda tx: changes.retry(tx, [])) == 0

    def test_a_job_whose_key_is_held_is_left(self, db: Database, worker: str) -> None:
        (first,) = failed(db, worker, 1, unique_key="k", unique_scope="active")
        (second,) = failed(db, worker, 1, unique_key="k", unique_scope="active")
        (other,) = failed(db, worker, 1, unique_key="l", unique_scope="active")
        third = insert_one(db, unique_key="k", unique_scope="active")
        assert db.run(lambda tx: changes.retry(tx, [first, second, other])) == 1
        assert statuses(db, [first, second, other]) == ["failed", "failed", "pending"]
        assert builders.attempts(db, first) == []
        db.run(lambda tx: jobs.cancel_waiting(tx, third, None))
        assert db.run(lambda tx: changes.retry(tx, [first, second])) == 1
        assert statuses(db, [first, second]) == ["pending", "failed"]

    def test_of_one_turn_the_first_goes_and_the_others_wait(self, db: Database, worker: str) -> None:
        ids = []
        for _ in range(3):
            ids += failed(db, worker, 1, turn_key="k")
        assert db.run(lambda tx: changes.retry(tx, ids)) == 3
        assert statuses(db, ids) == ["pending", "held", "held"]
        for job_id in ids:
            (one,) = claim(db, worker)
            assert one.call.job_id == job_id
            end(db, worker, one)

    def test_they_wait_for_one_of_their_turn_that_is_active(self, db: Database, worker: str) -> None:
        ids = failed(db, worker, 1, turn_key="k")
        active = insert_one(db, turn_key="k")
        assert db.run(lambda tx: changes.retry(tx, ids)) == 1
        assert statuses(db, ids) == ["held"]
        (one,) = claim(db, worker)
        assert one.call.job_id == active
        end(db, worker, one)
        assert claim_ids(db, worker) == ids

    def test_who_ages_begins_to_wait_anew(self, db: Database, worker: str) -> None:
        db.run(lambda tx: queues.change(tx, "default", {"ageing_us": HOUR}))
        (job_id,) = failed(db, worker, 1, rank=-2)
        builders.backdate(db, job_id, run_at=-5 * HOUR)
        db.run(lambda tx: changes.retry(tx, [job_id]))
        job = get(db, job_id)
        assert (job.rank, job.priority) == (job.run_at - 2 * HOUR, 2)


class TestCancel:
    def test_waiting_ones_end_and_running_ones_are_asked(self, db: Database, worker: str) -> None:
        running = builders.run_one(db, worker).call.job_id
        waiting = [insert_one(db), insert_one(db, delay_us=HOUR)]
        assert db.run(lambda tx: changes.cancel(tx, [running, *waiting, new_id()], "ann", mode="kill")) == 3
        assert statuses(db, [running, *waiting]) == ["running", "cancelled", "cancelled"]
        job = get(db, running)
        assert (job.cancel_requested_by, job.cancel_mode) == ("ann", "kill")
        assert get(db, waiting[0]).cancel_requested_by == "ann"

    def test_the_next_turn_comes(self, db: Database, worker: str) -> None:
        ids = insert(db, *(new_job(turn_key="k") for _ in range(3)))
        assert db.run(lambda tx: changes.cancel(tx, ids[:2], None)) == 2
        assert claim_ids(db, worker) == [ids[2]]

    def test_the_key_is_free(self, db: Database) -> None:
        first = insert_one(db, unique_key="k", unique_scope="active")
        db.run(lambda tx: changes.cancel(tx, [first], None))
        assert insert_one(db, unique_key="k", unique_scope="active") != first


class TestMove:
    def test_what_waits_or_failed_goes_elsewhere_and_what_runs_stays(self, db: Database, worker: str) -> None:
        ids = failed(db, worker, 1)
        running = builders.run_one(db, worker).call.job_id
        ids += [insert_one(db), insert_one(db, delay_us=HOUR)]
        assert db.run(lambda tx: changes.move(tx, [*ids, running], "slow")) == 3
        assert [get(db, job_id).queue for job_id in [*ids, running]] == ["slow", "slow", "slow", "default"]
        assert statuses(db, ids) == ["failed", "pending", "scheduled"]
        assert db.read(lambda tx: queues.get(tx, "slow")) is not None
        assert db.run(lambda tx: changes.move(tx, ids, "slow")) == 0

    def test_the_new_queue_ranks_them(self, db: Database) -> None:
        db.run(lambda tx: queues.change(tx, "ages", {"ageing_us": HOUR}))
        job_id = insert_one(db, rank=-3)
        db.run(lambda tx: changes.move(tx, [job_id], "ages"))
        job = get(db, job_id)
        assert (job.rank, job.priority) == (job.run_at - 3 * HOUR, 3)
        db.run(lambda tx: changes.move(tx, [job_id], "default"))
        job = get(db, job_id)
        assert (job.rank, job.priority) == (-3, None)


class TestReprioritise:
    def test_what_waits_changes_its_place(self, db: Database, worker: str) -> None:
        first, second, third = (insert_one(db) for _ in range(3))
        assert db.run(lambda tx: changes.reprioritise(tx, [third, second], -5)) == 2
        assert db.run(lambda tx: changes.reprioritise(tx, [third], -5)) == 0
        assert [get(db, job_id).rank for job_id in (first, second, third)] == [0, -5, -5]
        assert claim_ids(db, worker, lanes={"async": 2}) == [second, third]

    def test_where_jobs_age_the_priority_counts_as_time(self, db: Database) -> None:
        db.run(lambda tx: queues.change(tx, "default", {"ageing_us": HOUR}))
        job_id = insert_one(db)
        assert db.run(lambda tx: changes.reprioritise(tx, [job_id], -7)) == 1
        job = get(db, job_id)
        assert (job.rank, job.priority) == (job.run_at - 7 * HOUR, 7)
        assert db.run(lambda tx: changes.reprioritise(tx, [job_id], -7)) == 0


class TestEdit:
    def test_columns_are_set_and_the_place_follows(self, db: Database) -> None:
        job_id = insert_one(db, concurrency_key="a")
        values = {"args": '{"b": 1}', "queue": "other", "rank": -4, "concurrency_key": None, "tags": '["x"]'}
        db.run(lambda tx: changes.edit(tx, job_id, dict(values)))
        job = get(db, job_id)
        assert (job.args, job.queue, job.rank, job.ring, job.tags) == ('{"b": 1}', "other", -4, None, '["x"]')
        db.run(lambda tx: changes.edit(tx, job_id, {"concurrency_key": "c"}))
        assert get(db, job_id).ring == "|c"

    def test_a_time_makes_it_scheduled_and_none_due(self, db: Database, worker: str) -> None:
        job_id = insert_one(db)
        db.run(lambda tx: changes.edit(tx, job_id, {}, due=(None, HOUR)))
        assert get(db, job_id).status == "scheduled"
        assert claim_ids(db, worker) == []
        db.run(lambda tx: changes.edit(tx, job_id, {}, due=(None, 0)))
        assert claim_ids(db, worker) == [job_id]

    def test_it_expires_from_now_on(self, db: Database) -> None:
        job_id = insert_one(db)
        db.run(lambda tx: changes.edit(tx, job_id, {"expires_us": HOUR}))
        job = get(db, job_id)
        assert job.expires_at is not None
        assert abs(job.expires_at - job.updated_at - HOUR) < 1_000_000
        db.run(lambda tx: changes.edit(tx, job_id, {"expires_us": None}))
        assert get(db, job_id).expires_at is None
