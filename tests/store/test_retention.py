"""Retention: what is old goes, by kind, in small batches."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from rota.model import LogChunk
from rota.store import jobs, retention, schedules
from rota.store import occurrences as occurrence_store
from rota.store.database import Database, Tx
from rota.store.retention import Place, Which
from tests.store import builders
from tests.store.builders import (
    DAY,
    HOUR,
    backdate,
    claim,
    end,
    give_back,
    insert_one,
    ledger,
    occurrence,
    put,
    run_one,
)


@pytest.fixture
def now(db: Database) -> int:
    return db.read(lambda tx: tx.now())


def ended(db: Database, worker: str, age: int = DAY, status: str = "completed", **given: Any) -> str:
    """A job that ended so long ago."""
    claimed = run_one(db, worker, **given)
    end(db, worker, claimed, status=status)
    backdate(db, claimed.call.job_id, completed_at=-age)
    return claimed.call.job_id


def old(db: Database, before: int, **given: Any) -> list[str]:
    wanted = {"failed": False, "runs": False, "keep_last": 100, "limit": 100, **given}
    failed, runs = wanted.pop("failed"), wanted.pop("runs")
    found: list[str] = []
    for status in ("failed",) if failed else ("completed", "cancelled"):
        which = Which(before=before, status=status, origins=retention.RUNS if runs else retention.TRAFFIC)
        found += db.read(partial(retention.old_jobs, which=which, **wanted)).ids
    return found[: wanted["limit"]]


def test_old_jobs_by_kind(db: Database, worker: str, now: int) -> None:
    plain = ended(db, worker)
    cancelled, failed = ended(db, worker, status="cancelled"), ended(db, worker, status="failed")
    triggered, executed = ended(db, worker, origin="trigger"), ended(db, worker, origin="exec", status="cancelled")
    backfilled = ended(db, worker, origin="backfill")
    failed_run = ended(db, worker, origin="trigger", status="failed")
    ended(db, worker, age=HOUR)
    insert_one(db)
    run_one(db, worker)

    before = now - 2 * HOUR
    assert set(old(db, before)) == {plain, cancelled}
    assert old(db, before, failed=True) == [failed]
    assert set(old(db, before, runs=True)) == {triggered, executed, backfilled}
    assert old(db, before, failed=True, runs=True) == [failed_run]


def test_the_oldest_first_and_not_too_many(db: Database, worker: str, now: int) -> None:
    ids = [ended(db, worker, age=age * DAY) for age in (3, 5, 4)]
    cancelled = ended(db, worker, status="cancelled")
    assert old(db, now, limit=2) == [ids[1], ids[2]]
    assert old(db, now, limit=4) == [ids[1], ids[2], ids[0], cancelled]


def runs(db: Database, worker: str, schedule_id: str, *statuses: str, **given: Any) -> list[str]:
    """Old runs of a schedule at the instants 10, 20, 30 …"""
    fields = {"schedule_id": schedule_id, "origin": "schedule", **given}
    return [
        ended(db, worker, status=status, scheduled_for=10 * number, **fields)
        for number, status in enumerate(statuses, 1)
    ]


def test_the_last_runs_of_each_schedule_stay(db: Database, worker: str, now: int) -> None:
    for schedule_id in ("daily", "yearly"):
        put(db, schedule_id)
    daily = runs(db, worker, "daily", *["completed"] * 4)
    runs(db, worker, "yearly", "completed")
    triggered = ended(db, worker, schedule_id="daily", origin="trigger")
    assert set(old(db, now, runs=True, keep_last=2)) == {*daily[:2], triggered}
    assert set(old(db, now, runs=True, keep_last=4)) == {triggered}
    assert set(old(db, now, runs=True, keep_last=0)) == {*daily[:3], triggered}


def test_the_last_good_run_stays_however_many_failed_after_it(db: Database, worker: str, now: int) -> None:
    put(db, "s")
    ids = runs(db, worker, "s", "completed", "completed", "failed", "failed", "failed")
    assert old(db, now, runs=True, keep_last=2) == [ids[0]]
    assert old(db, now, runs=True, failed=True, keep_last=2) == [ids[2]]


def test_a_deleted_schedule_keeps_nothing(db: Database, worker: str, now: int) -> None:
    put(db, "s")
    ids = runs(db, worker, "s", "completed", "completed")
    assert old(db, now, runs=True) == []
    db.run(lambda tx: schedules.delete(tx, "s"))
    assert old(db, now, runs=True) == ids


def test_what_stays_does_not_hide_what_may_go(
    db: Database, worker: str, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "WINDOW", 2)
    for schedule_id in ("kept", "long"):
        put(db, schedule_id)
    runs(db, worker, "kept", *["completed"] * 5, age=9 * DAY)
    ids = runs(db, worker, "long", *["completed"] * 8, age=5 * DAY)
    assert old(db, now, runs=True, keep_last=5, limit=2) == ids[:2]
    assert old(db, now, runs=True, keep_last=5) == ids[:3]


def test_no_page_leaves_out_what_ended_at_the_same_time(
    db: Database, worker: str, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "WINDOW", 2)
    ids = [ended(db, worker) for _ in range(7)]
    db.run(lambda tx: tx.run("UPDATE rota_jobs SET completed_at = :at", {"at": now - DAY}))
    assert old(db, now, limit=3) == sorted(ids)[:3]
    assert old(db, now) == sorted(ids)


def looked(db: Database, which: Which, places: dict[str, Place] | None = None, limit: int = 100) -> list[str]:
    return db.read(lambda tx: retention.old_jobs(tx, which, keep_last=100, limit=limit, places=places)).ids


def test_only_those_of_some_queues_or_all_but_those(db: Database, worker: str, now: int) -> None:
    mail, other = ended(db, worker, queue="mail"), ended(db, worker, queue="other")
    triggered = ended(db, worker, queue="mail", origin="trigger")
    which = Which(before=now, status="completed", queues=frozenset(("mail",)))
    assert set(looked(db, which)) == {mail, triggered}
    assert looked(db, Which(before=now, status="completed", but=frozenset(("mail",)))) == [other]


def test_who_holds_a_unique_key_for_some_time_stays(db: Database, worker: str, now: int) -> None:
    holds, held = ended(db, worker), ended(db, worker)
    backdate(db, holds, unique_until=HOUR)
    backdate(db, held, unique_until=-1)
    assert looked(db, Which(before=now, status="completed")) == [held]


def test_what_was_found_to_stay_is_not_read_again(
    db: Database, worker: str, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "WINDOW", 2)
    monkeypatch.setattr(retention, "MOST_WINDOWS", 3)
    for _ in range(10):
        ended(db, worker, age=2 * DAY)
    mine = [ended(db, worker, queue="mail") for _ in range(2)]
    only = frozenset(("mail",))
    which = Which(before=now, status="completed", origins=retention.TRAFFIC, queues=only)
    places: dict[str, Place] = {}

    def look(tx: Tx) -> retention.Old:
        return retention.old_jobs(tx, which, keep_last=100, limit=100, places=places)

    assert db.read(look) == retention.Old([], more=True)
    assert sorted(db.read(look).ids) == sorted(mine)
    assert sorted(db.read(look).ids) == sorted(mine), "they are still there"
    db.run(lambda tx: retention.delete_jobs(tx, mine))
    assert db.read(look) == retention.Old([], more=False)


def test_jobs_go_with_their_history(db: Database, worker: str) -> None:
    claimed = run_one(db, worker)
    job_id = claimed.call.job_id
    builders.log(db, LogChunk(job_id, 1, 1, 1, 0, '[[0,"log","x"]]'))
    give_back(db, worker, claimed, log_lines=1)
    end(db, worker, *claim(db, worker))
    running = run_one(db, worker).call.job_id
    again = run_one(db, worker)
    end(db, worker, again, status="failed")
    db.run(lambda tx: jobs.retry(tx, again.call.job_id))

    assert db.run(lambda tx: retention.delete_jobs(tx, [job_id, running, again.call.job_id])) == 1
    assert db.run(lambda tx: retention.delete_jobs(tx, [])) == 0
    assert sorted(builders.column(db, "id")) == sorted([running, again.call.job_id]), "who was retried meanwhile stays"
    kept = builders.column(db, "job_id", "rota_attempts")
    assert (kept, builders.column(db, "job_id", "rota_logs")) == ([again.call.job_id], [])


def test_occurrences_go_by_the_time_of_their_decision(db: Database, now: int) -> None:
    rows = [occurrence(at, cause=str(at)) for at in (1, 2, 3)]
    db.run(lambda tx: occurrence_store.account(tx, rows))
    db.run(lambda tx: tx.run("UPDATE rota_occurrences SET decided_at = scheduled_for WHERE scheduled_for < 3"))
    assert [db.run(lambda tx: retention.delete_occurrences(tx, now, 1)) for _ in range(3)] == [1, 1, 0]
    assert ledger(db) == [(3, 3, "paused")]


def test_logs_go_by_age_in_parts(db: Database, worker: str) -> None:
    job_id = run_one(db, worker).call.job_id
    builders.log(db, *[LogChunk(job_id, 1, first, 1, first * 10, '[[0,"log","x"]]') for first in (1, 2, 3)])
    assert [db.run(lambda tx: retention.delete_logs(tx, 30, 1)) for _ in range(3)] == [1, 1, 0]
    assert builders.column(db, "first_line", "rota_logs") == [3]
