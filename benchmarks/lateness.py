"""Lateness: schedules that are due together each second, by the database's clock, beside a raw loop of the same."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.figure import Figure, Goals, percentile
from benchmarks.raw import raw_like
from benchmarks.setting import Bench, Session, process, wait_for, worker
from rota.actions import schedules
from rota.actions.specs import Caller, ScheduleIn
from rota.ids import new_id
from rota.model import NewJob
from rota.store import jobs

SCHEDULES = 200
SECONDS = 10
RAW_SECONDS = 2
"""Before, and again after."""
LEAD_S = 1.5
Rows = Sequence[tuple[Any, ...]]

ENDED = """
SELECT CASE WHEN EXISTS (SELECT 1 FROM rota_schedules WHERE id LIKE 'PREFIX-%' AND next_at IS NOT NULL)
  OR EXISTS (SELECT 1 FROM rota_jobs WHERE status IN ('pending', 'running', 'held', 'scheduled')
    AND schedule_id LIKE 'PREFIX-%') THEN 0 ELSE 1 END
"""
LATE = "SELECT started_at - scheduled_for, created_at - scheduled_for FROM rota_jobs WHERE schedule_id LIKE 'PREFIX-%'"
ONCE = """
SELECT count(*) FROM (
  SELECT o.schedule_id, o.scheduled_for FROM rota_occurrences o
  JOIN rota_jobs j ON j.schedule_id = o.schedule_id AND j.scheduled_for = o.scheduled_for AND j.id = o.job_id
  WHERE o.disposition = 'fired' AND j.attempt = 1 GROUP BY o.schedule_id, o.scheduled_for HAVING count(*) = 1
) once
"""
RAW_CLAIM = """
UPDATE rota_jobs SET status = 'running', worker_id = :worker, attempt = 1, started_at = rota_now()
WHERE id {in|SELECT id FROM rota_jobs WHERE status = 'pending' AND queue = 'raw' AND lane = 'async' AND ring IS NULL
  ORDER BY rank, run_at, id LIMIT :n} RETURNING id
"""
RAW_END = """
UPDATE rota_jobs SET status = 'completed' WHERE status = 'running' AND queue = 'raw' RETURNING started_at, created_at
"""


def run(session: Session) -> Iterator[Figure]:
    """Measure a scheduler and a worker, each a process."""
    seconds = 2 if session.quick else SECONDS
    wanted = SCHEDULES * seconds
    with session.fresh() as bench:
        raw = raw_seconds(session, bench, SCHEDULES)
        session.say(f"{SCHEDULES} schedules for {seconds} s")
        with process(bench, "scheduler"), worker(bench):
            wait_for(bench, "SELECT count(*) FROM rota_workers WHERE role = 'scheduler'", 1, 20)
            rows = due_together(bench, "bench", SCHEDULES, seconds)
        raw += raw_seconds(session, bench, SCHEDULES)
        with bench.db.statement() as tx:
            once = int(tx.value(ONCE))
    yield from figures("schedule lateness", bench.kind, rows, raw, SCHEDULES, {})
    yield Figure(
        name=f"instants that fired exactly once, of {wanted:,}", database=bench.kind, value=once, unit="instants",
        goals=Goals(least=wanted, most=len(rows)),
    )  # fmt: skip


def figures(name: str, kind: str, rows: Rows, raw: Rows, together: int, most: Mapping[str, float]) -> Iterator[Figure]:
    """Yield what (lateness of the start, of the creation) of jobs shows; ``most`` are the goals of p99 (ms)."""
    for place, what in enumerate(("job started", "job created")):
        for share in (0.5, 0.99):
            yield Figure(
                name=f"{name}, {what}, p{share * 100:.0f}", database=kind, unit="ms",
                value=percentile([row[place] for row in rows], share) / 1e3,
                raw=percentile([row[place] for row in raw], share) / 1e3,
                raw_name=f"sleep, insert {together:,} rows in one statement, claim them in one",
                goals=Goals(most=most.get(what) if share > 0.5 else None),
            )  # fmt: skip


def due_together(bench: Bench, prefix: str, count: int, seconds: int, *, apart_s: float = 0.0) -> Rows:
    """Have schedules due once a second, at the same instant or ``apart_s`` one after the other; return how late.

    A scheduler and a worker must run.  Each row is (lateness of the start, of the creation) of a job (µs).
    """
    start = math.ceil(time.time() + LEAD_S + count / 200)
    specs = {}
    for number in range(count):
        first = start + number * apart_s
        end = first + seconds + 0.5
        spec = ScheduleIn(every="1s", start_at=rfc3339(first), end_at=rfc3339(end), job_type="noop")
        specs[f"{prefix}-{number}"] = spec
    bench.db.run(lambda tx: [schedules.put(tx, each, specs[each], Caller(), bench.settings) for each in specs])
    time.sleep(max(0.0, start + seconds - time.time()))
    wait_for(bench, ENDED.replace("PREFIX", prefix), 1, 60)
    with bench.db.statement() as tx:
        return tx.rows(LATE.replace("PREFIX", prefix))


def rfc3339(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()


def model_job(bench: Bench) -> str:
    """Store a job that no worker takes; return its id."""
    job = NewJob(
        id=new_id(), type="noop", lane="async", target=None, queue="model", rank=0, args="{}", max_attempts=4,
        timeout_us=3_600_000_000, delay_us=3_600_000_000,
    )  # fmt: skip
    bench.db.run(lambda tx: jobs.insert(tx, [job]))
    return job.id


def raw_seconds(session: Session, bench: Bench, together: int) -> list[tuple[int, int]]:
    """Do the same by hand for some seconds; return (lateness of the start, of the creation) of each row (µs)."""
    session.say("the raw loop, once a second")
    found: list[tuple[int, int]] = []
    with raw_like(bench, model_job(bench), queue="raw", status="pending") as raw:
        instant = math.ceil(time.time() + 0.1)
        for _ in range(1 if session.quick else RAW_SECONDS):
            time.sleep(max(0.0, instant - time.time()))
            raw.insert_many(together)
            with bench.db.transaction() as tx:
                ids = tx.rows(RAW_CLAIM, {"worker": new_id(), "n": together})
            assert len(ids) == together
            with bench.db.transaction() as tx:
                rows = tx.rows(
                    "SELECT started_at, created_at FROM rota_jobs WHERE queue = 'raw' AND status = 'running'"
                )
                found += [(row[0] - instant * 1_000_000, row[1] - instant * 1_000_000) for row in rows]
                tx.run("UPDATE rota_jobs SET status = 'completed' WHERE queue = 'raw' AND status = 'running'")
            instant += 1
    return found
