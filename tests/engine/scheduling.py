"""Schedules as users write them, schedulers that are turned by hand, and what they leave in the ledger."""

from __future__ import annotations

from typing import Any

from rota.actions import schedules as actions
from rota.actions.decoding import convert
from rota.actions.specs import Caller, PauseIn, ScheduleIn
from rota.engine.scheduler import AGAIN_S, Scheduler
from rota.model import Job, JobType, Occurrence, Schedule
from rota.settings import Settings, load_settings
from rota.store import jobs, types
from rota.store import occurrences as occurrence_store
from rota.store.database import Database

ANN = Caller("ann")
TARGET = {"kind": "http", "url": "http://127.0.0.1:9/"}
MOST_TURNS = 1000


def settings_of(database_url: str, **given: Any) -> Settings:
    """Settings for a database, from nothing else than what is given."""
    return load_settings({}, database_url=database_url, **given)


def put(db: Database, schedule_id: str = "nightly", **spec: Any) -> Schedule:
    """Save a schedule as a user does; it calls an address unless told otherwise."""
    if "jobType" not in spec:
        spec.setdefault("target", TARGET)
    given = convert(spec, ScheduleIn)
    return db.run(lambda tx: actions.put(tx, schedule_id, given, ANN, settings_of("sqlite:///unused.db")))


def pause(db: Database, schedule_id: str = "nightly", **spec: Any) -> None:
    """Pause a schedule as a user does."""
    db.run(lambda tx: actions.pause(tx, schedule_id, convert(spec, PauseIn), ANN))


def declare(db: Database, name: str, **given: Any) -> None:
    """Declare a job type whose code a worker has."""
    fields: dict[str, Any] = {"lane": "async", "target": None, "args_schema": None, "defaults": "{}", "owner": "code"}
    db.run(lambda tx: types.put(tx, [JobType(**{"name": name, **fields, **given})]))


def settle(*schedulers: Scheduler) -> None:
    """Turn schedulers until they have nothing more to do now."""
    for scheduler in schedulers:
        for _ in range(MOST_TURNS):
            if scheduler.run_once() > AGAIN_S:
                break
        else:
            raise AssertionError("the scheduler does not come to rest")


def occurrences(db: Database, schedule_id: str = "nightly") -> list[Occurrence]:
    """The ledger of a schedule, the earliest first."""
    return list(reversed(db.read(lambda tx: occurrence_store.listed(tx, schedule_id, limit=10_000))))


def ledger(db: Database, schedule_id: str = "nightly", *, since: int = 0, unit: int = 1) -> list[tuple[str, int, int]]:
    """(disposition, from, until) of each occurrence, counted in units since a moment."""
    return [
        (one.disposition, (one.scheduled_for - since) // unit, (one.until_at - since) // unit)
        for one in occurrences(db, schedule_id)
    ]


def runs(db: Database, schedule_id: str = "nightly") -> list[Job]:
    """The jobs of a schedule, by their instants."""
    sql = "SELECT id FROM rota_jobs WHERE schedule_id = :id ORDER BY scheduled_for, id"
    with db.statement() as tx:
        found = [jobs.get(tx, row[0]) for row in tx.rows(sql, {"id": schedule_id})]
    return [job for job in found if job is not None]


def end_runs(db: Database, schedule_id: str = "nightly") -> None:
    """End the jobs of a schedule, as a worker would."""
    sql = "UPDATE rota_jobs SET status = 'completed', completed_at = rota_now() WHERE schedule_id = :id"
    db.run(lambda tx: tx.run(sql, {"id": schedule_id}))
