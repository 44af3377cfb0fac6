"""Dramatiq on Redis: one process for each core, with eight threads, as it starts by default."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.frame import URL, main, send_after, stamp

broker = RedisBroker(url=URL)
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="noop")
def noop() -> None: ...


@dramatiq.actor(actor_name="stamp")
def stamped(sent: float) -> None:
    stamp(sent)


class Peer:
    def prepare(self) -> None:
        redis.Redis.from_url(URL).flushdb()

    def fill(self, count: int) -> None:
        stamped.send(0.0)
        self.singles(count)

    def singles(self, count: int) -> None:
        for _ in range(count):
            noop.send()

    def send_stamps(self, pauses: Sequence[float]) -> None:
        send_after(pauses, stamped.send)

    def work(self) -> None:
        os.execv(sys.executable, [sys.executable, "-m", "dramatiq", "benchmarks.peers.dramatiq", "--processes", "2"])

    def left(self) -> bool:
        return bool(redis.Redis.from_url(URL).hlen("dramatiq:default.msgs"))


if __name__ == "__main__":
    main(Peer())
