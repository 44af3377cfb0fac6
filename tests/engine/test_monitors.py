"""Each thing that can go wrong gives one notice with its reason, and one when it is over."""

from __future__ import annotations

import pytest

from rota.settings import Settings
from rota.store import alerts, queues
from rota.store.database import Database
from tests.engine.monitoring import System
from tests.store import builders
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, HandClock

SKIPPED = """
INSERT INTO rota_occurrences (schedule_id, scheduled_for, until_at, disposition, version, decided_at)
VALUES ('digest', rota_now(), rota_now(), 'skipped', 1, rota_now())
"""


@pytest.fixture
def system(db: Database, clock: HandClock, settings: Settings) -> System:
    return System(db, clock, settings)


def test_a_calm_system_is_told_nothing_of(system: System) -> None:
    system.calm()
    system.schedule()
    system.ran("completed")
    system.look(120, by_both=True)
    assert (system.told(), system.alerts()) == ([], [])


def test_the_only_scheduler_stops(system: System) -> None:
    scheduler = system.start("scheduler")
    system.start()
    system.look(40)
    system.schedule(next_at=system.clock.now + 30 * SECOND)
    system.stop(scheduler)
    system.accounts = False
    system.look(120, by_both=True)
    assert system.news() == [("opened", "No scheduler lives")]
    held = {alert.kind: alert.held_by for alert in system.alerts(open=True)}
    cause = "no-scheduler:system:scheduler"
    assert held == {"no-scheduler": None, "standstill": cause, "late": cause}
    system.accounts = True
    system.start("scheduler")
    system.schedule()
    system.look(60, by_both=True)
    assert system.news() == [("over", "Over: No scheduler lives")]
    assert system.alerts(open=True) == []


def test_the_only_scheduler_is_killed(system: System) -> None:
    scheduler = system.start("scheduler")
    system.start()
    system.look(40)
    system.kill(scheduler)
    system.look(120)
    assert system.news() == [("opened", "No scheduler lives")]
    assert "The last one was seen at 2027-01-15T12:0" in system.texts()[0]


def test_one_of_two_schedulers_is_killed(system: System) -> None:
    system.calm()
    system.look(5)
    second = system.start("scheduler", host="other")
    system.look(10)
    system.kill(second)
    system.look(60)
    assert system.news() == [("opened", "A scheduler was lost")]
    assert "The scheduler on other was lost: its last sign of life was at 2027-" in system.texts()[0]
    system.start("scheduler", host="third")
    system.look(60)
    assert system.news() == [("over", "Over: A scheduler was lost")]


def test_a_worker_that_is_killed_and_replaced_at_once(system: System) -> None:
    system.start("scheduler")
    worker = system.start()
    system.look(40)
    system.kill(worker)
    system.look(5)
    system.start()
    system.look(120, by_both=True)
    assert system.news() == [("opened", "A worker was lost"), ("over", "Over: A worker was lost")]
    assert len(system.alerts()) == 1


def test_workers_that_are_killed_one_after_the_other(system: System) -> None:
    """Who replaced one that was lost may be lost too: what counts is who was started afterwards."""
    system.start("scheduler")
    worker = system.start()
    system.look(40)
    for _ in range(2):
        system.kill(worker)
        system.look(5)
        worker = system.start()
        system.look(80)
    assert system.news() == [("opened", "A worker was lost"), ("over", "Over: A worker was lost")] * 2
    system.kill(worker)
    system.look(40)
    assert system.news() == [("opened", "A worker was lost")]
    assert "So were" not in system.texts()[-1]


def test_a_worker_that_ends_in_good_order(system: System) -> None:
    system.start("scheduler")
    worker = system.start()
    system.look(40)
    system.stop(worker)
    system.look(100)
    assert (system.told(), system.alerts()) == ([], [])


def test_the_only_worker_is_killed_while_jobs_wait(system: System) -> None:
    """The loss explains that nobody takes them."""
    system.start("scheduler")
    worker = system.start()
    system.look(40)
    system.kill(worker)
    system.waits(3, queue="mail")
    system.look(120)
    assert system.news() == [("opened", "A worker was lost")]
    assert {alert.kind: alert.held_by for alert in system.alerts()} == {
        "lost": None, "no-worker": "lost:system:worker"
    }  # fmt: skip
    system.start()
    system.empty()
    system.look(60)
    assert system.news() == [("over", "Over: A worker was lost")]


