"""Calendars keep schedules from firing, and the ledger names them."""

from __future__ import annotations

import pytest

from rota.actions import calendars
from rota.actions.decoding import convert
from rota.actions.specs import CalendarIn
from rota.engine.scheduler import Scheduler
from rota.settings import Settings
from rota.store import meta
from rota.store.database import Database
from tests.engine.scheduling import ANN, ledger, occurrences, put, runs, settle
from tests.store import builders
from tests.support.clock import DAY, HOUR, MINUTE, HandClock

CLOCK = "2027-01-15"
"""The day of the hand-turned clock, a Friday; it begins at noon UTC."""


def calendar(db: Database, name: str, **spec: object) -> None:
    """Save a calendar as a user does."""
    db.run(lambda tx: calendars.put(tx, name, convert(spec, CalendarIn), ANN))


@pytest.fixture
def scheduler(db: Database, settings: Settings) -> Scheduler:
    return Scheduler(db, settings)


def test_a_weekend_is_one_row_and_names_its_calendar(db: Database, clock: HandClock, scheduler: Scheduler) -> None:
    calendar(db, "weekends", weekdays=["SAT", "SUN"])
    put(db, cron="0 * * * *", calendars=["weekends"], overlap="allow")
    start = clock.now
    for _ in range(3 * 24):
        clock.turn(HOUR)
        settle(scheduler)
    rows = ledger(db, since=start, unit=HOUR)
    assert ("blackout", 12, 59) in rows
    assert [one for one in rows if one[0] == "blackout"] == [("blackout", 12, 59)]
    assert len(runs(db)) == 72 - 48
    closed = next(one for one in occurrences(db) if one.disposition == "blackout")
    assert (closed.cause, closed.reason, closed.job_id) == ("weekends", "calendar weekends", None)


def test_days_are_those_of_the_schedules_zone(db: Database, clock: HandClock, scheduler: Scheduler) -> None:
    calendar(db, "saturday", dates=["2027-01-16"])
    for name, zone in (("tokyo", "Asia/Tokyo"), ("denver", "America/Denver")):
        put(db, name, cron="0 * * * *", timezone=zone, calendars=["saturday"], overlap="allow")
    start = clock.now
    for _ in range(60):
        clock.turn(HOUR)
        settle(scheduler)
    closed = {name: [row for row in ledger(db, name, since=start, unit=HOUR) if row[0] == "blackout"]
              for name in ("tokyo", "denver")}  # fmt: skip
    assert closed == {"tokyo": [("blackout", 3, 26)], "denver": [("blackout", 19, 42)]}


def test_what_was_closed_while_no_scheduler_ran_is_not_caught_up(
    db: Database, clock: HandClock, scheduler: Scheduler
) -> None:
    calendar(db, "weekends", weekdays=["SAT", "SUN"])
    put(db, cron="0 12 * * *", calendars=["weekends"], catchup="all")
    start = clock.now
    clock.turn(4 * DAY + HOUR)
    settle(scheduler)
    assert ledger(db, since=start, unit=DAY) == [("blackout", 1, 2), ("caughtUp", 3, 3), ("caughtUp", 4, 4)]


def test_a_changed_calendar_counts_at_once(db: Database, clock: HandClock, scheduler: Scheduler) -> None:
    calendar(db, "closed", dates=["2020-01-01"])
    put(db, every="1m", calendars=["closed"], overlap="allow")
    start = clock.now
    clock.turn(MINUTE)
    settle(scheduler)
    calendar(db, "closed", dates=[CLOCK])
    clock.turn(MINUTE)
    settle(scheduler)
    assert ledger(db, since=start, unit=MINUTE) == [("fired", 1, 1), ("blackout", 2, 2)]


def test_a_calendar_that_nobody_understands_lets_nothing_fire_and_says_so(
    db: Database, clock: HandClock, scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    calendar(db, "closed", dates=["2020-01-01"])
    put(db, every="1m", calendars=["closed"])
    put(db, "other", every="1m")
    builders.execute(db, """UPDATE rota_calendars SET document = '{"dates":["never"]}', version = 2""")
    clock.turn(MINUTE)
    settle(scheduler)
    assert (len(runs(db)), len(runs(db, "other"))) == (0, 1)
    assert "schedule/invalid" in caplog.text
    assert "calendar closed" in caplog.text
    unseen = clock.now
    clock.turn(HOUR)
    settle(scheduler)
    assert (db.read(meta.accounted_to) or 0) < unseen, "what nobody decided about is not accounted for"
