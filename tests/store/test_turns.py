"""Of the jobs with one key at most one is ready or runs; the others are held and go in the order of their ids."""

from __future__ import annotations

import pytest

from rota.store import due, jobs, turns
from rota.store.database import Database, Duplicate
from tests.store import builders
from tests.store.builders import SECOND

KEY = "schedule:nightly"


def status(db: Database, *ids: str) -> list[str]:
    return [builders.get(db, job_id).status for job_id in ids]


def insert(db: Database, count: int = 1, **given: object) -> list[str]:
    """Insert jobs of the key in one batch."""
    return builders.insert(db, *(builders.new_job(**{"turn_key": KEY, **given}) for _ in range(count)))


def test_the_first_of_a_key_is_ready_and_the_next_is_held(db: Database) -> None:
    (first,) = insert(db)
    (second,) = insert(db)
    assert status(db, first, second) == ["pending", "held"]


def test_of_a_batch_the_one_with_the_least_id_goes_first(db: Database) -> None:
    batch = [builders.new_job(turn_key=KEY) for _ in range(3)]
    builders.insert(db, *reversed(batch))
    assert status(db, *(job.id for job in batch)) == ["pending", "held", "held"]


def test_keys_and_jobs_without_one_do_not_wait_for_each_other(db: Database) -> None:
    batch = [builders.new_job(turn_key=key) for key in (KEY, "other", None, None)]
    assert status(db, *builders.insert(db, *batch)) == ["pending"] * 4


@pytest.mark.parametrize("before", ["scheduled", "pending", "running", "held"])
def test_a_job_is_held_whatever_the_one_before_it_does(db: Database, worker: str, before: str) -> None:
    insert(db, delay_us=3600 * SECOND if before == "scheduled" else 0)
    if before == "running":
        assert builders.claim(db, worker)
    if before == "held":
        builders.execute(db, "UPDATE rota_jobs SET status = 'held'")
    (later,) = insert(db)
    # Where nobody was active the earlier one was let go, which had been left behind.
    assert sorted(builders.column(db, "status")) == sorted(["held", "pending" if before == "held" else before])
    assert status(db, later) == ["held"]


def test_after_an_ended_job_the_next_is_ready(db: Database, worker: str) -> None:
    insert(db)
    builders.end(db, worker, *builders.claim(db, worker))
    assert status(db, *insert(db)) == ["pending"]


def test_the_same_call_again_stores_nothing_twice(db: Database) -> None:
    batch = [builders.new_job(turn_key=KEY) for _ in range(2)]
    assert len(builders.insert(db, *batch)) == 2
    assert builders.insert(db, *batch) == []
    assert status(db, *(job.id for job in batch)) == ["pending", "held"]


def test_when_the_first_of_a_batch_is_not_stored_the_second_goes(db: Database) -> None:
    builders.insert_one(db, unique_key="k", unique_scope="active")
    first = builders.new_job(turn_key=KEY, unique_key="k", unique_scope="active")
    second = builders.new_job(turn_key=KEY)
    assert builders.insert(db, first, second) == [second.id]
    assert status(db, second.id) == ["pending"]


def test_the_index_lets_nobody_make_two_active(db: Database) -> None:
    insert(db, 2)
    with pytest.raises(Duplicate):
        builders.execute(db, "UPDATE rota_jobs SET status = 'pending'")


def test_release_lets_the_first_one_go_and_only_where_nobody_is_active(db: Database) -> None:
    first, second, third = insert(db, 3)
    assert db.run(lambda tx: turns.release(tx, [KEY])) == []
    builders.execute(db, f"UPDATE rota_jobs SET status = 'completed' WHERE id = '{first}'")
    assert db.run(lambda tx: turns.release(tx, [KEY, "other"])) == [turns.Turn(second, KEY)]
    assert status(db, second, third) == ["pending", "held"]
    assert db.run(lambda tx: turns.release(tx, [KEY])) == []


