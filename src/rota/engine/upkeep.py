"""Looks after queues: ends pauses in time, lets what they held go, ranks jobs anew where an ageing was changed."""

from __future__ import annotations

from functools import partial

from rota import logs
from rota.engine.loop import Loop
from rota.model import Pause
from rota.store import ageing, pauses, queues
from rota.store.database import Database
from rota.store.pulse import Pulse

POLL_S = 1.0
BATCH = 2000
MOST_PARTS = 50
"""Transactions of one turn for each thing, so that none keeps the others waiting."""


class Upkeep(Loop):
    """Does what the change of a queue or the end of a pause has left to do, in small transactions."""

    name = "upkeep"

    def __init__(self, db: Database, *, poll_s: float = POLL_S) -> None:
        """``poll_s`` is the pause between two looks; longer where ``see`` is called each second."""
        super().__init__()
        self._db = db
        self._poll_s = poll_s

    def see(self, pulse: Pulse) -> None:
        """Learn from another loop's look whether there is something to do."""
        if pulse.upkeep:
            self.wake()

    def run_once(self) -> float:
        """Do a part of all that there is to do; return how long until the next look (s)."""
        for name in self._db.run(queues.resume_in_time):
            logs.event("queue/resumed", "its pause is over", queue=name)
        more = False
        for pause in self._db.read(pauses.over):
            left = self._parts(partial(pauses.go_on, pause=pause, limit=BATCH))
            if not left:
                _tell(pause)
            more |= left
        for queue, _ in self._db.read(lambda tx: list(ageing.begun(tx))):
            more |= self._parts(partial(ageing.go_on, queue=queue))
        return 0.0 if more else self._poll_s

    def _parts(self, work: partial[bool]) -> bool:
        """Do transactions until there is nothing left or it is the turn of others; tell whether there is more."""
        return all(not self.stopping and self._db.run(work) for _ in range(MOST_PARTS))


def _tell(pause: Pause) -> None:
    if pause.kind == "type":
        logs.event("type/resumed", "its pause is over, and all that it held is let go", jobType=pause.name)
    else:
        logs.event("queue/resumed", "its pause is over", queue=pause.queue or None, key=pause.name)
