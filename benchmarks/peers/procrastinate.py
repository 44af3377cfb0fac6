"""Procrastinate on PostgreSQL: an async worker with 30 jobs at once; it fetches and finishes each by a call of its own.

Finished jobs stay in the table, as by default.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import procrastinate
import psycopg

from benchmarks.peers.frame import URL, main, stamp

AT_ONCE = 30
MANY = 1_000

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL, min_size=4, max_size=20))


@app.task(name="noop")
async def noop() -> None: ...


@app.task(name="stamp")
async def stamped(sent: float) -> None:
    stamp(sent)


def opened(action: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with app.open_async():
            await action()

    asyncio.run(run())


class Peer:
    def prepare(self) -> None:
        async def action() -> None:
            if not await app.check_connection_async():
                await app.schema_manager.apply_schema_async()

        opened(action)
        with psycopg.connect(URL, autocommit=True) as connection:
            connection.execute("TRUNCATE procrastinate_jobs CASCADE")

    def fill(self, count: int) -> None:
        async def action() -> None:
            await stamped.defer_async(sent=0.0)
            for start in range(0, count, MANY):
                await noop.batch_defer_async(*[{}] * min(MANY, count - start))

        opened(action)

    def singles(self, count: int) -> None:
        async def action() -> None:
            for _ in range(count):
                await noop.defer_async()

        opened(action)

    def send_stamps(self, pauses: Sequence[float]) -> None:
        async def action() -> None:
            for pause in pauses:
                await asyncio.sleep(pause)
                await stamped.defer_async(sent=time.time())

        opened(action)

    def work(self) -> None:
        logging.disable(logging.INFO)
        opened(lambda: app.run_worker_async(concurrency=AT_ONCE, fetch_job_polling_interval=0.5))

    def left(self) -> bool:
        sql = "SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing') LIMIT 1"
        with psycopg.connect(URL) as connection:
            return connection.execute(sql).fetchone() is not None


if __name__ == "__main__":
    main(Peer())
