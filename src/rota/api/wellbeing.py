"""Whether the system is well, asked at most once a second, however many want to know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from rota.actions import present
from rota.errors import DatabaseError, SchemaMismatch
from rota.store import vitals
from rota.store.database import Tx
from rota.store.vitals import Vitals

STANDSTILL_US = 60_000_000
"""When the watermark is older than this, due instants are not looked after."""
UNTAKEN_US = 10_000_000
"""How long a job may wait without a worker that takes it before the system counts as unwell."""
BELIEVED_FOR_S = 1.0

Read = Callable[[Callable[[Tx], Vitals]], Awaitable[Vitals]]


class Wellbeing(msgspec.Struct, frozen=True):
    """How the system is; well when there are no problems."""

    problems: list[str]
    accounted_to: str | None = None
    scheduler_seen_at: str | None = None
    worker_seen_at: str | None = None


class Checkup:
    """Remembers the last look for a second."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._task: asyncio.Task[Wellbeing] | None = None
        self._until = 0.0

    async def get(self) -> Wellbeing:
        """Return how the system is."""
        now = asyncio.get_running_loop().time()
        if self._task is None or (self._task.done() and now >= self._until):
            self._until = now + BELIEVED_FOR_S
            self._task = asyncio.create_task(self._look())
        return await asyncio.shield(self._task)

    async def _look(self) -> Wellbeing:
        try:
            return judge(await self._read(vitals.look))
        except (DatabaseError, SchemaMismatch) as error:
            return Wellbeing([f"the database cannot be used: {error.message}"])


def judge(found: Vitals) -> Wellbeing:
    """Say what the signs of life mean."""
    problems = []
    if found.scheduler_seen_at is None:
        problems.append("no scheduler lives")
    if found.accounted_to is None:
        problems.append("no due instant was ever accounted for")
    elif found.now - found.accounted_to > STANDSTILL_US:
        behind = (found.now - found.accounted_to) // 1_000_000
        problems.append(f"due instants are accounted for up to {behind} s ago only")
    for lane in found.untaken:
        if found.now - lane.since > UNTAKEN_US:
            what = f" of type {lane.type}" if lane.type else ""
            problems.append(f"no live worker takes {lane.lane} jobs{what} of queue {lane.queue}, and some wait")
    return Wellbeing(
        problems,
        present.instant(found.accounted_to),
        present.instant(found.scheduler_seen_at),
        present.instant(found.worker_seen_at),
    )
