"""What is due soon is decided before its instant; what changes until then counts all the same."""

from __future__ import annotations

import time

import pytest

from rota.engine.scheduler import Scheduler
from rota.settings import Settings
from rota.store import firing as firing_store
from rota.store import pulse
from rota.store.database import Database
from tests.engine.scheduling import declare, ledger, pause, put, runs, settle
from tests.support.clock import MINUTE, HandClock
from tests.support.waiting import wait_until

SOON = 20_000
"""So long before the instant it is looked at (µs)."""


@pytest.fixture
def scheduler(db: Database, settings: Settings) -> Scheduler:
    return Scheduler(db, settings)


def foresee(clock: HandClock, scheduler: Scheduler) -> None:
    """Let a scheduler decide about the next instant, and wait until it believes that it has come."""
    clock.turn(MINUTE - SOON)
    pause_s = scheduler.run_once()
    assert 0 <= pause_s <= SOON / 1e6
    sure = time.monotonic() + pause_s
    wait_until(lambda: time.monotonic() > sure)


def test_at_the_instant_there_is_only_to_write(
    db: Database, clock: HandClock, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        put(db, f"s{number}", every="1m")
    foresee(clock, scheduler)
    clock.turn(SOON)
    with monkeypatch.context() as without:
        without.delattr(firing_store, "due")
        without.delattr(pulse, "look")
        assert scheduler.run_once() == 0.0
    assert [len(runs(db, f"s{number}")) for number in range(3)] == [1, 1, 1]


def test_the_clock_of_the_database_decides_whether_it_has_come(
    db: Database, clock: HandClock, scheduler: Scheduler
) -> None:
    start = clock.now
    put(db, every="1m")
    foresee(clock, scheduler)
    assert scheduler.run_once() > 0
    assert ledger(db) == []
    clock.turn(SOON)
    settle(scheduler)
    assert ledger(db, since=start, unit=MINUTE) == [("fired", 1, 1)]


def test_an_edit_a_moment_before_counts(db: Database, clock: HandClock, scheduler: Scheduler) -> None:
    put(db, "edited", every="1m", args={"old": True})
    put(db, "paused", every="1m")
    put(db, "stays", every="1m")
    foresee(clock, scheduler)
    put(db, "edited", every="1m", args={"new": True})
    pause(db, "paused")
    clock.turn(SOON)
    settle(scheduler)
    assert {job.args for job in runs(db, "edited")} <= {'{"new":true}'}
    assert runs(db, "paused") == []
    assert len(runs(db, "stays")) == 1


def test_an_edit_of_the_type_a_moment_before_counts(db: Database, clock: HandClock, scheduler: Scheduler) -> None:
    declare(db, "report", defaults='{"priority":1}')
    put(db, jobType="report", every="1m")
    foresee(clock, scheduler)
    declare(db, "report", defaults='{"priority":7}')
    clock.turn(SOON)
    settle(scheduler)
    assert [job.rank for job in runs(db)] == [-7]


def test_what_still_runs_is_looked_at_when_the_instant_comes(
    db: Database, clock: HandClock, scheduler: Scheduler
) -> None:
    start = clock.now
    put(db, every="1m")
    clock.turn(MINUTE)
    settle(scheduler)
    foresee(clock, scheduler)
    (first,) = runs(db)
    sql = "UPDATE rota_jobs SET status = 'completed', completed_at = rota_now() WHERE id = :id"
    db.run(lambda tx: tx.run(sql, {"id": first.id}))
    clock.turn(SOON)
    settle(scheduler)
    assert ledger(db, since=start, unit=MINUTE) == [("fired", 1, 1), ("fired", 2, 2)]


def test_several_schedulers_that_foresee_it_write_it_once(db: Database, clock: HandClock, settings: Settings) -> None:
    put(db, every="1m")
    crowd = [Scheduler(clock.open(), settings) for _ in range(3)]
    clock.turn(MINUTE - SOON)
    waits = [one.run_once() for one in crowd]
    sure = time.monotonic() + max(waits)
    wait_until(lambda: time.monotonic() > sure)
    clock.turn(SOON)
    settle(*crowd)
    assert len(runs(db)) == 1
