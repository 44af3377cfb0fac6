"""The audit finds every fault that it is there for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from rota.engine.scheduler import Scheduler
from rota.ids import new_id
from rota.store import schedules
from rota.store.database import Database
from tests.engine.scheduling import end_runs, put, settings_of, settle
from tests.store import builders
from tests.store.builders import claim, end, insert_one, register
from tests.support.audit import audit
from tests.support.clock import MINUTE, HandClock, hand_clock


@pytest.fixture
def clock(sqlite_url: str) -> Iterator[HandClock]:
    with hand_clock(sqlite_url) as clock:
        yield clock


@pytest.fixture
def db(clock: HandClock) -> Database:
    return clock.open()


def change(db: Database, sql: str, **params: object) -> None:
    assert db.run(lambda tx: tx.run(sql, params)) >= 1


def completed(db: Database) -> str:
    """A job that has run and ended well."""
    job_id, worker = insert_one(db), register(db)
    assert end(db, worker, *claim(db, worker)) == {job_id}
    return job_id


def test_a_good_history_has_no_faults(db: Database, clock: HandClock, sqlite_url: str) -> None:
    job_id = completed(db)
    put(db, every="1m")
    for _ in range(5):
        clock.turn(MINUTE)
        settle(Scheduler(db, settings_of(sqlite_url)))
        end_runs(db)
    assert audit(db, starts=Counter({(job_id, 1): 1})) == []
    assert audit(db, [job_id]) == []


def test_a_job_without_an_end(db: Database) -> None:
    job_id = insert_one(db)
    assert audit(db) == [f"{job_id} is pending"]


def test_a_job_that_is_not_there(db: Database) -> None:
    job_id, other = completed(db), new_id()
    assert audit(db, [job_id, other]) == [f"{other} was accepted and is not there"]
    assert audit(db, starts=Counter({(other, 1): 1})) == [f"{other} ran and is not there"]


def test_a_start_too_many(db: Database) -> None:
    job_id = completed(db)
    assert audit(db, starts=Counter({(job_id, 1): 2})) == [f"attempt 1 of {job_id} was started 2 times"]
    found = audit(db, starts=Counter({(job_id, 1): 1, (job_id, 2): 1}))
    assert found == [f"{job_id} is at attempt 1, targets saw [1, 2]"]


def test_starts_that_are_not_numbered_through(db: Database) -> None:
    job_id = completed(db)
    change(db, "UPDATE rota_jobs SET attempt = 3")
    assert audit(db) == [f"{job_id} is completed at attempt 3; its starts are []"]


def test_a_run_without_a_lease(db: Database) -> None:
    job_id, worker = insert_one(db), register(db)
    claim(db, worker)
    assert audit(db) == [f"{job_id} is running"]
    builders.end_lease(db, worker)
    assert f"{job_id} runs without a lease of {worker}" in audit(db)


class TestInstants:
    @pytest.fixture(autouse=True)
    def history(self, db: Database, clock: HandClock, sqlite_url: str) -> None:
        put(db, every="1m", overlap="allow")
        for _ in range(5):
            clock.turn(MINUTE)
            settle(Scheduler(db, settings_of(sqlite_url)))
        end_runs(db)
        assert audit(db, starts=Counter()) == [], "a good history to begin with"

    def delete(self, db: Database, clock: HandClock, minutes_ago: int) -> None:
        at = clock.now - minutes_ago * MINUTE
        change(db, "DELETE FROM rota_occurrences WHERE scheduled_for = :at", at=at)
        change(db, "DELETE FROM rota_jobs WHERE scheduled_for = :at", at=at)

    @pytest.mark.parametrize("minutes_ago", [0, 2, 4], ids=["last", "middle", "first"])
    def test_a_hole(self, db: Database, clock: HandClock, minutes_ago: int) -> None:
        self.delete(db, clock, minutes_ago)
        assert len(audit(db)) == 1

    def test_an_instant_covered_twice(self, db: Database, clock: HandClock) -> None:
        again = builders.occurrence(clock.now - MINUTE - 1, clock.now - MINUTE)
        columns = {name: getattr(again, name) for name in ("schedule_id", "scheduled_for", "until_at", "disposition")}
        change(
            db,
            "INSERT INTO rota_occurrences (schedule_id, scheduled_for, until_at, disposition, version, decided_at)"
            " VALUES (:schedule_id, :scheduled_for, :until_at, :disposition, 1, 0)",
            **columns,
        )
        assert audit(db) != []

    def test_two_jobs_of_an_instant(self, db: Database, clock: HandClock) -> None:
        insert_one(db, schedule_id="nightly", scheduled_for=clock.now)
        end_runs(db)
        assert any("2 jobs for" in fault for fault in audit(db))

    def test_a_job_that_no_row_speaks_of(self, db: Database, clock: HandClock) -> None:
        change(db, "UPDATE rota_occurrences SET job_id = NULL WHERE scheduled_for = :at", at=clock.now)
        assert audit(db) == ["nightly: 4 instants fired, 5 jobs"]
        assert db.read(lambda tx: schedules.get(tx, "nightly")) is not None
