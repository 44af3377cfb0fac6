"""The jobs of workers whose lease ran out."""

from __future__ import annotations

import pytest

from rota.engine.janitor import Janitor
from rota.settings import Settings
from rota.store import queues, results, versions
from rota.store.database import Database
from tests.engine.scheduling import settings_of
from tests.store import builders
from tests.store.builders import attempts, claim_ids, end, get, register, run_one
from tests.support.clock import SECOND, HandClock


@pytest.fixture
def janitor(db: Database, settings: Settings) -> Janitor:
    return Janitor(db, settings)


def lapse(clock: HandClock) -> None:
    """Let every lease run out."""
    clock.turn(builders.LEASE + 1)


def test_it_sweeps_as_often_as_leases_are_renewed(db: Database) -> None:
    assert Janitor(db, settings_of("sqlite:///x.db")).run_once() == 5.0
    assert Janitor(db, settings_of("sqlite:///x.db", lease="2s")).run_once() == 0.5
    assert Janitor(db, settings_of("sqlite:///x.db", lease="1h")).run_once() == 5.0


def test_a_job_is_given_back_when_its_worker_is_lost_and_not_before(
    db: Database, clock: HandClock, janitor: Janitor, caplog: pytest.LogCaptureFixture
) -> None:
    claimed = run_one(db, register(db))
    clock.turn(builders.LEASE - 1)
    janitor.run_once()
    assert get(db, claimed.call.job_id).status == "running"
    clock.turn(2)
    janitor.run_once()
    job = get(db, claimed.call.job_id)
    assert (job.status, job.attempt, job.attempts_used, job.lost_count, job.worker_id) == ("pending", 1, 0, 1, None)
    assert [(one.attempt, one.outcome) for one in attempts(db, job.id)] == [(1, "lost")]
    assert "worker/lost" in caplog.text
    assert "job/lost" in caplog.text


def test_a_lost_job_starts_again_elsewhere_and_the_late_result_is_refused(
    db: Database, clock: HandClock, janitor: Janitor
) -> None:
    first = register(db)
    claimed = run_one(db, first)
    lapse(clock)
    janitor.run_once()
    second = register(db)
    assert claim_ids(db, second) == [claimed.call.job_id]
    assert end(db, first, claimed) == set()
    job = get(db, claimed.call.job_id)
    assert (job.status, job.attempt, job.worker_id) == ("running", 2, second)


def test_a_job_that_must_not_run_twice_fails(db: Database, clock: HandClock, janitor: Janitor) -> None:
    claimed = run_one(db, register(db), on_lost="fail")
    lapse(clock)
    janitor.run_once()
    job = get(db, claimed.call.job_id)
    assert (job.status, job.reason, attempts(db, job.id)) == ("failed", "lost", [])


def test_a_job_that_is_lost_each_time_fails_in_the_end(db: Database, clock: HandClock, janitor: Janitor) -> None:
    job_id = run_one(db, register(db)).call.job_id
    for _ in range(results.LOST_LIMIT):
        assert get(db, job_id).status == "running"
        lapse(clock)
        janitor.run_once()
        claim_ids(db, register(db))
    job = get(db, job_id)
    assert (job.status, job.attempt) == ("failed", results.LOST_LIMIT)
    assert "lost too often" in (job.error or "")
    assert [one.attempt for one in attempts(db, job_id)] == [1, 2, 3, 4]


def test_a_cancelled_run_of_a_lost_worker_is_cancelled(db: Database, clock: HandClock, janitor: Janitor) -> None:
    job_id = run_one(db, register(db)).call.job_id
    builders.backdate(db, job_id, cancel_requested_at=0)
    lapse(clock)
    janitor.run_once()
    assert get(db, job_id).status == "cancelled"


def test_what_a_worker_left_that_ended_in_good_order_is_given_back(
    db: Database, clock: HandClock, janitor: Janitor
) -> None:
    worker = register(db)
    job_id = run_one(db, worker).call.job_id
    builders.stop(db, worker)
    janitor.run_once()
    assert get(db, job_id).status == "pending"


def test_more_than_a_batch_is_swept_at_once(db: Database, clock: HandClock, janitor: Janitor) -> None:
    worker = register(db)
    builders.insert(db, *(builders.new_job() for _ in range(700)))
    claim_ids(db, worker)
    lapse(clock)
    assert janitor.run_once() == 0
    assert janitor.run_once() > 0
    assert db.read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs WHERE status = 'pending'")) == 700


