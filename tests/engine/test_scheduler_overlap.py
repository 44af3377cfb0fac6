"""Overlap policies from the timetable to the jobs: no two runs of a schedule at a time, but where it may be."""

from __future__ import annotations

import pytest

from rota.engine.scheduler import Scheduler
from rota.settings import Settings
from rota.store.claims import Claimed
from rota.store.database import Database
from tests.engine.scheduling import ledger, occurrences, put, runs, settle
from tests.store import builders
from tests.support.clock import DAY, MINUTE, SECOND, HandClock


class Stage:
    """A schedule of each minute, its scheduler, and a worker that runs what it is told to."""

    def __init__(self, db: Database, clock: HandClock, settings: Settings) -> None:
        self.db, self.clock = db, clock
        self.start = clock.now
        self.scheduler = Scheduler(db, settings)
        self.worker = builders.register(db, lease_us=DAY)

    def minute(self) -> None:
        """Let the next instant come."""
        self.clock.turn(MINUTE)
        settle(self.scheduler)

    def claim(self) -> list[Claimed]:
        """Start everything that may run."""
        return builders.claim(self.db, self.worker)

    def claim_one(self) -> Claimed:
        """Start the one job that may run."""
        (one,) = self.claim()
        return one

    def end(self, *those: Claimed, status: str = "completed") -> None:
        """End runs."""
        assert len(builders.end(self.db, self.worker, *those, status=status)) == len(those)

    def states(self) -> list[str]:
        """The stored state of each job of the schedule, by instants."""
        return [job.status for job in runs(self.db)]

    def ledger(self) -> list[tuple[str, int, int]]:
        """The ledger, in minutes since the beginning."""
        return ledger(self.db, since=self.start, unit=MINUTE)


@pytest.fixture
def stage(db: Database, clock: HandClock, settings: Settings) -> Stage:
    return Stage(db, clock, settings)


def test_queue_one_lets_one_wait(stage: Stage) -> None:
    put(stage.db, every="1m", overlap="queueOne")
    stage.minute()
    first = stage.claim_one()
    for _ in range(3):
        stage.minute()
    assert stage.states() == ["running", "held"]
    assert stage.ledger() == [("fired", 1, 1), ("fired", 2, 2), ("coalesced", 3, 4)]
    assert occurrences(stage.db)[2].cause == runs(stage.db)[1].id
    assert stage.claim() == []

    stage.end(first)
    assert stage.claim_one().call.scheduled_for == stage.start + 2 * MINUTE


def test_queue_all_runs_each_in_its_order(stage: Stage) -> None:
    put(stage.db, every="1m", overlap="queueAll")
    for _ in range(4):
        stage.minute()
    assert stage.states() == ["pending", "held", "held", "held"]
    order = []
    while claimed := stage.claim():
        assert len(claimed) == 1
        order.append(claimed[0].call.scheduled_for)
        stage.end(*claimed, status="failed" if len(order) == 2 else "completed")
    assert order == [stage.start + n * MINUTE for n in range(1, 5)]


@pytest.mark.parametrize(("overlap", "mode"), [("cancel", "stop"), ("kill", "kill")])
def test_a_new_run_ends_the_one_before_and_waits_until_it_has_ended(stage: Stage, overlap: str, mode: str) -> None:
    put(stage.db, every="1m", overlap=overlap)
    stage.minute()
    first = stage.claim_one()
    stage.minute()
    assert stage.states() == ["running", "held"]
    assert runs(stage.db)[0].cancel_mode == mode
    assert stage.claim() == []
    stage.minute()  # the one that waited is replaced in its turn
    assert stage.states() == ["running", "cancelled", "held"]

    stage.end(first, status="cancelled")
    assert stage.claim_one().call.scheduled_for == stage.start + 3 * MINUTE
    assert stage.ledger() == [("fired", n, n) for n in (1, 2, 3)]


def test_skip_names_the_job_that_ran(stage: Stage) -> None:
    put(stage.db, every="1m")
    stage.minute()
    first = stage.claim_one()
    stage.minute()
    stage.minute()
    assert stage.ledger() == [("fired", 1, 1), ("skipped", 2, 3)]
    assert first.call.job_id in (occurrences(stage.db)[1].reason or "")
    stage.end(first)
    stage.minute()
    assert stage.states() == ["completed", "pending"]


def test_allow_lets_them_run_beside_each_other(stage: Stage) -> None:
    put(stage.db, every="1m", overlap="allow")
    stage.minute()
    stage.minute()
    assert len(stage.claim()) == 2


def test_a_run_between_two_attempts_still_keeps_its_turn(stage: Stage) -> None:
    put(stage.db, every="1m", overlap="queueAll")
    stage.minute()
    first = stage.claim_one()
    stage.minute()
    builders.give_back(stage.db, stage.worker, first, delay_us=10 * SECOND)
    assert stage.states() == ["scheduled", "held"]
    assert stage.claim() == []


def test_the_runs_of_a_lost_worker_come_before_those_that_wait(stage: Stage) -> None:
    put(stage.db, every="1m", overlap="queueAll")
    stage.minute()
    first = stage.claim_one()
    stage.minute()

    (lost,) = builders.lose(stage.db, stage.worker)
    assert lost.id == first.call.job_id
    assert stage.states() == ["pending", "held"]


@pytest.mark.parametrize("overlap", ["skip", "queueOne", "queueAll"])
def test_all_that_was_missed_is_caught_up_one_after_the_other(stage: Stage, overlap: str) -> None:
    put(stage.db, every="1m", overlap=overlap, catchup="all")
    stage.clock.turn(3 * MINUTE + 30 * SECOND)
    settle(stage.scheduler)
    assert stage.ledger() == [("caughtUp", n, n) for n in (1, 2, 3)]
    order = []
    while claimed := stage.claim():
        assert len(claimed) == 1
        order.append(claimed[0].call.scheduled_for)
        stage.end(*claimed)
    assert order == [stage.start + n * MINUTE for n in (1, 2, 3)]


def test_failures_in_a_row_pause_the_schedule(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    put(stage.db, every="1m", overlap="allow")
    builders.execute(stage.db, "UPDATE rota_schedules SET pause_after = 2")
    for status in ("failed", "completed", "failed", "failed"):
        stage.minute()
        stage.end(stage.claim_one(), status=status)
    stage.minute()
    stage.minute()
    after = builders.get_schedule(stage.db)
    assert after.paused_by == "rota"
    assert "2 failures in a row" in (after.paused_note or "")
    assert "schedule/saved nightly paused" in caplog.text
    assert stage.ledger()[-1] == ("paused", 5, 6) or stage.ledger()[-2:] == [("paused", 5, 5), ("paused", 6, 6)]
    assert len(runs(stage.db)) == 4


@pytest.mark.parametrize("overlap", ["skip", "queueOne", "cancel"])
def test_a_run_of_the_time_when_runs_might_overlap_counts(stage: Stage, overlap: str) -> None:
    put(stage.db, every="1m", overlap="allow")
    stage.minute()
    before = stage.claim_one()
    put(stage.db, every="1m", overlap=overlap)
    stage.minute()
    assert stage.claim() == []
    assert stage.states() == (["running"] if overlap == "skip" else ["running", "held"])
    assert (runs(stage.db)[0].cancel_mode == "stop") is (overlap == "cancel")
    stage.end(before)
    assert len(stage.claim()) == (0 if overlap == "skip" else 1)
