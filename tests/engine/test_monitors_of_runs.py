"""What monitors see of the runs of schedules, however many of them and of other schedules there are."""

from __future__ import annotations

from typing import Any

import pytest

from rota.settings import Settings
from rota.store import queues, schedules
from rota.store.database import Database
from tests.engine.monitoring import System
from tests.store import builders
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, HandClock

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


def because(system: System, job_id: str, reason: str) -> None:
    """A job was cancelled for that reason."""
    sql = "UPDATE rota_jobs SET reason = :reason WHERE id = :id"
    assert system.db.run(lambda tx: tx.run(sql, {"id": job_id, "reason": reason})) == 1


def cancelled(system: System, reason: str, *, count: int, each: int) -> None:
    """All runs were cancelled for that reason but one that completed before; seconds."""
    system.schedule()
    system.ran("completed", ago=(count + 1) * each)
    for i in range(1, count + 1):
        because(system, system.ran("cancelled", ago=i * each), reason)
        decided(system, ago=i * each)


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


def pause(system: System, *, days: int = 3) -> None:
    """The schedule is paused for so long, and its instants with it."""
    system.db.run(lambda tx: schedules.pause(tx, "digest", by="ann", note=None, until=None))
    system.look(40)
    for _ in range(days):
        system.clock.turn(DAY)
        decided(system, disposition="paused")
    system.db.run(lambda tx: tx.run("UPDATE rota_schedules SET next_at = rota_now() + :day", {"day": DAY}))
    system.look(40)
    system.db.run(lambda tx: schedules.resume_all(tx, ["digest"]))


def test_a_schedule_is_resumed_that_was_silent_while_paused(system: System) -> None:
    system.say("silent:schedule:digest", limit_us=2 * HOUR)
    system.schedule()
    system.ran("completed")
    pause(system)
    resumed = system.clock.now
    system.look(60)
    assert system.news() == []
    system.clock.set(resumed + 2 * HOUR)
    system.look(60)
    assert system.news() == [("opened", "Schedule digest is silent")]
    assert "has completed since it was resumed at 2027-01-18T12:0" in system.texts()[0]


def test_a_resumed_schedule_has_two_intervals_to_complete(system: System) -> None:
    system.schedule()
    system.ran("completed", ago=3600)
    decided(system, ago=1800)
    pause(system)
    system.clock.turn(10 * MINUTE)
    for told in ([], [], [("opened", "Schedule digest is silent")]):
        decided(system)
        because(system, system.ran("cancelled"), "expired")
        system.look(60)
        assert system.news() == told
        system.clock.turn(HOUR)


def test_a_schedule_is_resumed_that_failed_before(system: System) -> None:
    """As for its own ``pauseAfter``, what failed before counts no more."""
    fails(system, "digest")
    system.look(30)
    assert system.news() == [("opened", "Schedule digest fails")]
    pause(system)
    assert system.news() == [("over", "Over: Schedule digest fails")]
    system.look(60)
    for _ in range(3):
        assert system.news() == []
        system.ran("failed")
        system.look(30)
    assert system.news() == [("opened", "Schedule digest fails")]


def test_a_schedule_is_resumed_whose_last_run_was_too_short(system: System) -> None:
    system.say("too-short:schedule:digest", limit_us=10 * SECOND)
    system.schedule()
    system.ran("completed", took=1)
    system.look(10)
    assert system.news() == [("opened", "A run of schedule digest was too short")]
    pause(system, days=0)
    system.look(60)
    assert system.news() == [("over", "Over: A run of schedule digest was too short")]


def test_a_schedule_is_resumed_that_never_ran(system: System) -> None:
    system.schedule(runs=0)
    decided(system, ago=60, disposition="missed")
    pause(system, days=0)
    system.look(60)
    decided(system, ago=60, disposition="skipped")
    system.news()
    assert system.alerts(open=True) == []
    decided(system, disposition="skipped")
    system.look(60)
    assert system.news() == [("opened", "Schedule digest has never run")]


def test_a_person_says_how_long_all_schedules_may_be_silent(system: System) -> None:
    """One may be silent for longer, one is paused, one only observes; of the others some are looked at each time."""
    system.say("silent:schedule:*", limit_us=HOUR)
    system.say("silent:schedule:a-000", limit_us=DAY)
    names = put_many(system, 550)
    for name in names:
        system.ran("completed", name, ago=3500)
    system.schedule("paused", paused_at=system.clock.now)
    system.schedule("shadow", shadow=1)
    system.schedule("zoo")
    for name in ("paused", "shadow", "zoo"):
        system.ran("completed", name, ago=7200)
    system.look(30)
    assert system.news() == [("opened", "Schedule zoo is silent")]
    system.look(200)
    assert {alert.subject_id for alert in system.alerts(open=True)} == {*names[1:], "zoo"}


def test_a_person_says_how_short_all_runs_may_be(system: System) -> None:
    system.say("too-short:schedule:*", limit_us=10 * SECOND)
    system.say("too-short:schedule:quick", limit_us=SECOND)
    for name, took in (("quick", 5), ("digest", 5), ("long", 15)):
        system.schedule(name)
        system.ran("completed", name, took=took)
    system.look(10)
    assert system.news() == [("opened", "A run of schedule digest was too short")]


@pytest.mark.parametrize("by_itself", [True, False])
def test_a_queue_is_resumed(system: System, by_itself: bool) -> None:
    """What waits in it waits since then."""
    system.schedule()
    system.ran("completed", ago=9000)
    system.waits(50, ago=7200)
    system.waits(ago=7200, origin="schedule", schedule_id="digest", scheduled_for=system.clock.now)
    end = system.clock.now + MINUTE if by_itself else None
    system.db.run(lambda tx: queues.pause(tx, "default", by="ann", note=None, resume_at=end))
    system.look(60)
    system.db.run(queues.resume_in_time if by_itself else lambda tx: queues.resume(tx, "default"))
    system.look(25)
    assert system.news() == []
    system.look(10)
    assert system.news() == [("opened", "Schedule digest is late")]
    system.look(270)
    assert "backlog" in {alert.kind for alert in system.alerts()}
    (text,) = (alert.text for alert in system.alerts(kind="backlog"))
    assert text.endswith(", when the queue was resumed.")


def test_a_queue_is_resumed_that_was_not_paused(system: System) -> None:
    system.waits(50, ago=7200)
    system.db.run(lambda tx: queues.resume(tx, "default"))
    system.look(5)
    assert system.news() == [("opened", "Jobs pile up in queue default")]
