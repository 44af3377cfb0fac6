"""A few threads that read, so that an event loop need not wait for the database itself.

Not a ``ThreadPoolExecutor``: the interpreter waits for the threads of one when it exits, also for one that hangs on a
frozen database.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from rota.errors import DatabaseUnavailable

T = TypeVar("T")

_Task = tuple[Callable[[], Any], "Future[Any]"]


class Readers:
    """At most ``size`` threads, started as they are needed."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have ``work`` run on one of the threads; one that is cancelled before its turn does not run."""
        answer: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise DatabaseUnavailable("the service is stopping")
            self._tasks.put((work, answer))
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._size:
                name = f"rota-read_{len(self._threads)}"
                thread = threading.Thread(target=self._loop, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
        return answer

    def close(self, timeout_s: float = 5.0) -> None:
        """End the threads; what still waits is cancelled."""
        give_up = time.monotonic() + timeout_s
        with self._lock:
            self._closed = True
            threads = list(self._threads)
        with contextlib.suppress(Empty):
            while (task := self._tasks.get_nowait()) is not None:
                task[1].cancel()
        for _ in threads:
            self._tasks.put(None)
        for thread in threads:
            thread.join(max(0.0, give_up - time.monotonic()))

    def _loop(self) -> None:
        while True:
            try:
                task = self._tasks.get_nowait()
            except Empty:
                self._idle.release()
                task = self._tasks.get()
            if task is None:
                return
            _run(*task)


def _run(work: Callable[[], Any], answer: Future[Any]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is the answer
        answer.set_exception(error)
    else:
        answer.set_result(result)
