"""Looks after the journal of a SQLite file: empties it when it has grown, and says who keeps it from being emptied."""

from __future__ import annotations

import os
import time

from rota import logs
from rota.engine.loop import Loop
from rota.store import journal, workers
from rota.store.database import Database
from rota.store.journal import Reader

LOOK_S = 2.0
MUCH = 64 * 1024 * 1024
TOO_MUCH = 256 * 1024 * 1024
TRIES = 40
PAUSE_S = 0.005
"""Between two tries: others write and read all the time, each for a moment."""


class JournalLoop(Loop):
    """Looks every few seconds.  It is for SQLite only."""

    name = "journal"

    def __init__(self, db: Database) -> None:
        super().__init__()
        self._db = db
        self._path = db.url.path or ""
        self._alarmed = False

    def run_once(self) -> float:
        """Look once; return how long until the next look (s)."""
        size = journal.size(self._path)
        if size > MUCH and not self._write_back() and size > TOO_MUCH:
            self._alarm(size, self._strangers(self._path))
        elif self._alarmed and size <= MUCH:
            self._alarmed = False
            logs.event("database/journal-small", "the journal was written back", bytes=size)
        return LOOK_S

    def _write_back(self) -> bool:
        for _ in range(TRIES):
            if self._db.read(journal.write_back):
                return True
            if self.stopping:
                break
            time.sleep(PAUSE_S)
        return False

    def _strangers(self, path: str) -> list[Reader]:
        """Return who reads; of our own processes, which read all the time and shortly, only where there is no other."""
        found = journal.readers(path)
        ours = {os.getpid(), *(one.pid for one in self._db.read(workers.living))}
        return [one for one in found if one.pid not in ours] or found

    def _alarm(self, size: int, found: list[Reader]) -> None:
        self._alarmed = True
        who = ", ".join(f"process {one.pid} ({one.command})" for one in found) or "a process"
        logs.event_limited(
            "journal-large", "database/journal-large",
            f"the journal of the SQLite file has {size >> 20} MiB and cannot be written back: {who} has not ended what "
            "it reads; end it, or its transaction", level="error", bytes=size, pids=[one.pid for one in found],
        )  # fmt: skip
