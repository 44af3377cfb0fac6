"""The loss of the database as a process tells it: once, however many of its loops meet it."""

from __future__ import annotations

import threading
import weakref

from rota import logs
from rota.errors import DatabaseBusy, DatabaseFull, DatabaseReadOnly, DatabaseUnavailable

PASSING = (DatabaseUnavailable, DatabaseBusy, DatabaseFull, DatabaseReadOnly)
"""Troubles that end by themselves, or by an operator: what failed for them is tried again as it is."""


class Outage:
    """Which loops have no database just now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._without: weakref.WeakSet[object] = weakref.WeakSet()

    def met(self, loop: object, name: str, error: Exception) -> None:
        """Note that a turn of a loop failed for want of the database."""
        with self._lock:
            self._without.add(loop)
        logs.event_limited(
            "database/lost", "database/lost", f"{name}: {error}", level="error", loop=name,
            error=f"{type(error).__name__}: {error}",
        )  # fmt: skip

    def over(self, loop: object) -> None:
        """Note that a loop works again; the last of them tells it."""
        with self._lock:
            if loop not in self._without:
                return
            self._without.discard(loop)
            left = len(self._without)
        if not left:
            logs.event("database/back", "the database is back")

    def forget(self, loop: object) -> None:
        """Note that a loop has ended."""
        with self._lock:
            self._without.discard(loop)


OUTAGE = Outage()
"""Of this process: it has one database, and one log."""
