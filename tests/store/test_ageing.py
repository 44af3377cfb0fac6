"""Ageing: the order of jobs in a queue that wants it, and the ranking anew when that is changed."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from rota.store import ageing, jobs, queues
from rota.store.database import Database, Tx
from tests.store import builders
from tests.store.builders import HOUR, SECOND, backdate, claim_ids, get, insert_one


def set_ageing(db: Database, ageing_us: int | None, queue: str = "default") -> None:
    db.run(lambda tx: queues.change(tx, queue, {"ageing_us": ageing_us}))


def rank_all(db: Database) -> int:
    """Rank anew until there is no more to do at once; in how many parts."""
    turns = 0
    for name, _ in db.read(marks):
        while db.run(partial(ageing.go_on, queue=name)):
            turns += 1
    return turns + 1


def marks(tx: Tx) -> list[tuple[str, ageing.Mark]]:
    return list(ageing.begun(tx))


def order(db: Database, worker: str) -> list[str]:
    """The ids in the order in which they are claimed."""
    found = []
    while ids := claim_ids(db, worker, lanes={"async": 1}):
        found += ids
    return found


def aged(db: Database, ago: int, **given: int) -> str:
    job_id = insert_one(db, **given)
    backdate(db, job_id, run_at=-ago)
    return job_id


def test_who_waited_long_goes_before_a_fresh_job_of_a_higher_priority(db: Database, worker: str) -> None:
    set_ageing(db, 60 * SECOND)
    now = db.read(lambda tx: tx.now())
    fresh = insert_one(db, rank=-5)
    old = insert_one(db, run_at=now - 360 * SECOND)
    less = insert_one(db, run_at=now - 240 * SECOND)
    assert order(db, worker) == [old, fresh, less]
    assert [get(db, one).priority for one in (old, fresh, less)] == [0, 5, 0]


def test_those_that_wait_are_ranked_anew_when_it_is_set(db: Database, worker: str) -> None:
    old, less, fresh = aged(db, 360 * SECOND), aged(db, 240 * SECOND), insert_one(db, rank=-5)
    insert_one(db, queue="other", rank=-3)
    set_ageing(db, 60 * SECOND)
    rank_all(db)
    job = get(db, fresh)
    assert (job.rank, job.priority) == (job.run_at - 5 * 60 * SECOND, 5)
    assert [one for one in order(db, worker) if one in (old, less, fresh)] == [old, fresh, less]
    assert {(rank, priority) for rank, priority in rows(db, "other")} == {(-3, None)}


def rows(db: Database, queue: str = "default") -> list[tuple[int, int | None]]:
    sql = "SELECT rank, priority FROM rota_jobs WHERE queue = :queue"
    return [(row[0], row[1]) for row in db.read(lambda tx: tx.rows(sql, {"queue": queue}))]


def test_a_change_and_the_end_of_it_rank_them_anew(db: Database) -> None:
    set_ageing(db, 60 * SECOND)
    insert_one(db, rank=-5)
    insert_one(db, rank=7, run_at=1 << 60)
    for ageing_us in (HOUR, SECOND):
        set_ageing(db, ageing_us)
        rank_all(db)
        found = db.read(lambda tx: tx.rows("SELECT rank, run_at, priority FROM rota_jobs"))
        assert all(rank == run_at - priority * ageing_us for rank, run_at, priority in found)
    set_ageing(db, None)
    rank_all(db)
    assert sorted(rows(db), key=str) == [(-5, None), (7, None)]


def test_it_is_done_in_parts_and_goes_on_after_a_crash(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ageing, "SIZE", 2)
    for _ in range(5):
        insert_one(db, rank=-1)
    set_ageing(db, SECOND)
    assert db.run(lambda tx: ageing.go_on(tx, "default"))

    def crash(tx: Tx) -> None:
        ageing.go_on(tx, "default")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.run(crash)
    assert sorted(priority or 0 for _, priority in rows(db)) == [0, 0, 0, 1, 1]
    assert rank_all(db) == 3
    assert {priority for _, priority in rows(db)} == {1}


def test_what_an_insert_under_way_stored_is_ranked_a_minute_later(db: Database) -> None:
    set_ageing(db, SECOND)
    set_ageing(db, None)
    rank_all(db)
    late = insert_one(db, rank=-2)
    db.run(lambda tx: tx.run("UPDATE rota_jobs SET rank = 1000, priority = 2"))
    rank_all(db)
    assert get(db, late).rank == 1000, "not yet"
    mark = ageing.Mark(db.read(lambda tx: tx.now()) - ageing.AGAIN_US, again=True)
    builders.put_fact(db, "ageing:default", msgspec.json.encode(mark).decode())
    rank_all(db)
    assert (get(db, late).rank, get(db, late).priority) == (-2, None)
    assert db.read(marks) == []


def test_what_runs_is_ranked_too_and_what_has_ended_is_not(db: Database, worker: str) -> None:
    ended, running = builders.run_one(db, worker, rank=-1), builders.run_one(db, worker, rank=-2)
    builders.end(db, worker, ended)
    set_ageing(db, SECOND)
    rank_all(db)
    assert get(db, ended.call.job_id).priority is None
    assert get(db, running.call.job_id).priority == 2


def test_only_a_change_of_the_ageing_begins_it(db: Database) -> None:
    set_ageing(db, None)
    db.run(lambda tx: queues.change(tx, "default", {"concurrency": 5}))
    assert db.read(marks) == []
    set_ageing(db, SECOND)
    assert [name for name, _ in db.read(marks)] == ["default"]


def test_who_is_retried_by_hand_is_ranked_as_the_queue_has_it_now(db: Database, worker: str) -> None:
    set_ageing(db, HOUR)
    claimed = builders.run_one(db, worker, rank=-3)
    builders.end(db, worker, claimed, status="failed")
    job_id = claimed.call.job_id
    for ageing_us in (SECOND, None):
        set_ageing(db, ageing_us)
        assert db.run(lambda tx: jobs.retry(tx, job_id))
        job = get(db, job_id)
        assert job.priority == (None if ageing_us is None else 3)
        assert job.rank == (-3 if ageing_us is None else pytest.approx(job.run_at - 3 * SECOND, rel=0, abs=SECOND))
        builders.end(db, worker, *builders.claim(db, worker), status="failed")


def test_who_is_made_due_by_hand_waits_from_then_on(db: Database) -> None:
    set_ageing(db, SECOND)
    job_id = insert_one(db, rank=-3, delay_us=HOUR)
    assert db.run(lambda tx: jobs.run_now(tx, job_id))
    job = get(db, job_id)
    assert job.rank == pytest.approx(job.run_at - 3 * SECOND, rel=0, abs=SECOND)
