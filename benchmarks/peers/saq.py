"""SAQ on Redis: an async worker with 50 jobs at once; results are not kept."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis
import uvloop
from saq import Job, Queue, Worker

from benchmarks.peers.frame import URL, main, stamp

AT_ONCE = 50
TOGETHER = 100


async def noop(_: Any) -> None: ...


async def stamped(_: Any, *, sent: float) -> None:
    stamp(sent)


def connected(action: Callable[[Queue], Awaitable[None]]) -> None:
    async def run() -> None:
        queue = Queue.from_url(URL)
        await queue.connect()
        await action(queue)
        await queue.disconnect()

    uvloop.run(run())


class Peer:
    def prepare(self) -> None:
        redis.Redis.from_url(URL).flushdb()

    def fill(self, count: int) -> None:
        async def action(queue: Queue) -> None:
            await queue.enqueue("stamped", sent=0.0)
            for start in range(0, count, TOGETHER):
                some = range(min(TOGETHER, count - start))
                await asyncio.gather(*[queue.enqueue(Job("noop", ttl=-1)) for _ in some])

        connected(action)

    def singles(self, count: int) -> None:
        async def action(queue: Queue) -> None:
            for _ in range(count):
                await queue.enqueue(Job("noop", ttl=-1))

        connected(action)

    def send_stamps(self, pauses: Sequence[float]) -> None:
        async def action(queue: Queue) -> None:
            for pause in pauses:
                await asyncio.sleep(pause)
                await queue.enqueue("stamped", sent=time.time())

        connected(action)

    def work(self) -> None:
        logging.disable(logging.INFO)

        async def run() -> None:
            queue = Queue.from_url(URL)
            await queue.connect()
            await Worker(queue, [noop, stamped], concurrency=AT_ONCE).start()

        uvloop.run(run())

    def left(self) -> bool:
        return bool(redis.Redis.from_url(URL).zcard("saq:default:incomplete"))


if __name__ == "__main__":
    main(Peer())
