"""Ends the runs of which nobody but their target knows: in time, when it is silent, and when they are cancelled."""

from __future__ import annotations

from functools import partial

from rota.engine.answering import end_overdue
from rota.engine.loop import Loop
from rota.store.database import Database
from rota.store.pulse import Pulse

POLL_S = 1.0
BATCH = 500


class Awaiting(Loop):
    """Ends what targets that answer later leave behind; each is tried again as its retry policy says."""

    name = "awaiting"

    def __init__(self, db: Database, *, poll_s: float = POLL_S) -> None:
        """``poll_s`` is the pause between two looks; longer where ``see`` is called each second."""
        super().__init__()
        self._db = db
        self._poll_s = poll_s

    def see(self, pulse: Pulse) -> None:
        """Learn from another loop's look whether there is something to do."""
        if pulse.unanswered:
            self.wake()

    def run_once(self) -> float:
        """End what is over; return how long until the next look (s)."""
        ended = self._db.run(partial(end_overdue, limit=BATCH))
        return 0.0 if len(ended) >= BATCH else self._poll_s