def test_one_whose_time_is_later_is_scheduled_when_its_turn_has_come(db: Database) -> None:
    (first,) = insert(db)
    (second,) = insert(db, delay_us=3600 * SECOND)
    (third,) = insert(db)
    builders.execute(db, f"UPDATE rota_jobs SET status = 'completed' WHERE id = '{first}'")
    db.run(lambda tx: turns.release(tx, [KEY]))
    assert status(db, second, third) == ["scheduled", "held"]


def test_keys_whose_jobs_are_all_held_are_found_in_parts(db: Database) -> None:
    ids = [insert(db, 2, turn_key=f"key{n}")[0] for n in range(5)]
    builders.execute(db, f"UPDATE rota_jobs SET status = 'completed' WHERE id IN ('{ids[1]}', '{ids[3]}')")
    look = db.read(lambda tx: turns.idle(tx, 3))
    assert (look.keys, look.last) == (["key1"], "key2")
    assert db.read(lambda tx: turns.idle(tx, 3, look.last)) == turns.Idle(["key3"], "")


@pytest.mark.parametrize("mode", ["stop", "kill"])
def test_clear_cancels_what_waits_and_asks_what_runs(db: Database, worker: str, mode: turns.Mode) -> None:
    first, *waiting = insert(db, 3)
    (other,) = insert(db, turn_key="other")
    (claimed,) = builders.claim(db, worker, lanes={"async": 1})
    assert claimed.call.job_id == first
    done = db.run(lambda tx: turns.clear(tx, [KEY, "unknown"], mode, "rota"))
    assert done == [turns.Cleared(first, KEY, True), *(turns.Cleared(one, KEY, False) for one in waiting)]
    assert status(db, first, other, *waiting) == ["running", "pending", "cancelled", "cancelled"]
    running, cancelled = builders.get(db, first), builders.get(db, waiting[0])
    assert (running.cancel_mode, running.cancel_requested_by) == (mode, "rota")
    assert (cancelled.reason, cancelled.error) == ("replaced", "replaced by a later run")
    assert cancelled.completed_at is not None
    assert status(db, *insert(db)) == ["held"]


def test_a_kill_is_not_made_a_stop_again(db: Database, worker: str) -> None:
    (first,) = insert(db)
    builders.claim(db, worker)
    for mode in ("stop", "kill", "stop"):
        db.run(lambda tx, mode=mode: turns.clear(tx, [KEY], mode, f"by {mode}"))  # type: ignore[misc]
    job = builders.get(db, first)
    assert (job.cancel_mode, job.cancel_requested_by) == ("kill", "by stop")


def test_after_clear_a_new_one_goes_at_once_where_nothing_runs(db: Database) -> None:
    insert(db, 3)

    def replace(tx: object) -> list[str]:
        turns.clear(tx, [KEY], "stop", None)  # type: ignore[arg-type]
        return jobs.insert(tx, [builders.new_job(turn_key=KEY)])  # type: ignore[arg-type]

    assert status(db, *db.run(replace)) == ["pending"]


def test_ahead_names_the_active_one_and_counts_the_rest(db: Database) -> None:
    first, _, third = insert(db, 3)
    assert db.read(lambda tx: turns.ahead(tx, KEY, third)) == (first, 1)
    assert db.read(lambda tx: turns.ahead(tx, "other", third)) == (None, 0)


