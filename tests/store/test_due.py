"""Jobs whose time has come, and jobs that waited too long."""

from __future__ import annotations

from rota.store import due, jobs
from rota.store.database import Database
from tests.store import builders
from tests.store.builders import HOUR, SECOND, backdate, claim_ids, get, give_back, insert, insert_one, new_job, run_one


def move(db: Database, limit: int = 1000) -> set[str]:
    return db.run(lambda tx: due.move(tx, limit))


def test_due_jobs_become_ready_in_their_queues(db: Database, worker: str) -> None:
    ready = [insert_one(db, queue=queue, delay_us=HOUR) for queue in ("a", "b")]
    later = insert_one(db, queue="c", delay_us=2 * HOUR)
    for job_id in ready:
        backdate(db, job_id, run_at=-SECOND)
    assert move(db) == {"a", "b"}
    assert move(db) == set()
    assert set(claim_ids(db, worker)) == set(ready)
    assert get(db, later).status == "scheduled"


def test_the_longest_due_are_moved_first(db: Database) -> None:
    ids = insert(db, *[new_job(delay_us=HOUR) for _ in range(5)])
    for age, job_id in enumerate(ids, 1):
        backdate(db, job_id, run_at=-age * SECOND)
    move(db, 2)
    assert [get(db, job_id).status for job_id in ids] == ["scheduled"] * 3 + ["pending"] * 2


def test_next_due_is_the_least_of_the_scheduled(db: Database) -> None:
    assert db.read(due.look).next_at is None
    insert_one(db)
    assert db.read(due.look).next_at is None
    soon, _ = insert_one(db, delay_us=HOUR), insert_one(db, delay_us=2 * HOUR)
    assert db.read(due.look).next_at == get(db, soon).run_at


def test_a_look_tells_whether_a_job_waits_for_its_turn(db: Database) -> None:
    insert_one(db, turn_key="k")
    assert not db.read(due.look).held
    insert_one(db, turn_key="k")
    assert db.read(due.look).held


def test_a_job_keeps_its_due_time_and_place(db: Database, worker: str) -> None:
    early = insert_one(db, delay_us=HOUR)
    backdate(db, early, run_at=-HOUR)
    run_at = get(db, early).run_at
    fresh = insert_one(db)
    move(db)
    assert get(db, early).run_at == run_at
    assert claim_ids(db, worker) == [early, fresh]


def test_several_movers_move_each_job_once(db: Database) -> None:
    insert(db, *[new_job(delay_us=HOUR, queue=f"q{number % 7}") for number in range(300)])
    db.run(lambda tx: tx.run("UPDATE rota_jobs SET run_at = rota_now() - 1"))
    builders.at_once(*[lambda: [move(db, 50) for _ in range(6)]] * 4)
    move(db)
    assert set(builders.column(db, "status")) == {"pending"}


class TestExpiry:
    def test_what_waited_too_long_is_cancelled(self, db: Database) -> None:
        pending, scheduled = insert_one(db, expires_us=HOUR), insert_one(db, expires_us=HOUR, delay_us=2 * HOUR)
        fresh, patient = insert_one(db, expires_us=HOUR), insert_one(db)
        for job_id in (pending, scheduled):
            backdate(db, job_id, expires_at=-1)
        assert db.read(due.look).expired
        assert set(db.run(lambda tx: due.expire(tx, 10))) == {pending, scheduled}
        assert not db.read(due.look).expired

        job = get(db, pending)
        assert (job.status, job.reason) == ("cancelled", "expired")
        assert job.error is not None and job.completed_at is not None
        assert [get(db, one).status for one in (fresh, patient)] == ["pending", "pending"]

    def test_between_attempts_too(self, db: Database, worker: str) -> None:
        claimed = run_one(db, worker, expires_us=HOUR)
        job_id = claimed.call.job_id
        backdate(db, job_id, expires_at=-1)
        assert db.run(lambda tx: due.expire(tx, 10)) == []
        give_back(db, worker, claimed, delay_us=HOUR)
        assert db.run(lambda tx: due.expire(tx, 10)) == [job_id]
        db.run(lambda tx: jobs.retry(tx, job_id))
        assert [one.outcome for one in builders.attempts(db, job_id)] == ["failed"]

    def test_in_parts(self, db: Database) -> None:
        insert(db, *[new_job(expires_us=HOUR) for _ in range(5)])
        db.run(lambda tx: tx.run("UPDATE rota_jobs SET expires_at = rota_now() - 1"))
        assert [len(db.run(lambda tx: due.expire(tx, 2))) for _ in range(4)] == [2, 2, 1, 0]
