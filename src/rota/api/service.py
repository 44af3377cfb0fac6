"""What every handler needs: the database without blocking the event loop, and those who wait for jobs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from rota.actions import present
from rota.api.boards import Boards
from rota.api.enqueuing import Enqueuing
from rota.api.feed import Feed
from rota.api.loop_lag import LoopLag
from rota.api.pinging import Pinging
from rota.api.users import Users
from rota.api.watch import JobWatch
from rota.api.wellbeing import Checkup, Recent
from rota.errors import DatabaseError, DatabaseUnavailable
from rota.insight.measured import system_text
from rota.model import Role
from rota.settings import Settings
from rota.store import meta, watch
from rota.store.database import Database, Tx
from rota.store.readers import Readers
from rota.store.watch import Seen
from rota.store.writer import GroupWriter, Together

T = TypeVar("T")

READERS = 6
ANSWER_WITHIN_S = 4.0
"""How long a request waits for the database: a client must hear of an outage within 5 s."""
WATERMARK_FOR_S = 1.0


class Service:
    """The database and the settings behind one API; its methods belong to one event loop."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db = db
        self.settings = settings
        self.writer = GroupWriter(db)
        self.enqueuing = Enqueuing(settings)
        self.pinging = Pinging(self)
        self.boards = Boards(self)
        self.watch = JobWatch(self._look)
        self.checkup = Checkup(self.read, settings.stall_us)
        self.feed = Feed(self.read, self.checkup.get)
        self.metrics = Recent(lambda: self.read(system_text))
        self.loop_lag = LoopLag()
        url = settings.user_service_url
        self.users = Users(url) if url is not None else None
        self.least_roles: dict[str, Role] = {}
        """By operation, as `rota.api.permissions` says."""
        self.schema_checked = False
        self.when_token_ends: list[Callable[[], None]] = []
        self.stopping = asyncio.Event()
        self._readers = Readers(READERS)
        self._alone = Readers(1)
        self._watermark: str | None = None
        self._watermark_until = 0.0
        self._watermark_task: asyncio.Task[None] | None = None

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run ``work`` on a database thread, outside of a transaction."""
        future = asyncio.wrap_future(self._readers.submit(lambda: self.db.read(work)))
        try:
            return await asyncio.wait_for(future, ANSWER_WITHIN_S)
        except TimeoutError:
            raise DatabaseUnavailable("the database does not answer in time", hint="try again later") from None

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Commit ``work`` together with whatever else waits; it may run more than once."""
        return await _in_time(self.writer.run(work))

    async def write_alone(self, work: Callable[[Tx], T]) -> T:
        """Commit ``work`` for itself, one after the other: what locks much would stand in the way of a whole group."""
        return await _in_time(asyncio.wrap_future(self._alone.submit(lambda: self.db.run(work))))

    async def write_together(self, together: Together, item: Any) -> Any:
        """Have ``together`` store ``item`` with all others that wait for the same."""
        return await _in_time(self.writer.run_together(together, item))

    async def think(self, work: Callable[[], T]) -> T:
        """Run what takes a while without the database, so that the event loop turns on."""
        return await asyncio.wrap_future(self._readers.submit(work))

    def later(self, work: Callable[[Tx], object]) -> None:
        """Have ``work`` committed with the next group; nobody waits for it, and a failure is nobody's."""
        with contextlib.suppress(DatabaseError):
            self.writer.submit(work)

    def refresh_watermark(self) -> asyncio.Task[None] | None:
        """Begin to read the watermark anew, unless what is known is less than a second old."""
        if asyncio.get_running_loop().time() < self._watermark_until:
            return None
        if self._watermark_task is None or self._watermark_task.done():
            self._watermark_task = asyncio.create_task(self._read_watermark())
        return self._watermark_task

    async def watermark(self, wait_s: float) -> str | None:
        """Return up to when every due instant is accounted for, as it was within the last second.

        None where nobody knows after ``wait_s`` seconds.
        """
        reading = self.refresh_watermark()
        if reading is not None:
            await asyncio.wait((reading,), timeout=wait_s)
            if not reading.done():
                return None
        return self._watermark

    def begin_stop(self) -> None:
        """End streams and waits, so that their connections can close."""
        self.stopping.set()
        self.watch.stop()
        self.feed.stop()

    def close(self) -> None:
        """Commit what waits and end the threads; the database itself stays open."""
        self.writer.close()
        self._readers.close()
        self._alone.close()

    async def _look(self, ids: Sequence[str], with_log: frozenset[str]) -> dict[str, Seen]:
        return await self.read(lambda tx: watch.look(tx, ids, with_log))

    async def _read_watermark(self) -> None:
        until = asyncio.get_running_loop().time() + WATERMARK_FOR_S
        try:
            self._watermark = present.instant(await self.read(meta.accounted_to))
        except DatabaseError:
            self._watermark = None
        self._watermark_until = until


async def _in_time(writing: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await writing
    except TimeoutError:
        raise DatabaseUnavailable(
            "the database does not answer in time",
            hint="whether it was done is not known; repeat it with an Idempotency-Key",
        ) from None
