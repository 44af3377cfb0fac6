"""One look at the database for all who wait for jobs, instead of one each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from rota.errors import DatabaseError
from rota.store.watch import Seen

Look = Callable[[Sequence[str], frozenset[str]], Awaitable[dict[str, Seen]]]
Ready = Callable[[Seen | None], bool]

SHORTEST_S = 0.05
LONGEST_S = 0.25


class _Watcher:
    __slots__ = ("answer", "job_id", "ready", "with_log")

    def __init__(self, job_id: str, ready: Ready, *, with_log: bool) -> None:
        self.job_id = job_id
        self.ready = ready
        self.with_log = with_log
        self.answer: asyncio.Future[Seen | None] = asyncio.get_running_loop().create_future()


class JobWatch:
    """Asks for the state of all watched jobs at once, each 50 ms, less often while nothing happens.

    It runs only while somebody waits, and holds no thread for them.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._watchers: set[_Watcher] = set()
        self._joined = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def wait(self, job_id: str, ready: Ready, timeout_s: float, *, with_log: bool = False) -> Seen | None:
        """Return the state of a job once it is ``ready``, None when there is no such job.

        ``ready`` is asked with None for an unknown job.  Raises TimeoutError, also when the service stops.
        """
        if self._stopped:
            raise TimeoutError
        watcher = _Watcher(job_id, ready, with_log=with_log)
        self._watchers.add(watcher)
        self._joined.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._turn())
        try:
            return await asyncio.wait_for(watcher.answer, timeout_s)
        finally:
            self._watchers.discard(watcher)

    def stop(self) -> None:
        """Let all who wait go, with a TimeoutError."""
        self._stopped = True
        for watcher in self._watchers:
            if not watcher.answer.done():
                watcher.answer.set_exception(TimeoutError())

    async def _turn(self) -> None:
        pause = SHORTEST_S
        loop = asyncio.get_running_loop()
        while self._watchers:
            self._joined.clear()
            started = loop.time()
            settled = await self._look_once()
            took = loop.time() - started
            pause = SHORTEST_S if settled else min(LONGEST_S, pause * 1.5)
            await self._sleep(max(pause, 2 * took), max(SHORTEST_S, 2 * took))

    async def _look_once(self) -> bool:
        watchers = [watcher for watcher in self._watchers if not watcher.answer.done()]
        ids = sorted({watcher.job_id for watcher in watchers})
        with_log = frozenset(watcher.job_id for watcher in watchers if watcher.with_log)
        try:
            seen = await self._look(ids, with_log)
        except DatabaseError:
            return False  # they wait on, until their time is over
        settled = False
        for watcher in watchers:
            state = seen.get(watcher.job_id)
            if not watcher.answer.done() and watcher.ready(state):
                watcher.answer.set_result(state)
                settled = True
        return settled

    async def _sleep(self, pause_s: float, least_s: float) -> None:
        """Sleep; somebody who comes meanwhile is looked at after the least pause."""
        await asyncio.sleep(least_s)
        if pause_s > least_s and not self._joined.is_set():
            try:
                await asyncio.wait_for(self._joined.wait(), pause_s - least_s)
            except TimeoutError:
                return
