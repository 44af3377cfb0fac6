"""Group commits: whatever waits to be written is committed together, and each caller gets its own answer.

One flush to the disk then serves many callers: 32 connections that each commit alone reach a quarter of what they
reach together.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from rota.errors import DatabaseBusy, DatabaseDeadlock, DatabaseError, DatabaseUnavailable
from rota.store.database import Database, Tx

T = TypeVar("T")

MOST_TOGETHER = 500
MOST_WAITING = 10_000
_TRANSIENT = (DatabaseUnavailable, DatabaseBusy)


Together = Callable[[Tx, Sequence[Any]], Sequence[Any]]
"""Does the same for several items at once; returns for each its result, or the exception that is its answer."""


class _Waiting:
    """A closure that waits to be committed, and where its answer goes."""

    __slots__ = ("answer", "error", "item", "loop", "result", "together", "work")

    def __init__(
        self,
        work: Callable[[Tx], Any],
        answer: Future[Any] | asyncio.Future[Any],
        loop: asyncio.AbstractEventLoop | None = None,
        together: Together | None = None,
        item: Any = None,
    ) -> None:
        self.work = work
        self.answer = answer
        self.loop = loop
        self.together = together
        self.item = item
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.answer.done():
            return
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.result)


class GroupWriter:
    """A thread that commits everything that waits in one transaction, each closure in a savepoint of its own.

    A closure may run more than once (a connection lost, a group broken by another), as with ``Database.run``: it must
    be idempotent, and must not change anything but the database.
    """

    def __init__(self, db: Database, *, most_together: int = MOST_TOGETHER, most_waiting: int = MOST_WAITING) -> None:
        self._db = db
        self._most_together = most_together
        self._most_waiting = most_waiting
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        """Have ``work`` committed; the future gives what it returned once that is durable, or what it raised."""
        answer: Future[T] = Future()
        self._add(_Waiting(work, answer))
        return answer

    async def run(self, work: Callable[[Tx], T]) -> T:
        """Do as ``submit`` and wait for the answer.  Cancelled before its turn, ``work`` does not run at all."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._add(_Waiting(work, answer, loop))
        return await answer

    async def run_together(self, together: Together, item: Any) -> Any:
        """Have ``together`` called once for all the items that wait for it; return, or raise, its answer for ``item``.

        One statement can then serve many callers, where ``run`` gives each its own.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._add(_Waiting(lambda tx: _only(together(tx, [item])), answer, loop, together, item))
        return await answer

    def close(self, timeout_s: float = 10.0) -> None:
        """Commit what waits, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _add(self, waiting: _Waiting) -> None:
        with self._changed:
            if self._closing:
                raise DatabaseUnavailable("the service is stopping")
            if len(self._queue) >= self._most_waiting:
                raise DatabaseBusy(f"{self._most_waiting} writes wait already", hint="try again later")
            self._queue.append(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="rota-writer", daemon=True)
                self._thread.start()
            elif len(self._queue) == 1:
                self._changed.notify()

    def _loop(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closing:
                    self._changed.wait()
                if not self._queue:
                    return
                count = min(len(self._queue), self._most_together)
                group = [self._queue.popleft() for _ in range(count)]
            self._serve([waiting for waiting in group if not waiting.answer.cancelled()])

    def _serve(self, group: Sequence[_Waiting]) -> None:
        if len(group) == 1:
            self._each_alone(group)
        elif group:
            self._commit_together(group)
        _settle(group)

    def _commit_together(self, group: Sequence[_Waiting]) -> None:
        def work(tx: Tx) -> None:
            try:
                _attempt_all(tx, group)
            except DatabaseDeadlock as error:
                # The next try would lock the same rows in the same order; one by one they get through.
                raise _GroupBroken from error

        try:
            self._db.run(work)
        except _TRANSIENT as error:
            _fail(group, error)
        except Exception:  # noqa: BLE001 - one of them broke the transaction: let each meet its own error
            self._each_alone(group)

    def _each_alone(self, group: Sequence[_Waiting]) -> None:
        for place, waiting in enumerate(group):
            waiting.error = None
            try:
                waiting.result = self._db.run(waiting.work)
            except DatabaseDeadlock as error:
                waiting.error = error
            except _TRANSIENT as error:
                _fail(group[place:], error)
                return
            except Exception as error:  # noqa: BLE001 - it is the answer
                waiting.error = error


class _GroupBroken(Exception):
    """The group cannot be committed together."""


def _attempt_all(tx: Tx, group: Sequence[_Waiting]) -> None:
    for together, members in _by_together(group).items():
        if together is None or len(members) == 1 or not _attempt_together(tx, together, members):
            for waiting in members:
                _attempt(tx, waiting)


def _attempt(tx: Tx, waiting: _Waiting) -> None:
    """Run a closure; only trouble of the database itself leaves the savepoint and ends the group."""
    waiting.error = None
    try:
        with tx.savepoint():
            waiting.result = waiting.work(tx)
    except DatabaseError:
        # SQLite may have rolled the whole transaction back (disk full), so going on would lose the others.
        raise
    except Exception as error:  # noqa: BLE001 - it is the answer
        waiting.error = error


def _attempt_together(tx: Tx, together: Together, members: Sequence[_Waiting]) -> bool:
    """Serve several at once; False when that failed, so that each must be tried for itself."""
    try:
        with tx.savepoint():
            answers = together(tx, [waiting.item for waiting in members])
    except _TRANSIENT:
        raise
    except Exception:  # noqa: BLE001 - whose error it is shows when each is tried
        return False
    for waiting, found in zip(members, answers, strict=True):
        waiting.error = found if isinstance(found, BaseException) else None
        waiting.result = found
    return True


def _by_together(group: Sequence[_Waiting]) -> dict[Together | None, list[_Waiting]]:
    found: dict[Together | None, list[_Waiting]] = {}
    for waiting in group:
        found.setdefault(waiting.together, []).append(waiting)
    return found


def _only(answers: Sequence[Any]) -> Any:
    (answer,) = answers
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _fail(group: Sequence[_Waiting], error: BaseException) -> None:
    for waiting in group:
        waiting.error = error


def _settle(group: Sequence[_Waiting]) -> None:
    """Give the answers, with one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
    for waiting in group:
        if waiting.loop is None:
            waiting.settle()
        else:
            by_loop.setdefault(waiting.loop, []).append(waiting)
    for loop, answered in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(_settle_here, answered)


def _settle_here(answered: Sequence[_Waiting]) -> None:
    for waiting in answered:
        waiting.settle()
