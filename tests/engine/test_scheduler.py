"""One scheduler, turned by hand, on a clock that is turned by hand."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from rota.actions import schedules as actions
from rota.engine.scheduler import Scheduler
from rota.settings import Settings
from rota.store import meta, pulse, schedules
from rota.store.database import Database, Tx
from tests.engine.scheduling import (
    ANN,
    declare,
    end_runs,
    ledger,
    occurrences,
    pause,
    put,
    runs,
    settle,
)
from tests.engine.working import HandTime
from tests.support.clock import MINUTE, SECOND, HandClock


@pytest.fixture
def scheduler(db: Database, settings: Settings) -> Scheduler:
    return Scheduler(db, settings)


def next_at(db: Database, schedule_id: str = "nightly") -> int | None:
    found = db.read(lambda tx: schedules.get(tx, schedule_id))
    assert found is not None
    return found.next_at


def accounted_to(db: Database) -> int | None:
    return db.read(meta.accounted_to)


class TestFiring:
    def test_an_instant_makes_a_job_and_its_row_and_the_next_instant(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        start = clock.now
        put(db, every="1m", args={"a": 1}, queue="reports", priority=3, tags=["t"])
        clock.turn(MINUTE)
        settle(scheduler)
        assert ledger(db, since=start) == [("fired", MINUTE, MINUTE)]
        (job,) = runs(db)
        assert (job.scheduled_for, job.status, job.args, job.queue, job.rank, job.tags) == (
            start + MINUTE, "pending", '{"a":1}', "reports", -3, '["t"]',
        )  # fmt: skip
        assert (job.origin, occurrences(db)[0].job_id) == ("schedule", job.id)
        assert next_at(db) == start + 2 * MINUTE

    def test_it_sleeps_until_the_next_instant_and_a_second_at_most(
        self, db: Database, clock: HandClock, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        HandTime(monkeypatch, "scheduler")  # what a look takes counts too, and is much on a busy machine
        scheduler = Scheduler(db, settings)
        assert scheduler.run_once() == 1.0
        put(db, every="1m")
        assert scheduler.run_once() == 1.0
        clock.turn(MINUTE - SECOND // 4)
        assert scheduler.run_once() == pytest.approx(0.25, abs=0.1)
        assert runs(db) == []

    def test_an_instant_that_comes_while_it_looks_is_left_for_the_next_turn(
        self, db: Database, clock: HandClock, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(db, every="1m")
        clock.turn(MINUTE - 1)
        look = pulse.look

        def looks_a_moment_before(tx: Tx) -> pulse.Pulse:
            found = look(tx)
            clock.turn(2)
            return found

        monkeypatch.setattr(pulse, "look", looks_a_moment_before)
        assert 0 <= scheduler.run_once() <= 1e-6
        monkeypatch.undo()
        settle(scheduler)
        assert len(runs(db)) == 1

    def test_more_than_a_batch_is_fired_in_several_turns(
        self, db: Database, clock: HandClock, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rota.engine.scheduler.BATCH", 3)
        for number in range(8):
            put(db, f"s{number}", every="1m")
        clock.turn(MINUTE)
        settle(scheduler)
        assert [len(runs(db, f"s{number}")) for number in range(8)] == [1] * 8

    def test_a_job_that_still_waits_keeps_the_next_from_being_made(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        put(db, every="1m")
        for _ in range(3):
            clock.turn(MINUTE)
            settle(scheduler)
        (job,) = runs(db)
        assert [one.disposition for one in occurrences(db)] == ["fired", "skipped"]
        skipped = occurrences(db)[1]
        assert (skipped.until_at - skipped.scheduled_for, skipped.cause) == (MINUTE, job.id)
        end_runs(db)
        clock.turn(MINUTE)
        settle(scheduler)
        assert len(runs(db)) == 2

    def test_jitter_delays_the_job_and_not_the_instant(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        put(db, every="1m", jitter="30s")
        clock.turn(MINUTE)
        settle(scheduler)
        (job,) = runs(db)
        assert job.scheduled_for == clock.now
        assert 0 <= job.run_at - clock.now < 30 * SECOND
        assert job.status == ("scheduled" if job.run_at > clock.now else "pending")

    def test_it_ends_after_its_last_run(self, db: Database, clock: HandClock, scheduler: Scheduler) -> None:
        put(db, every="1m", maxRuns=2, overlap="allow")
        for _ in range(4):
            clock.turn(MINUTE)
            settle(scheduler)
        assert len(runs(db)) == 2
        assert next_at(db) is None

    def test_a_clock_set_back_fires_nothing_twice(
        self, db: Database, clock: HandClock, scheduler: Scheduler, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        start = clock.now
        put(db, every="1m", overlap="allow")
        for _ in range(3):
            clock.turn(MINUTE)
            settle(scheduler)
        clock.set(start)
        put(db, every="1m", overlap="allow", note="a rule that counts from now")
        db.run(lambda tx: tx.run("UPDATE rota_schedules SET next_at = :at", {"at": start + MINUTE}))
        caplog.clear()
        for _ in range(4):
            clock.turn(MINUTE)
            settle(scheduler)
        assert [job.scheduled_for for job in runs(db)] == [start + n * MINUTE for n in (1, 2, 3, 4)]
        assert caplog.text.count("schedule/fired") == 1


class TestTypes:
    def test_an_undeclared_type_is_skipped_with_the_reason(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        declare(db, "report")
        put(db, jobType="report", every="1m")
        db.run(lambda tx: tx.run("DELETE FROM rota_types"))
        for _ in range(3):
            clock.turn(MINUTE)
            settle(scheduler)
        (skipped,) = occurrences(db)
        assert (skipped.disposition, skipped.cause) == ("skipped", "invalid")
        assert "'report' was never declared" in (skipped.reason or "")
        assert skipped.until_at - skipped.scheduled_for == 2 * MINUTE
        found = db.read(lambda tx: schedules.get(tx, "nightly"))
        assert found is not None and (found.runs, found.last_job_id) == (0, None)

    def test_it_fires_as_soon_as_the_type_is_declared(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        declare(db, "report")
        put(db, jobType="report", every="1m")
        db.run(lambda tx: tx.run("DELETE FROM rota_types"))
        clock.turn(MINUTE)
        settle(scheduler)
        declare(db, "report", defaults='{"queue": "second"}')
        clock.turn(MINUTE)
        settle(scheduler)
        assert [job.queue for job in runs(db)] == ["second"]

    def test_a_type_made_anew_is_read_anew(self, db: Database, clock: HandClock, scheduler: Scheduler) -> None:
        declare(db, "report", defaults='{"queue": "first"}')
        put(db, jobType="report", every="1m", overlap="allow")
        clock.turn(MINUTE)
        settle(scheduler)
        db.run(lambda tx: tx.run("DELETE FROM rota_types"))
        clock.turn(MINUTE)
        declare(db, "report", defaults='{"queue": "second"}')
        settle(scheduler)
        assert [job.queue for job in runs(db)] == ["first", "second"]

    def test_a_run_that_cannot_be_made_is_not_counted_as_the_last(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        declare(db, "report")
        put(db, jobType="report", every="1m", maxRuns=1)
        db.run(lambda tx: tx.run("DELETE FROM rota_types"))
        clock.turn(MINUTE)
        settle(scheduler)
        assert next_at(db) == clock.now + MINUTE


class TestBadSchedules:
    def test_one_that_is_not_understood_keeps_no_other_from_firing(
        self, db: Database, clock: HandClock, scheduler: Scheduler, caplog: pytest.LogCaptureFixture
    ) -> None:
        put(db, "bad", every="1m")
        put(db, "good", every="1m")
        bad = "UPDATE rota_schedules SET timezone = :zone WHERE id = 'bad'"
        db.run(lambda tx: tx.run(bad, {"zone": "Moon/Crater"}))
        clock.turn(MINUTE)
        assert scheduler.run_once() == 0
        assert scheduler.run_once() == 1.0, "no busy loop"
        assert (len(runs(db, "good")), len(runs(db, "bad"))) == (1, 0)
        assert "schedule/invalid" in caplog.text

    def test_it_holds_the_watermark_back_and_fires_once_it_is_mended(
        self, db: Database, clock: HandClock, settings: Settings
    ) -> None:
        put(db, every="1m")
        due = clock.now + MINUTE
        db.run(lambda tx: tx.run("UPDATE rota_schedules SET rule = '{\"cron\": 5}'"))
        clock.turn(MINUTE)
        settle(Scheduler(db, settings))
        clock.turn(SECOND)
        assert accounted_to(db) == due - 1
        put(db, every="1m")
        settle(Scheduler(db, settings))
        clock.turn(MINUTE)
        settle(Scheduler(db, settings))
        assert len(runs(db)) == 1
        assert accounted_to(db) == clock.now

    def test_one_that_cannot_be_written_keeps_no_other_from_firing(
        self, db: Database, clock: HandClock, scheduler: Scheduler, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name in ("a", "bad", "c"):
            put(db, name, every="1m")
        with db.transaction() as tx:
            tx.script(REFUSE_POSTGRES if db.dialect == "postgresql" else REFUSE_SQLITE)
        clock.turn(MINUTE)
        assert scheduler.run_once() == 0
        assert scheduler.run_once() == 1.0
        assert [len(runs(db, name)) for name in ("a", "bad", "c")] == [1, 0, 1]
        assert ledger(db, "bad") == []
        assert "not this one" in caplog.text


REFUSE_POSTGRES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON rota_occurrences FOR EACH ROW WHEN (NEW.schedule_id = 'bad')
  EXECUTE FUNCTION refuse();
"""
REFUSE_SQLITE = """
CREATE TRIGGER refuse BEFORE INSERT ON rota_occurrences WHEN NEW.schedule_id = 'bad'
BEGIN SELECT RAISE(ABORT, 'not this one'); END;
"""


