"""Drain: how quickly worker processes empty a queue of no-op jobs, beside the raw claim-and-finish loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from benchmarks.figure import Figure, Goals, interleaved, of_rounds
from benchmarks.setting import QUEUE, Bench, Session, cpu_s, fill, pause, resume, wait_for, worker
from rota.ids import new_id

JOBS = 20_000
BATCH = 200
SHARED = "shared"

RAW_CLAIM = """
UPDATE rota_jobs SET status = 'running', worker_id = :worker, attempt = attempt + 1, started_at = rota_now()
WHERE {pg|id = ANY(ARRAY(}{lite|id IN (}SELECT id FROM rota_jobs WHERE status = 'pending' AND queue = 'bench'
  AND lane = 'async' AND ring IS NULL ORDER BY rank, run_at, id LIMIT :n {pg|FOR UPDATE SKIP LOCKED}{pg|)})
RETURNING id, attempt, args
"""

# As in the product, no index may serve the status: the planner would go through all that runs for each row.
RAW_FINISH = """
UPDATE rota_jobs AS j SET status = 'completed', completed_at = rota_now(), attempts_used = 1
FROM {rows|u|batch|id uuid, attempt bigint}
WHERE j.id = u.id AND j.attempt = u.attempt AND {lite|+}j.worker_id = :worker
  AND {lite|+}j.status{pg| || ''} = 'running'
"""

# In order, so that an index answers: who counted would read the whole table, again and again beside what is measured.
# By the index of jobs without a key, and by the one of those with one.
PENDING = """SELECT CASE WHEN (SELECT 1 FROM rota_jobs WHERE status = 'pending' AND ring IS NULL AND queue = 'QUEUE'
  ORDER BY queue, lane, rank LIMIT 1) IS NULL AND (SELECT 1 FROM rota_jobs WHERE status = 'pending'
  AND ring IS NOT NULL AND queue = 'QUEUE' ORDER BY queue, lane, ring LIMIT 1) IS NULL THEN 1 ELSE 0 END"""
RUNNING = """SELECT CASE WHEN (SELECT 1 FROM rota_jobs WHERE status = 'running' AND queue = 'QUEUE'
  ORDER BY worker_id LIMIT 1) IS NULL THEN 1 ELSE 0 END"""


def run(session: Session) -> Iterator[Figure]:
    """Measure one worker beside the raw loop; on PostgreSQL also two workers beside one."""
    jobs = session.some(JOBS)
    with session.fresh() as bench:
        pause(bench)
        yield from one_worker(session, bench, jobs)
        if session.database == "postgresql":
            yield two_workers(session, bench, jobs)


def one_worker(session: Session, bench: Bench, jobs: int) -> Iterator[Figure]:
    """Measure one worker process with its runner."""
    used: list[float] = []

    with worker(bench) as child:

        def raw_loop() -> float:
            session.say("the raw loop")
            return raw(bench, jobs)

        def one() -> float:
            session.say("one worker")
            before = cpu_s(child.pid)
            rate = drain(bench, jobs, lambda: fill(bench, jobs))
            used.append((cpu_s(child.pid) - before) / jobs * 1e6)
            return rate

        rounds = interleaved(session.rounds, raw_loop, one)
    yield of_rounds(
        rounds, name="drain, one worker, no-op async jobs", database=bench.kind, unit="jobs/s",
        raw_name="claim and finish in one loop",
        goals=Goals(ratio=0.5, least=12_000 if bench.kind == "sqlite" else None),
    )  # fmt: skip
    yield Figure(
        name="drain, CPU of worker and runner for each job", database=bench.kind, value=sorted(used)[len(used) // 2],
        unit="µs",
    )  # fmt: skip


def two_workers(session: Session, bench: Bench, jobs: int) -> Figure:
    """Measure two workers beside one of them alone: the second serves only one of the two queues."""
    pause(bench, SHARED)

    def one() -> float:
        session.say("one of two workers")
        return drain(bench, jobs, lambda: fill(bench, jobs))

    def both() -> float:
        session.say("two workers")
        return drain(bench, jobs, lambda: fill(bench, jobs, queue=SHARED), SHARED)

    with worker(bench, "--queues", f"{QUEUE},{SHARED}"), worker(bench, "--queues", SHARED):
        rounds = interleaved(session.rounds, one, both)
    return of_rounds(
        rounds, name="drain, two workers", database=bench.kind, unit="jobs/s", raw_name="one worker",
        goals=Goals(ratio=1.0),
    )  # fmt: skip


def raw(bench: Bench, jobs: int) -> float:
    """Claim and finish in batches on one connection, with nothing around it; return jobs a second."""
    fill(bench, jobs)
    holder = new_id()
    began = time.perf_counter()
    done = 0
    while done < jobs:
        with bench.db.transaction() as tx:
            rows = tx.rows(RAW_CLAIM, {"worker": holder, "n": BATCH})
        batch = _encoded(rows)
        with bench.db.transaction() as tx:
            tx.run(RAW_FINISH, {"worker": holder, "batch": batch})
        done += len(rows)
    return jobs / (time.perf_counter() - began)


def _encoded(rows: Sequence[tuple[object, ...]]) -> str:
    return msgspec.json.encode([{"id": row[0], "attempt": row[1]} for row in rows]).decode()


def drain(bench: Bench, jobs: int, filled: Callable[[], None], queue: str = QUEUE) -> float:
    """Let the running workers empty a paused queue; the clock is the database's, from first start to last end."""
    filled()
    with bench.db.statement() as tx:
        mark = tx.now()
    resume(bench, queue)
    for left in (PENDING, RUNNING):
        wait_for(bench, left.replace("QUEUE", queue), 1, 120)
    pause(bench, queue)
    with bench.db.statement() as tx:
        row = tx.row(
            "SELECT min(started_at), max(completed_at), count(*) FROM rota_jobs"
            " WHERE completed_at > :mark AND status = 'completed'",
            {"mark": mark},
        )
    assert row is not None
    if row[2] != jobs:
        raise RuntimeError(f"{row[2]} of {jobs} jobs completed")
    return jobs * 1e6 / int(row[1] - row[0])
