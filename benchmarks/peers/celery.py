"""Celery on Redis: two processes, acknowledged early, many prefetched; results are ignored."""

from __future__ import annotations

from collections.abc import Sequence

import celery
import redis

from benchmarks.peers.frame import URL, main, send_after, stamp

app = celery.Celery("bench", broker=URL)
app.conf.update(
    task_ignore_result=True, worker_prefetch_multiplier=100, worker_disable_rate_limits=True, task_acks_late=False,
    broker_connection_retry_on_startup=True, worker_hijack_root_logger=False,
)  # fmt: skip
OPTIONS = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")


@app.task(name="noop")
def noop() -> None: ...


@app.task(name="stamp")
def stamped(sent: float) -> None:
    stamp(sent)


class Peer:
    def prepare(self) -> None:
        redis.Redis.from_url(URL).flushdb()

    def fill(self, count: int) -> None:
        with app.producer_pool.acquire(block=True) as producer:
            stamped.apply_async((0.0,), producer=producer)
            for _ in range(count):
                noop.apply_async(producer=producer)

    def singles(self, count: int) -> None:
        for _ in range(count):
            noop.delay()

    def send_stamps(self, pauses: Sequence[float]) -> None:
        send_after(pauses, stamped.delay)

    def work(self) -> None:
        app.worker_main(["worker", "--pool", "prefork", "--concurrency", "2", *OPTIONS])

    def left(self) -> bool:
        connection = redis.Redis.from_url(URL)
        return bool(connection.llen("celery") or connection.hlen("unacked"))


if __name__ == "__main__":
    main(Peer())
