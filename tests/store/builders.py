"""Records and small acts of which the tests of the store are made."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from rota.ids import new_id
from rota.model import Attempt, Job, LogChunk, NewJob, Occurrence, Schedule, Worker
from rota.settings import parse_database_url
from rota.store import claims, jobs, logs, meta, results, schedules, workers
from rota.store import occurrences as occurrence_store
from rota.store.claims import Claimed
from rota.store.database import Database, Tx
from rota.store.opening import open_database
from rota.store.serving import Request

Value = TypeVar("Value")

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
LEASE = 20 * SECOND
EVERYTHING = {"http": 1000, "command": 1000, "async": 1000, "sync": 1000}
"""Free slots enough for every test."""


def opened(url: str) -> Database:
    """A database that is not migrated; the caller closes it."""
    return open_database(parse_database_url(url))


def new_job(**given: Any) -> NewJob:
    """A job that is ready at once, but for what is given."""
    fields = {
        "id": new_id(),
        "type": "report",
        "lane": "async",
        "target": None,
        "queue": "default",
        "rank": 0,
        "args": "{}",
        "max_attempts": 4,
    }
    return NewJob(**{**fields, **given})


def insert(db: Database, *new_jobs: NewJob) -> list[str]:
    """Insert jobs; the ids of those that were stored, in the order given."""
    stored = set(db.run(lambda tx: jobs.insert(tx, new_jobs)))
    return [job.id for job in new_jobs if job.id in stored]


def insert_one(db: Database, **given: Any) -> str:
    """Insert a job; its id."""
    (job_id,) = insert(db, new_job(**given))
    return job_id


def get(db: Database, job_id: str) -> Job:
    """A job that is there."""
    job = db.read(lambda tx: jobs.get(tx, job_id))
    assert job is not None, f"no job {job_id}"
    return job


def attempts(db: Database, job_id: str) -> list[Attempt]:
    """The starts of a job but its last."""
    return db.read(lambda tx: jobs.attempts(tx, job_id))


def register(db: Database, lease_us: int = LEASE, **given: Any) -> str:
    """Register a worker; its id."""
    fields = {"id": new_id(), "role": "worker", "host": "host", "pid": 1, "version": "0", "state": "running"}
    worker = Worker(**{**fields, **given})
    db.run(lambda tx: workers.register(tx, worker, lease_us))
    return worker.id


def claim(db: Database, worker: str, **given: Any) -> list[Claimed]:
    """Claim for a worker with free slots in all lanes, unless others are given."""
    return claims.claim(db, Request(**{"worker": worker, "lanes": EVERYTHING, **given}))


def claim_ids(db: Database, worker: str, **given: Any) -> list[str]:
    """Claim; the ids of the jobs."""
    return [one.call.job_id for one in claim(db, worker, **given)]


def run_one(db: Database, worker: str, **given: Any) -> Claimed:
    """Insert a job and claim it."""
    job_id = insert_one(db, **given)
    for claimed in claim(db, worker):
        if claimed.call.job_id == job_id:
            return claimed
    raise AssertionError("the job was not claimed")


def end(db: Database, worker: str, *claimed: Claimed, status: str = "completed", **given: Any) -> set[str]:
    """Finish claimed jobs; the ids that were accepted."""
    ended = [results.Finished(id=one.call.job_id, attempt=one.call.attempt, status=status, **given) for one in claimed]
    return db.run(lambda tx: results.finish(tx, worker, ended))


def give_back(db: Database, worker: str, *claimed: Claimed, outcome: str = "failed", **given: Any) -> set[str]:
    """Give claimed jobs back; the ids that were accepted."""
    ended = [
        results.Returned(id=one.call.job_id, attempt=one.call.attempt, outcome=outcome, **given) for one in claimed
    ]
    return db.run(lambda tx: results.give_back(tx, worker, ended))


def end_lease(db: Database, worker: str) -> None:
    """Let the lease of a worker run out, as the database sees it."""
    sql = "UPDATE rota_workers SET lease_until = rota_now() - 1 WHERE id = :id"
    assert db.run(lambda tx: tx.run(sql, {"id": worker})) == 1


def stop(db: Database, worker: str) -> None:
    """Let a worker end in good order."""
    db.run(lambda tx: workers.stop(tx, worker))


def lose(db: Database, worker: str) -> list[results.Lost]:
    """Let a worker be lost, and its jobs be given back."""
    end_lease(db, worker)
    assert db.run(workers.expire) == [worker]
    return db.run(results.lose)


def backdate(db: Database, job_id: str, **columns_us: int) -> None:
    """Set times of a job, relative to the database's clock (µs), which is looked at once."""
    sql = f"UPDATE rota_jobs SET {', '.join(f'{column} = :{column}' for column in columns_us)} WHERE id = :id"

    def change(tx: Tx) -> int:
        now = tx.now()
        return tx.run(sql, {"id": job_id, **{column: now + offset for column, offset in columns_us.items()}})

    assert db.run(change) == 1


