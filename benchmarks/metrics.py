"""The numbers for Prometheus, among a million jobs.  PostgreSQL only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from benchmarks.api import serving
from benchmarks.api_waiters import Caller
from benchmarks.figure import Figure, Goals, percentile
from benchmarks.large_table import Size, store
from benchmarks.setting import QUEUE, Session
from rota.api.wellbeing import BELIEVED_FOR_S
from rota.store import measures, queues, totals
from rota.store.database import Database, Tx
from rota.store.rollups import BOUNDS
from rota.store.totals import Total

SIZE = Size(waiting=100_000, future=100_000, finished=800_000)
QUICK = Size(waiting=500, future=500, finished=29_000)
ASKED = 20


def run(session: Session) -> Iterator[Figure]:
    """Measure an answer that must be looked up, and the look itself."""
    with session.fresh() as bench:
        store(session, bench, QUICK if session.quick else SIZE)
        bench.db.run(full)
        looks = [timed_look(bench.db) for _ in range(session.some(ASKED))]
        with serving(bench) as port:
            asked = asyncio.run(answers(session, port))
        yield Figure(
            name="numbers for Prometheus among a million jobs, p95", database=bench.kind, value=percentile(asked, 0.95),
            unit="ms", raw=percentile(looks, 0.5), raw_name="the look at the database", goals=Goals(most=250.0),
        )  # fmt: skip


def full(tx: Tx) -> None:
    """As many names as have counters of their own, each with every bucket."""
    queues.change(tx, QUEUE, {})
    places = dict.fromkeys(range(len(BOUNDS)), 1_000_000)
    one = Total(1, 1, 1, 1, places, places, places)
    names = [(f"queue{number % 5}", f"type{number}") for number in range(totals.MOST_PAIRS)]
    totals.add(tx, {(*name, outcome): one for name in names for outcome in ("completed", "failed", "lost")})


def timed_look(db: Database) -> float:
    """Return how long it takes to read all (ms)."""
    began = time.perf_counter()
    db.read(measures.measure)
    return (time.perf_counter() - began) * 1e3


async def answers(session: Session, port: int) -> list[float]:
    """Return how long answers take that nobody has asked for within the last second (ms)."""
    found = []
    async with Caller.connected(port) as caller:
        for _ in range(session.some(ASKED)):
            await asyncio.sleep(BELIEVED_FOR_S)
            began = time.perf_counter()
            status, body = await caller.call("GET", "/metrics")
            found.append((time.perf_counter() - began) * 1e3)
            if status != 200 or b"rota_database_up 1" not in body:
                raise RuntimeError(f"refused: {status} {body[:200].decode()}")
    return found