def test_no_worker_takes_the_jobs_of_a_queue(system: System) -> None:
    system.calm()
    system.waits(2, queue="gpu", lane="sync")
    system.look(25)
    assert system.news() == []
    system.look(10)
    assert system.news() == [("opened", "No worker takes the jobs of queue gpu")]
    system.empty()
    system.look(30)
    assert system.news() == [("over", "Over: No worker takes the jobs of queue gpu")]


def test_a_queue_fills(system: System) -> None:
    system.calm()
    system.waits(20, queue="mail", ago=290)
    system.look(5)
    assert system.news() == []
    system.look(10)
    assert system.news() == [("opened", "Jobs pile up in queue mail")]
    assert system.texts()[0].startswith("20 jobs wait in queue mail, the oldest since 2027-01-15T11:5")
    system.empty()
    system.look(40)
    assert system.news() == [("over", "Over: Jobs pile up in queue mail")]


def test_many_jobs_wait(system: System) -> None:
    system.calm()
    system.say("backlog:queue:mail", limit_count=50)
    system.waits(50, queue="mail", ago=30)
    system.look(20)
    assert system.news() == []
    system.look(20)
    assert system.news() == [("opened", "Jobs pile up in queue mail")]


def test_jobs_wait_in_a_paused_queue(system: System) -> None:
    system.calm()
    system.waits(5, queue="mail", ago=3600)
    system.db.run(lambda tx: queues.pause(tx, "mail", by="ann", note=None))
    system.look(60)
    assert system.alerts() == []


def test_a_schedule_fails_three_times(system: System) -> None:
    system.calm()
    system.schedule()
    system.ran("completed", ago=400)
    for ago in (300, 200):
        system.ran("failed", ago=ago)
    system.look(30)
    assert system.news() == []
    last = system.ran("failed")
    system.look(60, by_both=True)
    assert system.news() == [("opened", "Schedule digest fails")]
    assert system.texts()[0].startswith("The last 3 runs of schedule digest failed, the first at 2027-")
    assert [alert.job_id for alert in system.alerts()] == [last]
    system.clock.turn(2 * DAY)  # no longer among what failed of late: it is known
    system.look(60)
    assert [alert.closed_at for alert in system.alerts(kind="failing")] == [None]
    system.news()
    system.ran("completed")
    system.look(40)
    assert ("over", "Over: Schedule digest fails") in system.news()


def test_a_schedule_is_late(system: System) -> None:
    system.calm()
    system.schedule(next_at=system.clock.now)
    system.accounts = False
    system.look(30)
    assert system.news() == []
    system.look(30)
    assert system.news() == [("opened", "Schedule digest is late")]
    assert system.texts() == [
        "Schedule digest was due at 2027-01-15T12:00:40.000Z, and has not been decided upon."
    ]  # fmt: skip
    system.schedule()
    system.accounts = True
    system.look(40)
    assert system.news() == [("over", "Over: Schedule digest is late")]


def test_a_schedule_was_never_run(system: System) -> None:
    system.calm()
    system.schedule(next_at=system.clock.now, runs=0)
    system.look(60)
    assert system.news() == [("opened", "Schedule digest has never run")]


def test_a_run_of_a_schedule_does_not_start(system: System) -> None:
    system.calm()
    system.schedule()
    system.ran("completed", ago=400)
    system.waits(origin="schedule", schedule_id="digest", scheduled_for=system.clock.now)
    system.look(60)
    assert system.news() == [("opened", "Schedule digest is late")]
    assert system.texts()[0].endswith(", and its run waits in queue default.")


def test_the_first_run_of_a_schedule_does_not_start(system: System) -> None:
    system.calm()
    system.schedule()
    system.waits(origin="schedule", schedule_id="digest", scheduled_for=system.clock.now)
    system.look(60)
    assert system.news() == [("opened", "Schedule digest has never run")]


@pytest.mark.parametrize(("disposition", "told"), [("missed", 1), ("paused", 0), ("blackout", 0), ("skipped", 1)])
def test_an_instant_of_a_schedule_that_never_ran_made_no_run(system: System, disposition: str, told: int) -> None:
    system.calm()
    system.schedule(runs=0, next_at=None)
    at = system.clock.now - MINUTE
    sql = """
    INSERT INTO rota_occurrences (schedule_id, scheduled_for, until_at, disposition, version, decided_at)
    VALUES ('digest', :at, :at, :disposition, 1, rota_now())
    """
    system.db.run(lambda tx: tx.run(sql, {"at": at, "disposition": disposition}))
    system.look(90)
    assert system.news() == [("opened", "Schedule digest has never run")] * told
    assert len(system.alerts()) == told


