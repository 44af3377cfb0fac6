"""Schedules in the shadow: every instant is accounted for, and makes no job until they go live."""

from __future__ import annotations

import pytest

from rota.actions import schedule_why, schedules, switching
from rota.engine.scheduler import Scheduler
from rota.settings import Settings
from rota.store.database import Database
from tests.engine.scheduling import ANN, ledger, occurrences, put, runs, settle
from tests.support.clock import HOUR, MINUTE, HandClock


@pytest.fixture
def scheduler(db: Database, settings: Settings) -> Scheduler:
    return Scheduler(db, settings)


def turn(clock: HandClock, scheduler: Scheduler, minutes: int) -> None:
    for _ in range(minutes):
        clock.turn(MINUTE)
        settle(scheduler)


def test_it_observes_and_then_runs(db: Database, clock: HandClock, scheduler: Scheduler, settings: Settings) -> None:
    put(db, cron="* * * * *", overlap="allow", shadow=True)
    start = clock.now
    turn(clock, scheduler, 5)
    assert ledger(db, since=start, unit=MINUTE) == [("skipped", 1, 5)]
    assert occurrences(db)[0].reason == "shadow: it only observes"
    clock.turn(MINUTE)  # due, and not decided yet
    live = db.run(lambda tx: switching.go_live(tx, "nightly", ANN, settings))
    assert (live.shadow, live.version) == (0, 2)
    assert runs(db) == []
    assert ledger(db, since=start, unit=MINUTE)[-1][2] == 6
    turn(clock, scheduler, 2)
    rows = ledger(db, since=start, unit=MINUTE)
    assert rows[-2:] == [("fired", 7, 7), ("fired", 8, 8)]
    assert len(runs(db)) == 2
    assert db.run(lambda tx: switching.go_live(tx, "nightly", ANN, settings)).version == 2


def test_what_was_late_says_what_would_have_become_of_it(db: Database, clock: HandClock, scheduler: Scheduler) -> None:
    put(db, cron="0 * * * *", shadow=True)
    clock.turn(3 * HOUR + MINUTE)
    settle(scheduler)
    assert [one[0] for one in ledger(db)] == ["coalesced", "skipped"]
    assert "caughtUp" in (occurrences(db)[-1].reason or "")
    assert runs(db) == []


def test_saying_nothing_of_it_leaves_it_as_it_is(db: Database) -> None:
    assert put(db, cron="0 3 * * *", shadow=True).shadow == 1
    assert put(db, cron="0 4 * * *").shadow == 1
    assert put(db, cron="0 4 * * *", shadow=False).shadow == 0
    assert put(db, cron="0 5 * * *").shadow == 0
    assert db.read(lambda tx: schedules.known(tx, "nightly")).version == 4


def test_why_says_that_it_only_observes(db: Database, settings: Settings) -> None:
    one = put(db, cron="0 3 * * *", shadow=True)
    why = schedule_why.explain(db.read(lambda tx: schedule_why.look(tx, one, settings)))
    assert why.causes[0].code == "shadow"
    assert why.text.startswith("it is in the shadow: it only observes, until it goes live")
