"""What monitors see of the runs of schedules, however many of them and of other schedules there are."""

from __future__ import annotations

from typing import Any

import pytest

from rota.settings import Settings
from rota.store.database import Database
from tests.engine.monitoring import System
from tests.store import builders
from tests.support.clock import DAY, HOUR, SECOND, HandClock

DECIDED = """
INSERT INTO rota_occurrences (schedule_id, scheduled_for, until_at, disposition, cause, version, decided_at)
VALUES (:name, :at, :at, :disposition, :cause, 1, :at)
"""


@pytest.fixture
def system(db: Database, clock: HandClock, settings: Settings) -> System:
    system = System(db, clock, settings)
    system.calm()
    return system


def decided(system: System, *, ago: int = 0, name: str = "digest", disposition: str = "fired", **given: str) -> None:
    """So many seconds ago it was decided about an instant."""
    at = system.clock.now - ago * SECOND
    params = {"name": name, "at": at, "disposition": disposition, "cause": given.get("cause")}
    system.db.run(lambda tx: tx.run(DECIDED, params))


def cancelled(system: System, reason: str, *, count: int, each: int) -> None:
    """All runs were cancelled for that reason but one that completed before; seconds."""
    system.schedule()
    system.ran("completed", ago=(count + 1) * each)
    for i in range(1, count + 1):
        system.ran("cancelled", ago=i * each)
        decided(system, ago=i * each)
    sql = "UPDATE rota_jobs SET reason = :reason WHERE status = 'cancelled'"
    system.db.run(lambda tx: tx.run(sql, {"reason": reason}))


@pytest.mark.parametrize("reason", ["expired", "replaced"])
@pytest.mark.parametrize(("count", "each"), [(29, 3600), (239, 30)])
def test_no_run_is_started_in_time(system: System, reason: str, count: int, each: int) -> None:
    """Since more runs than the last twenty."""
    begin = system.clock.now - (count + 1) * each * SECOND
    cancelled(system, reason, count=count, each=each)
    system.look(30)
    assert system.news() == [("opened", "Schedule digest is silent")]
    assert [alert.since_at for alert in system.alerts()] == [begin]


def test_a_person_cancels_all_runs(system: System) -> None:
    cancelled(system, "cancelled", count=29, each=3600)
    system.look(30)
    assert system.alerts() == []


def put_many(system: System, count: int, **given: Any) -> list[str]:
    """Schedules that come before others by their names."""
    names = [f"a-{i:03}" for i in range(count)]
    for name in names:
        system.schedule(name, **given)
    return names


def fails(system: System, name: str) -> None:
    system.schedule(name)
    for ago in (180, 120, 60):
        system.ran("failed", name, ago=ago)


@pytest.mark.parametrize(("shadow", "cause"), [(1, "shadow"), (0, "overlap")])
def test_a_schedule_fails_beside_many_that_skip(system: System, shadow: int, cause: str) -> None:
    for name in put_many(system, 250, shadow=shadow):
        decided(system, name=name, disposition="skipped", cause=cause)
    fails(system, "live")
    system.look(60)
    assert system.news() == [("opened", "Schedule live fails")]


def test_a_schedule_skips_beside_many_that_observe(system: System) -> None:
    """It was decided upon before them."""
    system.schedule("live", runs=0)
    decided(system, name="live", ago=60, disposition="missed")
    put_many(system, 1, shadow=1)
    for i in range(600):
        decided(system, name="a-000", ago=-i, disposition="skipped", cause="shadow")
    system.look(10)
    assert system.news() == [("opened", "Schedule live has never run")]


def test_many_schedules_fail(system: System) -> None:
    """Those that are told of keep nobody from seeing another one fail."""
    for name in put_many(system, 220):
        fails(system, name)
    system.look(30)
    assert len(system.alerts(open=True, kind="failing")) == 220
    fails(system, "zoo")
    system.look(5)
    assert len(system.alerts(open=True, kind="failing")) == 221


def test_what_is_filled_in_afterwards_waits(system: System) -> None:
    system.schedule()
    system.ran("completed", ago=600)
    system.waits(5, origin="backfill", schedule_id="digest", scheduled_for=system.clock.now - DAY)
    system.look(60)
    assert system.alerts() == []


def test_a_schedule_is_late_beside_one_with_many_open_jobs(system: System) -> None:
    later = system.clock.now + HOUR
    system.schedule("a")
    jobs = [
        builders.new_job(origin=origin, schedule_id="a", scheduled_for=later + i, run_at=later)
        for origin in ("backfill", "schedule") for i in range(1100)
    ]  # fmt: skip
    builders.insert(system.db, *jobs)
    system.schedule("zoo")
    system.ran("completed", "zoo", ago=600)
    system.waits(2, origin="schedule", schedule_id="zoo", scheduled_for=system.clock.now)
    begin = system.clock.now
    system.look(60)
    assert system.news() == [("opened", "Schedule zoo is late")]
    assert [alert.since_at for alert in system.alerts()] == [begin]
