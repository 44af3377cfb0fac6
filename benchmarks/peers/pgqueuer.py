"""PgQueuer on PostgreSQL: asyncpg and uvloop, 500 jobs fetched, and ended, at a time."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import asyncpg
import psycopg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.peers.frame import URL, main, stamp

BATCH = 500
MANY = 1_000


def connected(action: Callable[[Queries], Awaitable[None]]) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(URL)
        await action(Queries(AsyncpgDriver(connection)))
        await connection.close()

    asyncio.run(run())


class Peer:
    def prepare(self) -> None:
        with psycopg.connect(URL, autocommit=True) as connection:
            found = connection.execute("SELECT to_regclass('pgqueuer')").fetchone()
            if found and found[0]:
                connection.execute("TRUNCATE pgqueuer, pgqueuer_log, pgqueuer_statistics")
                return
        connected(lambda queries: queries.install())

    def fill(self, count: int) -> None:
        async def action(queries: Queries) -> None:
            await queries.enqueue("stamp", b"0", 0)
            for start in range(0, count, MANY):
                some = min(MANY, count - start)
                await queries.enqueue(["noop"] * some, [None] * some, [0] * some)

        connected(action)

    def singles(self, count: int) -> None:
        async def action(queries: Queries) -> None:
            for _ in range(count):
                await queries.enqueue("noop", None)

        connected(action)

    def send_stamps(self, pauses: Sequence[float]) -> None:
        async def action(queries: Queries) -> None:
            for pause in pauses:
                await asyncio.sleep(pause)
                await queries.enqueue("stamp", str(time.time()).encode())

        connected(action)

    def work(self) -> None:
        logging.disable(logging.INFO)
        uvloop.run(self._work())

    async def _work(self) -> None:
        queue = PgQueuer(AsyncpgDriver(await asyncpg.connect(URL)))

        @queue.entrypoint("noop")
        async def noop(job: Job) -> None: ...

        @queue.entrypoint("stamp")
        async def stamped(job: Job) -> None:
            stamp(float(job.payload or b"0"))

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, queue.shutdown.set)
        await queue.run(batch_size=BATCH, dequeue_timeout=timedelta(seconds=1))

    def left(self) -> bool:
        with psycopg.connect(URL) as connection:
            sql = "SELECT 1 FROM pgqueuer WHERE status IN ('queued', 'picked') LIMIT 1"
            return connection.execute(sql).fetchone() is not None


if __name__ == "__main__":
    main(Peer())
