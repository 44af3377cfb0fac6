"""HTTP jobs, beside a bare client loop against the same target."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import aiohttp

from benchmarks import target
from benchmarks.drain import drain
from benchmarks.figure import Figure, Goals, interleaved, of_rounds
from benchmarks.setting import Session, fill, pause, worker
from rota.ids import new_id

JOBS = 3_000
AT_ONCE = 100
"""Of 20 to 500 calls at once the bare loop is quickest with about so many."""


def run(session: Session) -> Iterator[Figure]:
    """Measure a worker process that calls."""
    jobs = session.some(JOBS)
    with session.fresh() as bench, target.running() as address, worker(bench):
        pause(bench)
        document = json.dumps({"kind": "http", "url": address})

        def bare_loop() -> float:
            session.say("the bare loop")
            return asyncio.run(bare(address, jobs))

        def called() -> float:
            session.say("a worker")
            return drain(bench, jobs, lambda: fill(bench, jobs, type_name=None, lane="http", target=document))

        rounds = interleaved(session.rounds, bare_loop, called)
    yield of_rounds(
        rounds, name="HTTP jobs, one worker", database=bench.kind, unit="jobs/s",
        raw_name=f"aiohttp, {AT_ONCE} calls at once, against the same target", goals=Goals(ratio=0.5),
    )  # fmt: skip


async def bare(address: str, calls: int) -> float:
    """Call with nothing around it but the client; return calls a second."""
    left = iter(range(calls))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

        async def caller() -> None:
            for _ in left:
                body = json.dumps({"jobId": new_id(), "jobType": None, "queue": "bench", "attempt": 1, "args": {}})
                async with client.post(address, data=body, headers={"Content-Type": "application/json"}) as answer:
                    await answer.read()

        began = time.perf_counter()
        await asyncio.gather(*[caller() for _ in range(AT_ONCE)])
        return calls / (time.perf_counter() - began)