def test_a_schedule_is_silent(system: System) -> None:
    """Its runs are cancelled, which is no failure, and none completes."""
    system.calm()
    system.schedule()
    system.ran("completed", ago=3600)
    begin = system.clock.now
    for after in (0, 3600, 7200, 10_800):
        system.clock.set(begin + after * SECOND)
        system.ran("cancelled")
        system.db.run(lambda tx: tx.run(SKIPPED))
        system.look(60)
    assert system.news() == [("opened", "Schedule digest is silent")]
    assert "No run of schedule digest has completed since 2027-01-15T11:00" in system.texts()[0]


def test_a_person_says_how_long_a_schedule_may_be_silent(system: System) -> None:
    system.calm()
    system.schedule()
    system.ran("completed")
    system.say("silent:schedule:digest", limit_us=10 * MINUTE)
    system.look(590)
    assert system.news() == []
    system.look(30)
    assert system.news() == [("opened", "Schedule digest is silent")]


def test_a_run_takes_too_long(system: System) -> None:
    system.calm()
    system.schedule()
    for ago in range(6):
        system.ran("completed", ago=100 + ago, took=40)
    job_id = system.runs(since=115)
    system.look(5)
    assert system.news() == []
    system.look(10)
    assert system.news() == [("opened", "A run of schedule digest takes too long")]
    (alert,) = system.alerts()
    assert (alert.job_id, alert.severity) == (job_id, "warning")
    assert "40s is usual at most" in alert.text
    system.empty()
    system.look(40)
    assert system.news() == [("over", "Over: A run of schedule digest takes too long")]


def test_a_run_of_a_type_takes_too_long_for_a_person(system: System) -> None:
    system.calm()
    system.say("too-long:type:report", limit_us=20 * SECOND)
    system.runs(None, since=10)
    system.look(30)
    assert system.news() == [("opened", "A run of job type report takes too long")]


def test_a_run_is_too_short(system: System) -> None:
    system.calm()
    system.schedule()
    for ago in range(6):
        system.ran("completed", ago=1000 + ago, took=600)
    system.look(5)
    system.ran("completed", took=1)
    system.look(10)
    assert system.news() == [("opened", "A run of schedule digest was too short")]
    system.look(120)
    system.ran("completed", took=590)
    system.look(60)
    assert system.news() == [("over", "Over: A run of schedule digest was too short")]


def test_a_run_is_stuck(system: System) -> None:
    system.calm()
    system.schedule()
    job_id = system.runs(since=3590)
    other = system.runs("weekly", since=3 * 3600)
    at = system.clock.now - SECOND
    builders.backdate(system.db, other, updated_at=0)
    system.look(20)
    assert system.news() == [("opened", "A run of schedule digest is stuck")]
    assert "has given no sign of life since 2027-01-15T11:00:5" in system.texts()[0]
    assert [alert.job_id for alert in system.alerts()] == [job_id]
    assert at


def test_a_time_out_is_overdue(system: System) -> None:
    system.calm()
    system.runs(None, since=120, timeout_us=30 * SECOND)
    system.look(60)
    assert system.news() == [("opened", "A run of job type report is stuck")]


def test_the_watermark_stands_still(system: System) -> None:
    system.calm()
    system.accounts = False
    system.look(60)
    assert system.news() == [("opened", "Due instants are not accounted for")]
    system.accounts = True
    system.look(60)
    assert system.news() == [("over", "Over: Due instants are not accounted for")]


def test_retention(system: System) -> None:
    system.calm()
    system.waits(queue="mail", ago=400)
    system.look(10)
    system.empty()
    system.look(60)
    system.waits(queue="other", ago=400)
    system.look(10)
    now = system.clock.now
    assert system.db.run(lambda tx: alerts.forget(tx, before=now - HOUR, limit=10)) == 0
    assert system.db.run(lambda tx: alerts.forget(tx, before=now, limit=10)) == 1
    assert [alert.subject_id for alert in system.alerts()] == ["other"]