def test_several_janitors_give_a_job_back_once(
    db: Database, clock: HandClock, settings: Settings, janitor: Janitor
) -> None:
    worker = register(db)
    builders.insert(db, *(builders.new_job() for _ in range(300)))
    claim_ids(db, worker)
    clock.turn(builders.LEASE + SECOND)
    other = Janitor(clock.open(), settings)
    builders.at_once(janitor.run_once, other.run_once)
    janitor.run_once()
    lost = db.read(lambda tx: tx.value("SELECT sum(lost_count) FROM rota_jobs"))
    rows = db.read(lambda tx: tx.value("SELECT count(*) FROM rota_attempts"))
    assert (lost, rows) == (300, 300)


class TestSpentSchedules:
    def left(self, db: Database) -> list[str]:
        return sorted(builders.column(db, "id", "rota_schedules"))

    def test_one_goes_when_its_last_jobs_have_ended(
        self, db: Database, janitor: Janitor, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        stored = builders.put(db, "once", next_at=None, after_run="delete")
        worker = register(db)
        first = run_one(db, worker, schedule_id="once", turn_key="schedule:once")
        builders.insert_one(db, schedule_id="once", turn_key="schedule:once")
        janitor.run_once()
        end(db, worker, first)
        janitor.run_once()
        assert self.left(db) == ["once"], "one waits still"
        end(db, worker, *builders.claim(db, worker), status="failed")
        janitor.run_once()
        assert self.left(db) == []
        (version,) = db.read(lambda tx: versions.listed(tx, "once"))
        assert (version.version, version.action, version.author, version.note, version.definition) == (
            stored.version + 1, "deleted", "rota", "its last run has ended", None,
        )  # fmt: skip
        assert version.at > 0
        assert "schedule/removed its last run has ended" in caplog.text
        assert len(builders.column(db, "id")) == 2, "its jobs stay until their retention ends"

    def test_the_others_stay(self, db: Database, janitor: Janitor) -> None:
        builders.put(db, "goes on", next_at=1 << 60, after_run="delete")
        builders.put(db, "kept", next_at=None)
        builders.put(db, "spent", next_at=None, after_run="delete")
        run_one(db, register(db), schedule_id="kept")
        janitor.run_once()
        assert self.left(db) == ["goes on", "kept"]

    def test_many_go_in_parts(self, db: Database, janitor: Janitor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rota.engine.janitor.BATCH", 2)
        for number in range(3):
            builders.put(db, f"spent{number}", next_at=None, after_run="delete")
        assert janitor.run_once() == 0.0
        assert self.left(db) == ["spent2"]
        assert janitor.run_once() > 0
        assert self.left(db) == []


def test_starts_that_count_no_more_are_forgotten(db: Database, clock: HandClock, janitor: Janitor) -> None:
    limit = '[{"limit":5,"per":1000000}]'
    db.run(lambda tx: queues.change(tx, "default", {"rate_limits": limit}))
    run_one(db, register(db))
    janitor.run_once()
    assert builders.column(db, "starts", "rota_starts") == [1]
    clock.turn(2 * SECOND)
    janitor.run_once()
    assert builders.column(db, "starts", "rota_starts") == []


def test_a_clock_that_was_turned_back_keeps_no_queue_waiting(db: Database, clock: HandClock, janitor: Janitor) -> None:
    limit = '[{"limit":1,"per":1000000}]'
    db.run(lambda tx: queues.change(tx, "default", {"rate_limits": limit}))
    run_one(db, register(db))
    clock.turn(-builders.HOUR)
    worker = register(db)
    builders.insert_one(db)
    assert claim_ids(db, worker) == []
    janitor.run_once()
    clock.turn(2 * SECOND)
    assert len(claim_ids(db, worker)) == 1


def test_the_capacity_of_a_lost_worker_is_free_at_once(db: Database, clock: HandClock, janitor: Janitor) -> None:
    db.run(lambda tx: queues.change(tx, "default", {"concurrency": 1, "key_concurrency": 1}))
    run_one(db, register(db), concurrency_key="a")
    builders.insert_one(db, concurrency_key="a")
    lapse(clock)
    other = register(db)
    assert claim_ids(db, other) == []
    janitor.run_once()
    assert len(claim_ids(db, other)) == 1
