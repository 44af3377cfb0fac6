"""Whether the system is well, asked at most once a second, however many want to know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from rota.actions import present
from rota.errors import DatabaseError, SchemaMismatch
from rota.insight.problems import LEAST_STANDSTILL_US, UNTAKEN_US
from rota.store import alerts, meta, vitals
from rota.store.database import Tx
from rota.store.vitals import Vitals

BELIEVED_FOR_S = 1.0
UNWATCHED_US = 60_000_000
"""Monitors look each 5 s, whichever process comes first."""

T = TypeVar("T")
Read = Callable[[Callable[[Tx], T]], Awaitable[T]]


class Wellbeing(msgspec.Struct, frozen=True):
    """How the system is; well when there are no problems."""

    problems: list[str]
    accounted_to: str | None = None
    lag_ms: int | None = None
    """How far the watermark was behind the database's clock."""
    scheduler_seen_at: str | None = None
    worker_seen_at: str | None = None


class Recent(Generic[T]):
    """Remembers the last look for a second; all who ask meanwhile share it."""

    def __init__(self, look: Callable[[], Awaitable[T]]) -> None:
        self._look = look
        self._task: asyncio.Future[T] | None = None
        self._until = 0.0

    async def get(self) -> T:
        """Return what was seen within the last second; raises what the look raised."""
        now = asyncio.get_running_loop().time()
        if self._task is None or (self._task.done() and now >= self._until):
            self._until = now + BELIEVED_FOR_S
            self._task = asyncio.ensure_future(self._look())
        return await asyncio.shield(self._task)


class Checkup(Recent[Wellbeing]):
    """How the system is."""

    def __init__(self, read: Read[tuple[Vitals, int | None]], stall_us: int) -> None:
        super().__init__(self._check)
        self._read = read
        self._stall_us = stall_us

    async def _check(self) -> Wellbeing:
        try:
            found, looked_at = await self._read(_look)
            return judge(found, self._stall_us, looked_at)
        except (DatabaseError, SchemaMismatch) as error:
            return Wellbeing([f"the database cannot be used: {error.message}"])


def _look(tx: Tx) -> tuple[Vitals, int | None]:
    looked_at = meta.get(tx, alerts.LOOKED_AT)
    return vitals.look(tx), int(looked_at) if looked_at else None


def judge(found: Vitals, stall_us: int, looked_at: int | None = None) -> Wellbeing:
    """Say what the signs of life mean; the watermark stands still when it is older than ``stall_us``.

    ``looked_at`` is when monitors looked last, µs UTC; None where they never did.
    """
    problems = []
    if found.scheduler_seen_at is None:
        problems.append("no scheduler lives")
    lag_us = None if found.accounted_to is None else max(0, found.now - found.accounted_to)
    if lag_us is None:
        problems.append("no due instant was ever accounted for")
    elif lag_us > max(stall_us, LEAST_STANDSTILL_US):
        stuck = f"; schedule {found.overdue} waits for the longest time" if found.overdue else ""
        problems.append(f"due instants are accounted for up to {lag_us // 1_000_000} s ago only{stuck}")
    problems += [
        f"{lane.lane} jobs wait in queue {lane.queue}, and {lane.without}"
        for lane in found.untaken
        if found.now - lane.since > UNTAKEN_US
    ]
    if looked_at is not None and found.now - looked_at > UNWATCHED_US:
        problems.append(f"monitors have not looked for {(found.now - looked_at) // 1_000_000} s: nobody would be told")
    return Wellbeing(
        problems,
        present.instant(found.accounted_to),
        None if lag_us is None else lag_us // 1000,
        present.instant(found.scheduler_seen_at),
        present.instant(found.worker_seen_at),
    )
