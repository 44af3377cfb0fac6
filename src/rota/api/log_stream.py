"""A job's log as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import msgspec

from rota.actions import present
from rota.api.service import Service
from rota.errors import DatabaseError
from rota.model import FINAL
from rota.store import logs
from rota.store.logs import Part
from rota.store.watch import Seen

KEEP_ALIVE_S = 15.0
PAGE_LINES = 1000
RECONNECT_MS = 1000
LONGEST_S = 3600.0
"""A stream ends after this, so that its client must show again who it is."""


class LogStream:
    """Sends the lines of one job to one client, from a line number on."""

    def __init__(self, service: Service, job_id: str, after: int) -> None:
        self._service = service
        self._job_id = job_id
        self._after = after

    async def events(self, seen: Seen | None) -> AsyncIterator[bytes]:
        """Yield events until the job has ended and all its lines are sent; ``seen`` is its state at first."""
        yield b"retry: %d\n\n" % RECONNECT_MS
        end = monotonic() + LONGEST_S
        while not self._service.stopping.is_set() and monotonic() < end:
            try:
                if seen is not None and seen.last_line > self._after:
                    yield await self._next_lines(seen)
                elif is_over(seen, self._after):
                    yield _event("end", {"status": seen.status if seen else None})
                    return
                else:
                    seen = await self._news()
            except TimeoutError:
                if not self._service.stopping.is_set():
                    yield b": nothing new\n\n"
            except DatabaseError:
                return  # the client comes back with the number of its last line

    async def _next_lines(self, seen: Seen) -> bytes:
        part = await read_lines(self._service, self._job_id, self._after)
        # Without any, what was seen has been deleted meanwhile.
        self._after = seen.last_line if part.complete and not part.lines else part.through
        return b"".join(_event("line", shown_line(line), line["n"]) for line in part.lines)

    async def _news(self) -> Seen | None:
        """Return the state of the job as soon as there is something to send; raises TimeoutError."""
        after = self._after

        def is_news(seen: Seen | None) -> bool:
            return is_over(seen, after) or (seen is not None and seen.last_line > after)

        return await self._service.watch.wait(self._job_id, is_news, KEEP_ALIVE_S, with_log=True)


def is_over(seen: Seen | None, after: int) -> bool:
    """Tell whether a job has ended, or is gone, and no line comes after ``after``."""
    return seen is None or (seen.status in FINAL and seen.last_line <= after)


async def read_lines(service: Service, job_id: str, after: int, attempt: int | None = None) -> Part:
    """Return the next lines of a log."""
    return await service.read(lambda tx: logs.read(tx, job_id, after=after, limit=PAGE_LINES, attempt=attempt))


def shown_line(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line in its outside form."""
    return {**line, "at": present.instant(line["at"])}


def _event(name: str, data: object, number: int | None = None) -> bytes:
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
