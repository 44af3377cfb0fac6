"""RQ on Redis: a SimpleWorker, which does not fork for each job; results are not kept."""

from __future__ import annotations

from collections.abc import Sequence

import redis
from rq import Queue, SimpleWorker

from benchmarks.peers.frame import URL, main, send_after, stamp

MANY = 1_000


def noop() -> None: ...


class Peer:
    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(URL)
        self._queue = Queue("bench", connection=self._redis)

    def prepare(self) -> None:
        self._redis.flushdb()

    def fill(self, count: int) -> None:
        self._queue.enqueue("benchmarks.peers.frame.stamp", 0.0, result_ttl=0)
        data = Queue.prepare_data("benchmarks.peers.rq.noop", result_ttl=0)
        for start in range(0, count, MANY):
            with self._redis.pipeline() as pipe:
                self._queue.enqueue_many([data] * min(MANY, count - start), pipeline=pipe)
                pipe.execute()

    def singles(self, count: int) -> None:
        for _ in range(count):
            self._queue.enqueue("benchmarks.peers.rq.noop", result_ttl=0)

    def send_stamps(self, pauses: Sequence[float]) -> None:
        send_after(pauses, lambda sent: self._queue.enqueue(stamp, sent, result_ttl=0))

    def work(self) -> None:
        SimpleWorker([self._queue], connection=self._redis).work(logging_level="WARNING")

    def left(self) -> bool:
        return bool(self._queue.count or self._queue.started_job_registry.get_job_count(cleanup=False))


if __name__ == "__main__":
    main(Peer())
