"""No scheduler ran for a while: what each catch-up policy does, and that the ledger has no hole."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rota.actions.deciding import CATCHUP_CAP
from rota.engine.scheduler import Scheduler
from rota.settings import Settings
from rota.store import meta
from rota.store.database import Database
from tests.engine.scheduling import ledger, occurrences, put, runs, settle
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, HandClock

DOWN = {"5 min": 5 * MINUTE, "3 h": 3 * HOUR, "40 days": 40 * DAY}
LATE = 30 * SECOND
"""So long after an instant the scheduler comes back: none is on time."""


@pytest.fixture(params=DOWN)
def minutes(request: pytest.FixtureRequest) -> int:
    """How many instants of a schedule of each minute nobody saw."""
    return DOWN[request.param] // MINUTE


@pytest.fixture
def scheduler(db: Database, settings: Settings) -> Scheduler:
    return Scheduler(db, settings)


def come_back(clock: HandClock, scheduler: Scheduler, minutes: int) -> int:
    """Let the time pass and the scheduler run again; the moment at which the time began."""
    start = clock.now
    clock.turn(minutes * MINUTE + LATE)
    settle(scheduler)
    return start


def test_none_misses_all_and_says_so(db: Database, clock: HandClock, scheduler: Scheduler, minutes: int) -> None:
    put(db, every="1m", catchup="none")
    start = come_back(clock, scheduler, minutes)
    assert ledger(db, since=start, unit=MINUTE) == [("missed", 1, minutes)]
    reason = occurrences(db)[0].reason or ""
    assert reason.startswith("no scheduler was running")
    assert runs(db) == []


def test_latest_runs_the_latest_alone(db: Database, clock: HandClock, scheduler: Scheduler, minutes: int) -> None:
    put(db, every="1m", catchup="latest")
    start = come_back(clock, scheduler, minutes)
    assert ledger(db, since=start, unit=MINUTE) == [("coalesced", 1, minutes - 1), ("caughtUp", minutes, minutes)]
    assert [job.scheduled_for for job in runs(db)] == [start + minutes * MINUTE]
    assert occurrences(db)[0].cause == str(start + minutes * MINUTE)


def test_all_runs_each_up_to_its_cap(db: Database, clock: HandClock, scheduler: Scheduler, minutes: int) -> None:
    put(db, every="1m", catchup="all", overlap="allow")
    start = come_back(clock, scheduler, minutes)
    first = max(1, minutes - CATCHUP_CAP + 1)
    expected = [("caughtUp", n, n) for n in range(first, minutes + 1)]
    if first > 1:
        expected.insert(0, ("missed", 1, first - 1))
        assert str(CATCHUP_CAP) in (occurrences(db)[0].reason or "")
    assert ledger(db, since=start, unit=MINUTE) == expected
    assert [job.scheduled_for for job in runs(db)] == [start + n * MINUTE for n in range(first, minutes + 1)]


def test_a_window_bounds_what_is_caught_up(db: Database, clock: HandClock, scheduler: Scheduler, minutes: int) -> None:
    put(db, every="1m", catchup="latest", catchupWindow="3m")
    start = come_back(clock, scheduler, minutes)
    (missed, coalesced, caught) = ledger(db, since=start, unit=MINUTE)
    assert (missed[0], coalesced[0], caught[0]) == ("missed", "coalesced", "caughtUp")
    assert (missed[1], caught[2]) == (1, minutes)
    assert missed[2] + 1 == coalesced[1]
    assert caught[1] - coalesced[1] <= 3


def test_the_instant_at_which_it_comes_back_fires_as_itself(
    db: Database, clock: HandClock, scheduler: Scheduler, minutes: int
) -> None:
    put(db, every="1m")
    start = clock.now
    clock.turn(minutes * MINUTE)
    settle(scheduler)
    assert ledger(db, since=start, unit=MINUTE) == [("coalesced", 1, minutes - 1), ("fired", minutes, minutes)]


def test_a_pause_and_a_time_without_scheduler_are_told_apart(
    db: Database, clock: HandClock, scheduler: Scheduler
) -> None:
    start = clock.now
    put(db, every="1m", paused=True)
    come_back(clock, scheduler, 10)
    db.run(lambda tx: tx.run("UPDATE rota_schedules SET paused_at = NULL, version = version + 1"))
    come_back(clock, scheduler, 10)
    assert [row[0] for row in ledger(db, since=start)] == ["paused", "coalesced", "fired"]
    gaps = [after.scheduled_for - before.until_at for before, after in pairwise(occurrences(db))]
    assert gaps == [MINUTE, MINUTE]


def test_no_instant_is_left_out_and_the_watermark_says_so(
    db: Database, clock: HandClock, scheduler: Scheduler, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.engine.scheduler.BATCH", 7)
    for number in range(20):
        put(db, f"s{number}", every="1m", catchup=("none", "latest", "all")[number % 3])
    start = come_back(clock, scheduler, minutes)
    for number in range(20):
        covered = sum(last - first + 1 for _, first, last in ledger(db, f"s{number}", since=start, unit=MINUTE))
        assert covered == minutes
    assert db.read(meta.accounted_to) == clock.now


def test_a_single_instant_that_passed_runs_once(db: Database, clock: HandClock, scheduler: Scheduler) -> None:
    put(db, at="2027-01-15T12:30:00Z")
    clock.turn(3 * HOUR)
    settle(scheduler)
    clock.turn(HOUR)
    settle(scheduler)
    assert [one.disposition for one in occurrences(db)] == ["caughtUp"]
    assert len(runs(db)) == 1


def test_a_long_backlog_makes_nothing_late_that_is_on_time(
    db: Database, clock: HandClock, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.engine.scheduler.BATCH", 3)
    for number in range(12):
        put(db, f"old{number}", every="1m", overlap="allow")
    clock.turn(HOUR)
    put(db, "punctual", every="1m", catchup="none", overlap="allow")
    clock.turn(MINUTE)
    scheduler = Scheduler(db, settings)
    for _ in range(2):
        assert scheduler.run_once() == 0.0
    assert [one.disposition for one in occurrences(db, "punctual")] == ["fired"]
    settle(scheduler)
    assert {runs(db, f"old{number}")[-1].scheduled_for for number in range(12)} == {clock.now}