class TestTheEndOfOneLetsTheNextGo:
    @pytest.fixture
    def held(self, db: Database) -> str:
        """The second of two."""
        return insert(db, 2)[1]

    @pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled"])
    def test_when_it_finishes(self, db: Database, worker: str, held: str, outcome: str) -> None:
        builders.end(db, worker, *builders.claim(db, worker), status=outcome)
        assert status(db, held) == ["pending"]

    def test_not_while_it_is_tried_again(self, db: Database, worker: str, held: str) -> None:
        builders.give_back(db, worker, *builders.claim(db, worker), delay_us=3600 * SECOND)
        assert status(db, held) == ["held"]

    def test_when_it_comes_back_cancelled(self, db: Database, worker: str, held: str) -> None:
        claimed = builders.claim(db, worker)
        db.run(lambda tx: jobs.request_cancel(tx, claimed[0].call.job_id, "ann"))
        builders.give_back(db, worker, *claimed)
        assert status(db, claimed[0].call.job_id, held) == ["cancelled", "pending"]

    @pytest.mark.parametrize(("on_lost", "after"), [("retry", "held"), ("fail", "pending")])
    def test_when_its_worker_is_lost_and_it_must_not_run_twice(
        self, db: Database, worker: str, on_lost: str, after: str
    ) -> None:
        _, held = insert(db, 2, on_lost=on_lost)
        builders.claim(db, worker)
        assert len(builders.lose(db, worker)) == 1
        assert status(db, held) == [after]

    def test_when_it_is_cancelled_before_it_starts(self, db: Database, held: str) -> None:
        (first,) = set(builders.column(db, "id")) - {held}
        assert db.run(lambda tx: jobs.cancel_waiting(tx, first, "ann"))
        assert status(db, held) == ["pending"]

    def test_when_it_is_deleted(self, db: Database, held: str) -> None:
        (first,) = set(builders.column(db, "id")) - {held}
        assert db.run(lambda tx: jobs.delete(tx, [first])) == 1
        assert status(db, held) == ["pending"]

    def test_when_it_has_waited_too_long(self, db: Database) -> None:
        first, held, patient = insert(db, 3)
        for job_id in (first, held):
            builders.backdate(db, job_id, expires_at=-1)
        assert set(db.run(lambda tx: due.expire(tx, 10))) == {first, held}
        assert status(db, patient) == ["pending"]

    def test_a_held_one_that_is_cancelled_leaves_its_place_to_the_next(self, db: Database, worker: str) -> None:
        _, second, third = insert(db, 3)
        assert db.run(lambda tx: jobs.cancel_waiting(tx, second, "ann"))
        assert status(db, third) == ["held"]
        builders.end(db, worker, *builders.claim(db, worker))
        assert status(db, third) == ["pending"]


class TestRetry:
    def test_it_waits_its_turn_and_comes_before_later_ones(self, db: Database, worker: str) -> None:
        first, second, third = insert(db, 3)
        builders.end(db, worker, *builders.claim(db, worker), status="failed")
        assert db.run(lambda tx: jobs.retry(tx, first))
        assert status(db, first, second, third) == ["held", "pending", "held"]
        builders.end(db, worker, *builders.claim(db, worker))
        assert status(db, first, third) == ["pending", "held"]

    def test_it_is_ready_where_nobody_is_active(self, db: Database, worker: str) -> None:
        (first,) = insert(db)
        builders.end(db, worker, *builders.claim(db, worker), status="failed")
        db.run(lambda tx: jobs.retry(tx, first))
        assert status(db, first) == ["pending"]

    def test_a_unique_key_is_still_refused(self, db: Database, worker: str) -> None:
        (first,) = insert(db, unique_key="k", unique_scope="active")
        builders.end(db, worker, *builders.claim(db, worker))
        insert(db, unique_key="k", unique_scope="active")
        with pytest.raises(Duplicate):
            db.run(lambda tx: jobs.retry(tx, first))
        assert status(db, first) == ["completed"]

    def test_a_kill_before_is_forgotten(self, db: Database, worker: str) -> None:
        (first,) = insert(db)
        claimed = builders.claim(db, worker)
        db.run(lambda tx: jobs.request_cancel(tx, first, "ann", mode="kill"))
        builders.end(db, worker, *claimed, status="cancelled")
        db.run(lambda tx: jobs.retry(tx, first))
        assert (builders.get(db, first).cancel_mode, builders.get(db, first).cancel_requested_at) == (None, None)
