"""How late the event loop of this process is."""

from __future__ import annotations

import asyncio

EVERY_S = 0.25
REMEMBERED_S = 15.0


class LoopLag:
    """Looks how late a timer comes, from the first time that somebody asks; belongs to one event loop."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._before = 0.0
        self._turned_at: float | None = None
        self._expected = 0.0

    def seconds(self) -> float:
        """Return the worst of the last 15 s at least, and of 30 s at most."""
        if self._turned_at is None:
            self._turned_at = asyncio.get_running_loop().time()
            self._wait()
        return round(max(self._worst, self._before), 6)

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._expected = loop.time() + EVERY_S
        loop.call_at(self._expected, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._turned_at is None or now - self._turned_at >= REMEMBERED_S:
            self._turned_at, self._before, self._worst = now, self._worst, 0.0
        self._worst = max(self._worst, now - self._expected)
        self._wait()