def log(db: Database, *chunks: LogChunk) -> None:
    """Append chunks to logs."""
    db.run(lambda tx: logs.append(tx, chunks))


def put_fact(db: Database, key: str, value: str) -> None:
    """Store a fact."""
    db.run(lambda tx: meta.put(tx, key, value))


def new_schedule(schedule_id: str = "nightly", **given: Any) -> Schedule:
    """A schedule that was due long ago, but for what is given."""
    fields = {
        "id": schedule_id,
        "type": "report",
        "lane": "async",
        "target": None,
        "args": "{}",
        "rule": '{"cron":"0 3 * * *"}',
        "timezone": "UTC",
        "job": "{}",
        "anchor_at": 0,
        "next_at": 1000,
        "owner": "api",
    }
    return Schedule(**{**fields, **given})


def put(db: Database, schedule_id: str = "nightly", **given: Any) -> Schedule:
    """Store a schedule and read it."""

    def write(tx: Tx) -> None:
        schedule = new_schedule(schedule_id, **{"created_at": tx.now(), "updated_at": tx.now(), **given})
        assert schedules.update(tx, [schedule]) or schedules.insert(tx, [schedule])

    db.run(write)
    return get_schedule(db, schedule_id)


def get_schedule(db: Database, schedule_id: str = "nightly") -> Schedule:
    """A schedule that is there."""
    found = db.read(lambda tx: schedules.get(tx, schedule_id))
    assert found is not None, f"no schedule {schedule_id}"
    return found


def occurrence(at: int, until: int | None = None, disposition: Any = "paused", **given: Any) -> Occurrence:
    """An occurrence of the schedule ``nightly``, but for what is given."""
    fields = {
        "schedule_id": "nightly",
        "scheduled_for": at,
        "until_at": at if until is None else until,
        "disposition": disposition,
    }
    return Occurrence(**{**fields, **given})


def ledger(db: Database, schedule_id: str = "nightly") -> list[tuple[int, int, str]]:
    """(from, until, disposition) of the occurrences of a schedule, the earliest first."""
    found = db.read(lambda tx: occurrence_store.listed(tx, schedule_id))
    return [(one.scheduled_for, one.until_at, one.disposition) for one in reversed(found)]


def at_once(*works: Callable[[], Value], timeout: float = 60.0) -> list[Value]:
    """Run functions in threads that begin together; what they return, in order."""
    barrier = threading.Barrier(len(works))

    def begin(work: Callable[[], Value]) -> Value:
        barrier.wait(timeout)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(begin, work) for work in works]
        return [future.result(timeout) for future in futures]


def execute(db: Database, sql: str) -> None:
    """Run a statement outside of a transaction."""
    with db.statement() as tx:
        tx.run(sql)


def column(db: Database, name: str, table: str = "rota_jobs") -> Sequence[Any]:
    """The values of a column, in no order."""
    return [row[0] for row in db.read(lambda tx: tx.rows(f"SELECT {name} FROM {table}"))]
