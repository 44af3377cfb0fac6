"""What the frequent statements cost on a table that is nearly all history.

``python -m benchmarks.large_table URL [ROWS]``, where URL names an empty database.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

from rota.settings import parse_database_url
from rota.store import claims, due, jobs, migrate, reads, results, retention
from rota.store import firing as firing_store
from rota.store.database import Database, Tx
from rota.store.opening import open_database
from rota.store.reads import JobFilter
from rota.store.results import Finished
from tests.store import builders, filling

ROUNDS = 9


class Undo(Exception):
    """Leaves the table as it was."""


def timed(db: Database, name: str, work: Callable[[Tx], object]) -> None:
    """Print the median of some runs, each rolled back."""
    times = []
    for _ in range(ROUNDS):
        try:
            with db.transaction() as tx:
                began = time.perf_counter()
                work(tx)
                times.append((time.perf_counter() - began) * 1000)
                raise Undo
        except Undo:
            pass
    print(f"  {name:32}{statistics.median(times):8.2f} ms")


def listing(**given: object) -> Callable[[Tx], object]:
    return lambda tx: reads.jobs(tx, JobFilter(**given), limit=50)  # type: ignore[arg-type]


def main(url: str, rows: int = 500_000) -> None:
    db = open_database(parse_database_url(url))
    migrate.migrate(db)
    worker = filling.fill(db, rows, "fresh")
    print(f"{db.dialect}, {rows} ended jobs, statistics from before anything ran:")
    held = db.read(lambda tx: results.held(tx, worker))
    ended = [Finished(id=job_id, attempt=attempt, status="completed", result="{}") for job_id, attempt in held]
    timed(db, "finish 500", lambda tx: results.finish(tx, worker, ended))
    timed(db, "due schedules (40)", lambda tx: firing_store.due(tx, 100))
    builders.execute(db, "UPDATE rota_jobs SET run_at = run_at + 9000000000000000 WHERE status = 'scheduled'")
    timed(db, "move, 300 due later", lambda tx: due.move(tx, 1000))
    timed(db, "list", listing())
    timed(db, "list, a rare type", listing(type="rare"))
    timed(db, "list, failed", listing(statuses=("failed",)))
    timed(db, "list, waiting", listing(statuses=("pending", "scheduled")))
    old = {"before": 1 << 60, "failed": False, "keep_last": 100, "limit": 500}
    timed(db, "500 old runs of schedules", lambda tx: retention.old_jobs(tx, runs=True, **old))
    timed(db, "500 old jobs of queues", lambda tx: retention.old_jobs(tx, runs=False, **old))
    builders.insert(db, *[builders.new_job(queue="queue1") for _ in range(200 * ROUNDS)])
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        assert len(claims.claim(db, claims.Request(worker, {"async": 200}))) == 200
        times.append((time.perf_counter() - began) * 1000)
    print(f"  {'claim 200':32}{statistics.median(times):8.2f} ms")
    assert db.read(lambda tx: len(jobs.states(tx, [held[0][0]]))) == 1
    db.close()


if __name__ == "__main__":
    main(sys.argv[1], *[int(argument) for argument in sys.argv[2:3]])
