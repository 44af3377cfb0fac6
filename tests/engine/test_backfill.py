"""Backfill: each instant by the version that held then, its row cut out of the range in which it lay."""

from __future__ import annotations

from typing import Any

import pytest

from rota.actions import schedules as actions
from rota.actions.backfill import Backfill, Filled
from rota.actions.decoding import convert
from rota.actions.specs import BackfillIn
from rota.engine.scheduler import Scheduler
from rota.errors import DatabaseUnavailable, Invalid, NotFound
from rota.settings import Settings
from rota.store import jobs as job_store
from rota.store import occurrences as occurrence_store
from rota.store.database import Database, Tx
from rota.timetable import format_instant
from tests.engine.scheduling import ANN, end_runs, ledger, occurrences, pause, put, runs, settings_of, settle
from tests.store.builders import at_once, execute
from tests.support.clock import HOUR, MINUTE, SECOND, HandClock

NEW = {"kind": "http", "url": "http://127.0.0.1:9/new"}
SETTINGS = settings_of("sqlite:///unused.db")


@pytest.fixture
def scheduler(db: Database, settings: Settings) -> Scheduler:
    return Scheduler(db, settings)


def asked(first: int, last: int, **fields: Any) -> Backfill:
    spec = convert({"from": format_instant(first), "to": format_instant(last), **fields}, BackfillIn)
    return Backfill("nightly", spec, ANN, SETTINGS)


def fill(db: Database, first: int, last: int, **fields: Any) -> Filled:
    return db.run(asked(first, last, **fields).run)


@pytest.fixture
def start(db: Database, clock: HandClock, scheduler: Scheduler) -> int:
    """Since when ``nightly`` missed ten instants, of each minute one."""
    start = clock.now
    put(db, every="1m", catchup="none")
    clock.turn(10 * MINUTE + 30 * SECOND)
    settle(scheduler)
    assert ledger(db, since=start, unit=MINUTE) == [("missed", 1, 10)]
    return start


def test_a_range_is_split_so_that_each_instant_is_covered_once(db: Database, start: int) -> None:
    found = fill(db, start + 4 * MINUTE, start + 5 * MINUTE)
    assert found.instants == [start + 4 * MINUTE, start + 5 * MINUTE]
    assert ledger(db, since=start, unit=MINUTE) == [
        ("missed", 1, 3), ("caughtUp", 4, 4), ("caughtUp", 5, 5), ("missed", 6, 10),
    ]  # fmt: skip
    row = occurrences(db)[1]
    assert (row.job_id, row.reason) == (found.jobs[0], "backfilled by ann")
    made = runs(db)
    assert [(job.id, job.scheduled_for, job.origin, job.started_by) for job in made] == [
        (job_id, instant, "backfill", "ann") for job_id, instant in zip(found.jobs, found.instants, strict=True)
    ]
    assert [job.status for job in made] == ["pending", "held"]


def test_the_whole_range_leaves_none_of_it(db: Database, start: int) -> None:
    assert fill(db, start, start + HOUR, overlap="allow").count == 10
    assert ledger(db, since=start, unit=MINUTE) == [("caughtUp", n, n) for n in range(1, 11)]
    assert {job.status for job in runs(db)} == {"pending"}


def test_what_made_a_job_makes_no_other(db: Database, start: int) -> None:
    assert fill(db, start, start + 3 * MINUTE).count == 3
    assert fill(db, start, start + 4 * MINUTE).count == 1
    assert fill(db, start, start + 4 * MINUTE).count == 0
    assert len(runs(db)) == 4


def test_looking_makes_nothing(db: Database, start: int) -> None:
    found = fill(db, start, start + 3 * MINUTE, dryRun=True)
    assert (found.count, found.jobs) == (3, [])
    assert (ledger(db, since=start, unit=MINUTE), runs(db)) == ([("missed", 1, 10)], [])


def test_the_scheduler_goes_on_behind_it(db: Database, clock: HandClock, scheduler: Scheduler, start: int) -> None:
    fill(db, start + 10 * MINUTE, start + 10 * MINUTE)
    clock.turn(40 * SECOND)
    settle(scheduler)
    assert ledger(db, since=start, unit=MINUTE)[-2:] == [("caughtUp", 10, 10), ("fired", 11, 11)]


def test_the_instants_to_come_are_the_schedulers(db: Database, clock: HandClock, start: int) -> None:
    clock.turn(5 * MINUTE)  # due, and not decided yet
    assert fill(db, start, clock.now + HOUR).count == 10


