"""The pool of connections of a database, fair to those who wait (docs/decisions/0004-own-connection-pool.md)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rota.errors import DatabaseBusy, DatabaseReadOnly, DatabaseUnavailable


class Places:
    """So many places.  Who waits longest has the next one that falls free.

    A semaphore gives it to whoever asks at that moment, which is mostly the thread that has just let it go: among a
    hundred callers some waited for a minute, and were refused.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def take(self, timeout_s: float) -> bool:
        """Take a place; False when none fell free in time."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout_s):
            return True
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # it was given just now

    def give(self) -> None:
        """Give a place back."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class Pool:
    """Idle connections, last in first out; at most ``size`` in use.

    Our own because a lost server must fail at once and be reached again at once: psycopg_pool reconnects in the
    background with a growing pause, and callers wait out their time-out meanwhile.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        size: int,
        *,
        wait_s: float = 3.0,
        usable: Callable[[Any], bool] = lambda _connection: True,
    ) -> None:
        """``usable`` tells whether a connection that comes back is open and in no transaction."""
        self._connect = connect
        self._usable = usable
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        self._places = Places(size)
        self._wait_s = wait_s
        self._urgent = threading.local()
        self._generation = 0
        self.uses = 0
        self.used_s = 0.0

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Lend to this thread one beyond ``size`` within the block: who waits for a place may wait long among many."""
        self._urgent.is_set = True
        try:
            yield
        finally:
            self._urgent.is_set = False

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """Lend a connection; after a lost or read-only one, every connection is made anew."""
        waits = not getattr(self._urgent, "is_set", False)
        if waits and not self._places.take(self._wait_s):
            raise DatabaseBusy("every connection of the pool is in use", hint="too many callers at once")
        began = time.monotonic()
        try:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
                generation = self._generation
            if connection is None:
                connection = self._connect()
            try:
                yield connection
            except (DatabaseUnavailable, DatabaseReadOnly):
                # Its idle sisters most likely go the same way; and another server may have become the primary.
                connection.close()
                self.close()
                raise
            except BaseException:
                self._keep(connection, generation)
                raise
            self._keep(connection, generation)
        finally:
            with self._lock:
                self.uses, self.used_s = self.uses + 1, self.used_s + time.monotonic() - began
            if waits:
                self._places.give()

    def _keep(self, connection: Any, generation: int) -> None:
        if self._usable(connection):
            with self._lock:
                if generation == self._generation:
                    self._idle.append(connection)
                    return
        connection.close()

    def close(self) -> None:
        """Close the idle connections; those in use are closed when they come back."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._generation += 1
        for connection in idle:
            connection.close()
