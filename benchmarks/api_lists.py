"""Lists of jobs and single jobs over REST, among a million.  PostgreSQL only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec

from benchmarks.api import serving
from benchmarks.api_waiters import Caller
from benchmarks.figure import Figure, Goals, percentile
from benchmarks.large_table import Size, store
from benchmarks.setting import Bench, Session

SIZE = Size(waiting=10_000, future=10_000, finished=980_000)
QUICK = Size(waiting=500, future=500, finished=29_000)
ASKED = 100
CALLS: dict[str, dict[str, str]] = {
    "all": {},
    "by status": {"status": "failed"},
    "by type": {"type": "noop"},
    "by a rare type": {"type": "rare"},
    "by queue": {"queue": "queue3"},
    "by schedule": {"schedule": "schedule40"},
    "by q": {"q": "noop"},
    "by q, not there": {"q": "nowhere"},
}


def run(session: Session) -> Iterator[Figure]:
    """Measure each call again and again."""
    with session.fresh() as bench:
        store(session, bench, QUICK if session.quick else SIZE)
        with serving(bench) as port:
            found = asyncio.run(measured(session, port))
    for name, times in found.items():
        yield figure(bench, name, times)


def figure(bench: Bench, name: str, times: list[float]) -> Figure:
    """Return the figure of one call."""
    return Figure(
        name=f"a million jobs over REST, {name}, p95", database=bench.kind, value=percentile(times, 0.95), unit="ms",
        raw=percentile(times, 0.5), raw_name="the median of the same", goals=Goals(most=50.0),
    )  # fmt: skip


async def measured(session: Session, port: int) -> dict[str, list[float]]:
    """Return how long the answers to each call took (ms)."""
    count = session.some(ASKED)
    async with Caller.connected(port) as caller:
        first = await asked(caller, "/api/jobs")
        paths = {f"list {name}": f"/api/jobs?{urlencode(query)}" for name, query in CALLS.items()}
        paths["the next page"] = f"/api/jobs?{urlencode({'cursor': first['nextCursor']})}"
        paths["a single job"] = f"/api/jobs/{first['jobs'][0]['id']}"
        found: dict[str, list[float]] = {}
        for name, path in paths.items():
            session.say(name)
            await asked(caller, path)
            found[name] = [await timed(caller, path) for _ in range(count)]
    return found


async def timed(caller: Caller, path: str) -> float:
    """Return how long one answer takes (ms)."""
    began = time.perf_counter()
    await asked(caller, path)
    return (time.perf_counter() - began) * 1e3


async def asked(caller: Caller, path: str) -> dict[str, Any]:
    """Return an answer that is good."""
    status, body = await caller.call("GET", path)
    if status != 200:
        raise RuntimeError(f"refused: {path}: {status} {body.decode()}")
    return msgspec.json.decode(body, type=dict[str, Any])