def test_each_runs_as_it_was_then(db: Database, clock: HandClock, scheduler: Scheduler, start: int) -> None:
    put(db, every="2m", catchup="none", target=NEW)
    edited = clock.now
    clock.turn(5 * MINUTE)
    settle(scheduler)
    found = fill(db, start + 9 * MINUTE, clock.now)
    assert found.instants == [start + 9 * MINUTE, start + 10 * MINUTE, edited + 2 * MINUTE, edited + 4 * MINUTE]
    assert ["/new" in (job.target or "") for job in runs(db)] == [False, False, True, True]
    assert [row.version for row in occurrences(db) if row.job_id] == [1, 1, 2, 2]


def test_of_a_pause_and_of_what_nothing_covers_any_more(
    db: Database, clock: HandClock, scheduler: Scheduler, start: int
) -> None:
    pause(db)
    clock.turn(5 * MINUTE)
    settle(scheduler)
    execute(db, f"DELETE FROM rota_occurrences WHERE scheduled_for < {start + 11 * MINUTE}")
    found = fill(db, start + 10 * MINUTE, start + 12 * MINUTE)
    assert found.count == 3
    assert ledger(db, since=start, unit=MINUTE) == [
        ("caughtUp", 10, 10), ("caughtUp", 11, 11), ("caughtUp", 12, 12), ("paused", 13, 15),
    ]  # fmt: skip


def test_nothing_from_before_it_was_made_or_while_it_was_deleted(
    db: Database, clock: HandClock, scheduler: Scheduler, start: int
) -> None:
    db.run(lambda tx: actions.delete(tx, "nightly", ANN))
    clock.turn(HOUR)
    put(db, every="1m", catchup="none")
    clock.turn(2 * MINUTE)
    settle(scheduler)
    made = clock.now - 2 * MINUTE
    end_runs(db)
    assert fill(db, start - HOUR, made).count == 10
    # The on-time instant ran; the one before was missed.
    assert fill(db, made, clock.now).instants == [made + MINUTE]


@pytest.mark.parametrize(("minutes", "fields", "field"), [
    (10, {"limit": 9}, "limit"), (10, {"limit": 0}, "limit"), (10, {"limit": 1001}, "limit"), (-1, {}, "to"),
])  # fmt: skip
def test_refuses_with_the_field(db: Database, start: int, minutes: int, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        fill(db, start, start + minutes * MINUTE, **fields)
    assert caught.value.field == field
    if fields.get("limit") == 9:
        assert "10 instants" in caught.value.reason
    assert runs(db) == []


def test_a_range_that_is_far_too_long_is_refused_at_once(db: Database, clock: HandClock) -> None:
    put(db, every="1s", paused=True, startAt=format_instant(clock.now - 24 * HOUR))
    clock.turn(HOUR)
    execute(db, f"UPDATE rota_schedules SET next_at = {clock.now + HOUR}")
    with pytest.raises(Invalid) as caught:
        fill(db, clock.now - 20 * HOUR, clock.now, dryRun=True)
    assert (caught.value.field, "72001 instants" in caught.value.reason) == ("from", True)
    assert fill(db, clock.now - 10 * MINUTE, clock.now, dryRun=True).count == 601


def test_of_an_unknown_schedule(db: Database) -> None:
    with pytest.raises(NotFound):
        fill(db, 0, 1)


def test_a_commit_whose_answer_was_lost_is_not_done_twice(
    db: Database, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill = asked(start, start + 2 * MINUTE)
    first = db.run(backfill.run)
    assert db.run(backfill.run) == first
    assert len(runs(db)) == 2
    assert ledger(db, since=start, unit=MINUTE) == [("caughtUp", 1, 1), ("caughtUp", 2, 2), ("missed", 3, 10)]


def test_one_that_fails_in_the_middle_leaves_nothing_half(
    db: Database, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tx: Tx, made: Any) -> Any:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(job_store, "insert", fail)
    with pytest.raises(DatabaseUnavailable):
        fill(db, start, start + MINUTE)
    monkeypatch.undo()
    assert ledger(db, since=start, unit=MINUTE) == [("missed", 1, 10)]


def test_two_at_once_make_each_job_once(db: Database, clock: HandClock, start: int) -> None:
    stores = [clock.open() for _ in range(4)]
    at_once(*(lambda db=db: fill(db, start, start + HOUR) for db in stores))
    assert len(runs(db)) == 10
    rows = db.read(lambda tx: occurrence_store.listed(tx, "nightly"))
    assert [row.disposition for row in rows] == ["caughtUp"] * 10
