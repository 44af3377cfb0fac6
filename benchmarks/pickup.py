"""Pick-up: how long a job waits for an idle worker, by the database's clock, beside a raw insert and select."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator

from benchmarks import app
from benchmarks.figure import Figure, Goals, percentile
from benchmarks.raw import raw_like
from benchmarks.setting import Session, wait_for, worker
from rota import Rota

JOBS = 200
PAUSE_S = (0.010, 0.025)
"""Between two jobs, so that the worker is idle again."""
DONE = "SELECT count(*) FROM rota_jobs WHERE queue = 'bench' AND status = 'completed'"
WAITS = "SELECT started_at - created_at FROM rota_jobs WHERE queue = 'bench' ORDER BY id"
"""The first is that of the job that waited for the worker to start."""
GOALS_MS = {"postgresql": (2.5, 8.0), "sqlite": (5.0, None)}


def run(session: Session) -> Iterator[Figure]:
    """Measure single jobs, this process enqueueing and the worker beside; one raw round trip before each."""
    count = session.some(JOBS)
    round_trips: list[float] = []
    with session.fresh() as bench:
        rota = Rota(settings=bench.settings)
        noop = rota.job(queue="bench")(app.noop.function)
        # What the raw loop inserts has ended already, so that no worker takes it.
        with raw_like(bench, noop.enqueue().id, queue="raw", status="completed") as raw, worker(bench):
            wait_for(bench, DONE, 1, 20)
            session.say("single jobs on an idle worker")
            for _ in range(count):
                time.sleep(random.uniform(*PAUSE_S))
                began = time.perf_counter()
                raw.look(raw.insert())
                round_trips.append(time.perf_counter() - began)
                time.sleep(random.uniform(*PAUSE_S))
                noop.enqueue()
            wait_for(bench, DONE, count + 1, 20)
        rota.close()
        with bench.db.statement() as tx:
            waits = [row[0] for row in tx.rows(WAITS)][1:]
    most = GOALS_MS[session.database]
    raws = (statistics.median(round_trips), percentile(round_trips, 0.99))
    for share, raw_s, limit in ((0.5, raws[0], most[0]), (0.99, raws[1], most[1])):
        yield Figure(
            name=f"pick-up by an idle worker, p{share * 100:.0f}", database=bench.kind,
            value=percentile(waits, share) / 1e3, unit="ms", raw=raw_s * 1e3,
            raw_name="insert and select of one row on one connection", goals=Goals(most=limit),
        )  # fmt: skip
