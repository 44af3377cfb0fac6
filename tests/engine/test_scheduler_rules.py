"""Schedules with several rules: each instant once, whichever rules name it, and one more at the start."""

from __future__ import annotations

import pytest

from rota.actions.rules import rule_of
from rota.engine.scheduler import Scheduler
from rota.settings import Settings
from rota.store.database import Database
from rota.timetable import format_instant
from tests.engine.scheduling import ledger, occurrences, put, runs, settle
from tests.store.builders import get_schedule
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, HandClock


@pytest.fixture
def scheduler(db: Database, settings: Settings) -> Scheduler:
    return Scheduler(db, settings)


def test_what_coincides_runs_once(db: Database, clock: HandClock, scheduler: Scheduler) -> None:
    rules = [
        {"cron": "*/2 * * * *"},
        {"cron": "*/3 * * * *", "timezone": "Asia/Kathmandu"},
        {"every": "4m"},
        {"at": format_instant(clock.now + 5 * MINUTE)},
        {"at": format_instant(clock.now + 6 * MINUTE)},
    ]
    put(db, rules=rules, overlap="allow")
    start = clock.now
    for _ in range(12):
        clock.turn(MINUTE)
        settle(scheduler)
    expected = [2, 3, 4, 5, 6, 8, 9, 10, 12]
    assert ledger(db, since=start, unit=MINUTE) == [("fired", minute, minute) for minute in expected]
    assert [(job.scheduled_for or 0) - start for job in runs(db)] == [minute * MINUTE for minute in expected]


def test_down_for_forty_days_is_one_range_and_the_latest(db: Database, clock: HandClock, scheduler: Scheduler) -> None:
    put(db, rules=[{"cron": "* * * * *"}, {"every": "90s"}, {"cron": "0 * * * *", "timezone": "Asia/Kolkata"}])
    start = clock.now
    clock.turn(40 * DAY + SECOND)
    settle(scheduler)
    assert len(runs(db)) == 1
    last = 40 * 86_400
    assert ledger(db, since=start, unit=SECOND) == [("coalesced", 60, last - 60), ("fired", last, last)]
    missed = occurrences(db)[0]
    # All minutes but the first and the last of them, and every other one of the intervals.
    assert rule_of(get_schedule(db)).count(missed.scheduled_for - 1, missed.until_at) == 57_599 + 19_200


def test_on_start_runs_at_the_creation_and_not_again_after_an_edit(
    db: Database, clock: HandClock, scheduler: Scheduler
) -> None:
    start = clock.now
    put(db, cron="0 * * * *", onStart=True, overlap="allow")
    settle(scheduler)
    assert ledger(db, since=start, unit=MINUTE) == [("fired", 0, 0)]
    clock.turn(10 * MINUTE)
    settle(scheduler)
    put(db, cron="30 * * * *", onStart=True, overlap="allow")
    for _ in range(3):
        clock.turn(20 * MINUTE + SECOND)
        settle(scheduler)
    assert ledger(db, since=start, unit=MINUTE) == [("fired", 0, 0), ("fired", 30, 30)]


def test_on_start_waits_for_the_start(db: Database, clock: HandClock, scheduler: Scheduler) -> None:
    begins = clock.now + 90 * MINUTE
    put(db, every="1h", onStart=True, startAt=format_instant(begins), overlap="allow")
    assert get_schedule(db).next_at == begins
    clock.turn(90 * MINUTE)
    settle(scheduler)
    clock.turn(HOUR)
    settle(scheduler)
    assert ledger(db, since=begins, unit=HOUR) == [("fired", 0, 0), ("fired", 1, 1)]


def test_instants_alone_run_though_they_have_passed_and_then_there_is_nothing_more(
    db: Database, clock: HandClock, scheduler: Scheduler
) -> None:
    moments = [clock.now - SECOND, clock.now + HOUR]
    put(db, rules=[{"at": format_instant(moment)} for moment in moments], overlap="allow")
    settle(scheduler)
    clock.turn(HOUR)
    settle(scheduler)
    assert [job.scheduled_for for job in runs(db)] == moments
    assert get_schedule(db).next_at is None
