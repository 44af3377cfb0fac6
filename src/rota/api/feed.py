"""What happens, told to all who listen: one look at the database for them all, and one short memory."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from rota import logs
from rota.api.job_view import listed
from rota.api.numbers import numbers
from rota.api.tracker import Changed, Tracker
from rota.api.wellbeing import Wellbeing
from rota.errors import DatabaseError
from rota.store import news
from rota.store.database import Tx
from rota.store.news import News

T = TypeVar("T")
Read = Callable[[Callable[[Tx], T]], Awaitable[T]]

BUSY_S = 0.25
IDLE_S = 1.0
LOOK_BACK_US = 5_000_000
"""What is committed so much later than it says is told of still."""
GOES_ON_S = 60.0
"""After a longer time without listeners the feed begins anew: nobody can resume from before."""
STATS_S = 1.0
STATS_AT_LEAST_S = 5.0
RESYNC_S = 2.0
"""Where more happens than can be told, listeners are asked to look for themselves no more often than this."""
KEEP_ALIVE_S = 15.0
AT_ONCE_S = 0.3
"""A page is shown without its place in the feed rather than late."""
LONGEST_S = 3600.0
"""A stream ends after this, so that its client must show again who it is."""
RECONNECT_MS = 1000
MOST_EVENTS = 2000
MOST_BYTES = 4 << 20
"""Of what is remembered for those who resume, or read slowly."""
MOST_AT_ONCE = 100
KINDS = ("job", "schedule", "queue", "worker", "monitor", "stats")
_ALWAYS = "resync"


class _Event(msgspec.Struct, frozen=True):
    number: int
    kind: str
    text: bytes


class Feed:
    """Looks while somebody listens.  Each listener has a place in the memory, not a queue of its own.

    Whoever reads too slowly, or comes back too late, loses its place: it is told to ask everything anew.
    """

    def __init__(self, read: Read[Any], checkup: Callable[[], Awaitable[Wellbeing]]) -> None:
        self._read = read
        self._checkup = checkup
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._changed = asyncio.Event()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._epoch = os.urandom(4).hex()
        self._number = 0
        self._events: deque[_Event] = deque()
        self._bytes = 0
        self._tracker = Tracker()
        self._looked = 0.0
        self._resync_due: float | None = None
        self._resynced = 0.0
        self._stats: dict[str, Any] = {}
        self._stats_at = self._stats_next = 0.0
        self._stats_wanted = True

    # -- listeners ----------------------------------------------------------------------------------------------------

    async def ready(self) -> int:
        """Return the place from which a new listener misses nothing; raises DatabaseError."""
        if not self.looking:
            if asyncio.get_running_loop().time() - self._looked > GOES_ON_S:
                self._begin_anew()
            await self._look()
        return self._number

    async def here(self) -> str | None:
        """Return the id to go on from for who now asks for everything; None where that cannot be said at once."""
        try:
            async with asyncio.timeout(AT_ONCE_S):
                return self._id(await self.ready()).decode()
        except (DatabaseError, TimeoutError):
            return None

    def place(self, last_id: str | None, otherwise: int) -> int | None:
        """Return the place of who has received the event ``last_id``, None where it cannot go on from there."""
        if not last_id:
            return otherwise
        epoch, _, number = last_id.partition("-")
        if epoch != self._epoch or not (number.isascii() and number.isdigit() and len(number) < 16):
            return None
        return int(number) if self._first() - 1 <= int(number) <= self._number else None

    async def follow(self, kinds: frozenset[str], place: int | None) -> AsyncGenerator[bytes]:
        """Yield events of these kinds from a place on, None for one that was lost, until the service stops."""
        self._listeners += 1
        try:
            self._run()
            end = asyncio.get_running_loop().time() + LONGEST_S
            yield b"retry: %d\nid: %s\n\n" % (RECONNECT_MS, self._id(self._number if place is None else place))
            while not self._stopped and asyncio.get_running_loop().time() < end:
                if place is None or place < self._first() - 1:
                    place = self._number
                    yield self._text(place, _ALWAYS, b"{}")
                elif place < self._number:
                    place, text = self._next(kinds, place)
                    if text:
                        yield text
                elif not await self._news():
                    yield b": nothing new\nid: %s\n\n" % self._id(place)
        finally:
            self._listeners -= 1

    def stop(self) -> None:
        """End all streams, and the looks."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
        self._wake()

    def _next(self, kinds: frozenset[str], place: int) -> tuple[int, bytes]:
        """Return the next place and what is to be sent before it."""
        start = place + 1 - self._first()
        last = min(start + MOST_AT_ONCE, len(self._events))
        events = [self._events[index] for index in range(start, last)]
        wanted = [event.text for event in events if event.kind in kinds or event.kind == _ALWAYS]
        return events[-1].number, b"".join(wanted)

    async def _news(self) -> bool:
        try:
            async with asyncio.timeout(KEEP_ALIVE_S):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    # -- the memory ---------------------------------------------------------------------------------------------------

    def _first(self) -> int:
        """Return the number of the first event that is remembered, or of the next one."""
        return self._number + 1 - len(self._events)

    def _id(self, number: int) -> bytes:
        return f"{self._epoch}-{number}".encode()

    def _text(self, number: int, kind: str, data: bytes) -> bytes:
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (self._id(number), kind.encode(), data)

    def _tell(self, kind: str, data: Any, name: str | None = None) -> None:
        """Remember an event of a kind; ``name`` is what it is called, where that is something else."""
        self._number += 1
        text = self._text(self._number, name or kind, msgspec.json.encode(data))
        self._events.append(_Event(self._number, kind, text))
        self._bytes += len(text)
        while len(self._events) > MOST_EVENTS or self._bytes > MOST_BYTES:
            self._bytes -= len(self._events.popleft().text)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # -- looking ------------------------------------------------------------------------------------------------------

    @property
    def looking(self) -> bool:
        """Tell whether it looks at the database again and again."""
        return self._task is not None and not self._task.done()

    def _run(self) -> None:
        if not self.looking and not self._stopped:
            self._task = asyncio.create_task(self._turn())

    async def _turn(self) -> None:
        pause, loop = BUSY_S, asyncio.get_running_loop()
        while self._listeners and not self._stopped:
            started, number = loop.time(), self._number
            try:
                pause = BUSY_S if await self._look() else min(IDLE_S, pause * 1.5)
                await self._look_at_numbers()
            except DatabaseError:
                pause = IDLE_S
            except Exception as error:  # noqa: BLE001 - without it nobody would hear of anything any more
                logs.event_limited(
                    "loop/failed/events", "loop/failed", f"events: {error}", level="error", loop="events",
                    error=str(error), exc_info=error,
                )  # fmt: skip
                self._resync_due, pause = self._resynced + RESYNC_S, IDLE_S
            if self._number != number:
                self._wake()
            await asyncio.sleep(max(pause, 2 * (loop.time() - started)))

    async def _look(self) -> bool:
        """Look once and remember what has changed; tell whether much may be going on."""
        tracker, loop = self._tracker, asyncio.get_running_loop()
        found = await self._read(lambda tx: _look(tx, tracker))
        self._looked = loop.time()
        changed = tracker.see(found)
        try:
            await self._tell_changed(changed)
        except BaseException:  # from now on they count as told, also where a page waits no longer for this look
            self._resync_due = self._resynced + RESYNC_S
            raise
        self._stats_wanted |= changed.busy() or bool(changed.workers)
        return changed.busy() and not changed.too_much

    async def _tell_changed(self, changed: Changed) -> None:
        if changed.too_much:
            self._resync_due = self._resynced + RESYNC_S
        if changed.jobs:
            await self._tell_jobs(changed.jobs)
        for kind, field, names in _named(changed):
            for name in names:
                self._tell(kind, {field: name})
        if self._resync_due is not None and self._looked >= self._resync_due:
            self._tell(_ALWAYS, {})
            self._resynced, self._resync_due = self._looked, None

    async def _tell_jobs(self, ids: list[str]) -> None:
        for shown in await self._read(lambda tx: _shown(tx, ids)):
            gone = len(shown) == 1
            self._tell("job", {"kind": "job", **shown} if gone else shown, "gone" if gone else None)

    async def _look_at_numbers(self) -> None:
        """Tell the numbers where they have changed: once a second at most, the watermark at least each 5 s."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now < self._stats_next or not (self._stats_wanted or now - self._stats_at >= STATS_AT_LEAST_S):
            return
        self._stats_wanted = False
        found = {**await self._read(numbers), "status": "healthy"}
        health = await self._checkup()
        if health.problems:
            found["status"] = "unhealthy"
        self._stats_next = loop.time() + max(STATS_S, 10 * (loop.time() - now))
        before = {**self._stats, "accountedTo": found["accountedTo"]}
        if found != before or now - self._stats_at >= STATS_AT_LEAST_S:
            self._stats, self._stats_at = found, now
            self._tell("stats", found)


def _look(tx: Tx, tracker: Tracker) -> News:
    since = tx.now() if tracker.since is None else tracker.since
    return news.look(tx, since - LOOK_BACK_US, tracker.known())


def _shown(tx: Tx, ids: list[str]) -> list[dict[str, Any]]:
    """Return those jobs as lists show them; of one that is not there any more only the id.

    ``partial`` says that long documents were left out: who needs them asks for the job.
    """
    found = news.shown(tx, ids)
    shown = listed(tx, [job for job, _ in found])
    for one, (_, partial) in zip(shown, found, strict=True):
        if partial:
            one["partial"] = True
    there = {job.id for job, _ in found}
    return [*shown, *({"id": job_id} for job_id in ids if job_id not in there)]


def _named(changed: Changed) -> tuple[tuple[str, str, list[str]], ...]:
    return (
        ("schedule", "id", changed.schedules),
        ("queue", "name", changed.queues),
        ("worker", "id", changed.workers),
        ("monitor", "id", changed.monitors),
    )