class TestWatermark:
    def test_it_says_up_to_when_everything_is_accounted_for(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        put(db, every="1m")
        settle(scheduler)
        assert accounted_to(db) == clock.now
        clock.turn(MINUTE)
        settle(scheduler)
        assert accounted_to(db) == clock.now

    def test_it_is_written_each_five_seconds(self, db: Database, clock: HandClock, scheduler: Scheduler) -> None:
        settle(scheduler)
        written = clock.now
        clock.turn(4 * SECOND)
        settle(scheduler)
        assert accounted_to(db) == written
        clock.turn(SECOND)
        settle(scheduler)
        assert accounted_to(db) == clock.now

    def test_it_goes_back_with_the_clock_alone(self, db: Database, clock: HandClock, scheduler: Scheduler) -> None:
        settle(scheduler)
        clock.turn(-MINUTE)
        settle(scheduler)
        assert accounted_to(db) == clock.now, "one in the future would hide a standstill"

    def test_it_moves_while_there_is_always_something_due(
        self, db: Database, clock: HandClock, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(db, every="1m")
        due = clock.now + MINUTE
        settle(scheduler)
        clock.turn(3 * MINUTE)
        monkeypatch.setattr("rota.engine.scheduler.BUSY_S", -1.0)
        assert scheduler.run_once() == 0
        assert accounted_to(db) == due - 1


Meanwhile = Callable[[Callable[[Database], object]], None]


class TestChanges:
    """Each in the very moment in which the scheduler has read the schedule and not yet written."""

    @pytest.fixture
    def meanwhile(
        self, db: Database, clock: HandClock, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> Meanwhile:
        """Let the instant come, and do something between the scheduler's look and its writing."""

        def act(action: Callable[[Database], object]) -> None:
            other = clock.open()
            run = db.run

            def first_the_change(work: Callable[[Tx], Any]) -> Any:
                monkeypatch.setattr(db, "run", run)
                action(other)
                return run(work)

            monkeypatch.setattr(db, "run", first_the_change)
            clock.turn(MINUTE)
            settle(Scheduler(db, settings))

        return act

    def test_an_edited_target_is_the_one_that_runs(self, db: Database, meanwhile: Meanwhile) -> None:
        put(db, every="1m")
        new = {"kind": "http", "url": "http://127.0.0.1:9/new"}
        meanwhile(lambda other: put(other, every="1m", target=new))
        (job,) = runs(db)
        assert "/new" in (job.target or "")
        assert [one.version for one in occurrences(db)] == [2]

    def test_an_edited_rule_counts_from_the_edit(self, db: Database, clock: HandClock, meanwhile: Meanwhile) -> None:
        put(db, every="1m")
        meanwhile(lambda other: put(other, every="5m", target={"kind": "http", "url": "http://127.0.0.1:9/new"}))
        (job,) = runs(db)
        assert (job.scheduled_for, "/new" in (job.target or "")) == (clock.now, True)
        assert next_at(db) == clock.now + 5 * MINUTE

    def test_a_pause_makes_the_instant_paused(self, db: Database, meanwhile: Meanwhile) -> None:
        put(db, every="1m")
        meanwhile(lambda other: pause(other, note="holiday"))
        assert runs(db) == []
        (row,) = occurrences(db)
        assert (row.disposition, row.cause, row.reason) == ("paused", "ann", "holiday")

    def test_a_deleted_one_does_not_fire(self, db: Database, meanwhile: Meanwhile) -> None:
        put(db, every="1m")
        meanwhile(lambda other: other.run(lambda tx: actions.delete(tx, "nightly", ANN)))
        assert runs(db) == []
        (row,) = occurrences(db)
        assert (row.disposition, row.reason) == ("missed", "deleted by ann, before it ran")

    def test_one_made_anew_fires_by_its_new_definition(
        self, db: Database, clock: HandClock, settings: Settings
    ) -> None:
        put(db, every="1m", overlap="allow")
        scheduler = Scheduler(db, settings)
        clock.turn(MINUTE)
        settle(scheduler)
        db.run(lambda tx: actions.delete(tx, "nightly", ANN))
        put(db, every="1m", overlap="allow", target={"kind": "http", "url": "http://127.0.0.1:9/new"})
        clock.turn(MINUTE)
        settle(scheduler)
        assert ["/new" in (job.target or "") for job in runs(db)] == [False, True]

    def test_what_was_due_in_a_pause_does_not_run_after_it(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        start = clock.now
        put(db, every="1m")
        pause(db)
        for _ in range(5):
            clock.turn(MINUTE)
            settle(scheduler)
        db.run(lambda tx: actions.resume(tx, "nightly", ANN))
        clock.turn(MINUTE)
        settle(scheduler)
        assert ledger(db, since=start, unit=MINUTE) == [("paused", 1, 5), ("fired", 6, 6)]

    def test_a_pause_ends_by_itself(self, db: Database, clock: HandClock, scheduler: Scheduler) -> None:
        start = clock.now
        put(db, every="1m")
        pause(db, until="2027-01-15T12:02:30Z")
        for _ in range(4):
            clock.turn(MINUTE)
            settle(scheduler)
            end_runs(db)
        assert ledger(db, since=start, unit=MINUTE) == [("paused", 1, 2), ("fired", 3, 3), ("fired", 4, 4)]
        found = db.read(lambda tx: schedules.get(tx, "nightly"))
        assert found is not None and found.paused_at is None
