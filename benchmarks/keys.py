"""Keys: how quickly a worker empties a queue with a limit by key, beside a raw loop over the same table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import msgspec

from benchmarks.drain import RAW_FINISH, drain
from benchmarks.figure import Figure, Goals, interleaved, of_rounds
from benchmarks.setting import FILL, QUEUE, Bench, Session, pause, worker
from rota.actions import queues
from rota.actions.specs import QueueIn
from rota.ids import new_id
from rota.model import NewJob
from rota.store import jobs

MANY_KEYS = 1_000
JOBS = 20_000
ONE_KEY_JOBS = 2_000
BATCH = 200

# The first of each key, as a limit of one lets them run; without fairness between keys, pauses or priorities.
RAW_CLAIM = """
WITH RECURSIVE k(ring, n) AS (
  SELECT (SELECT j.ring FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NOT NULL AND j.queue = 'bench'
    AND j.lane = 'async' ORDER BY j.ring LIMIT 1), 1
  UNION ALL
  SELECT (SELECT j.ring FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NOT NULL AND j.queue = 'bench'
    AND j.lane = 'async' AND j.ring > k.ring ORDER BY j.ring LIMIT 1), k.n + 1
  FROM k WHERE k.ring IS NOT NULL AND k.n < :n
)
UPDATE rota_jobs SET status = 'running', worker_id = :worker, attempt = attempt + 1, started_at = rota_now()
WHERE {pg|id = ANY(ARRAY(}{lite|id IN (}SELECT (SELECT j.id FROM rota_jobs j WHERE j.status = 'pending'
  AND j.ring IS NOT NULL AND j.queue = 'bench' AND j.lane = 'async' AND j.ring = k.ring
  ORDER BY j.rank, j.run_at, j.id LIMIT 1) FROM k WHERE k.ring IS NOT NULL{pg|)}) RETURNING id, attempt, args
"""


def run(session: Session) -> Iterator[Figure]:
    """Measure 1,000 keys and one key, each with a limit of one."""
    with session.fresh() as bench:
        limit = QueueIn(key_concurrency=1)
        pause(bench)
        bench.db.run(lambda tx: queues.change(tx, QUEUE, limit, bench.settings))
        some = session.some(MANY_KEYS)
        yield keyed(session, bench, f"{some:,} keys", session.some(JOBS), some, 8_000)
        yield keyed(session, bench, "one key", session.some(ONE_KEY_JOBS), 1, 500)


def keyed(session: Session, bench: Bench, name: str, count: int, keys: int, least: int) -> Figure:
    """Measure one worker on jobs of so many keys."""

    def raw_loop() -> float:
        session.say(f"{name}: the raw loop")
        return raw(bench, count, keys)

    def one() -> float:
        session.say(f"{name}: one worker")
        return drain(bench, count, lambda: fill(bench, count, keys))

    with worker(bench):
        rounds = interleaved(session.rounds, raw_loop, one)
    goals = Goals(least=least) if bench.kind == "postgresql" and not session.quick else Goals()
    return of_rounds(
        rounds, name=f"{name} with a limit of 1, no-op async jobs", database=bench.kind, unit="jobs/s",
        raw_name="claim and finish in one loop", goals=goals,
    )  # fmt: skip


def fill(bench: Bench, count: int, keys: int) -> None:
    """Store jobs, key after key, with fresh statistics."""
    for start in range(0, count, FILL):
        batch = [
            NewJob(
                id=new_id(), type="noop", lane="async", target=None, queue=QUEUE, rank=0, args="{}", max_attempts=4,
                timeout_us=3_600_000_000, concurrency_key=f"customer-{number % keys}",
            )
            for number in range(start, min(start + FILL, count))
        ]  # fmt: skip
        bench.db.run(partial(jobs.insert, jobs=batch))
    with bench.db.statement() as tx:
        tx.run("ANALYZE" if bench.kind == "sqlite" else "VACUUM ANALYZE rota_jobs")


def raw(bench: Bench, count: int, keys: int) -> float:
    """Claim and finish in batches on one connection, with nothing around it; return jobs a second."""
    fill(bench, count, keys)
    holder, done = new_id(), 0
    began = time.perf_counter()
    while done < count:
        with bench.db.transaction() as tx:
            rows = tx.rows(RAW_CLAIM, {"worker": holder, "n": BATCH})
        batch = msgspec.json.encode([{"id": row[0], "attempt": row[1]} for row in rows]).decode()
        with bench.db.transaction() as tx:
            tx.run(RAW_FINISH, {"worker": holder, "batch": batch})
        done += len(rows)
    return count / (time.perf_counter() - began)
