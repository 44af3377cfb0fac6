"""Goes on with operations that their requests have left: any number of schedulers, each with one at a time."""

from __future__ import annotations

import time

from rota.actions import operations as actions
from rota.engine.loop import Loop
from rota.engine.outage import PASSING
from rota.model import Operation
from rota.store import operations
from rota.store.database import Database
from rota.store.pulse import Pulse

POLL_S = 1.0
TURN_S = 2.0
"""So long one turn works; then whoever is free goes on."""


class OperationsLoop(Loop):
    """Works on operations that nobody works on."""

    name = "operations"

    def __init__(self, db: Database, *, poll_s: float = POLL_S) -> None:
        """``poll_s`` is the pause between two looks; longer where ``see`` is called each second."""
        super().__init__()
        self._db = db
        self._poll_s = poll_s

    def see(self, pulse: Pulse) -> None:
        """Learn from another loop's look whether an operation was left."""
        if pulse.operation:
            self.wake()

    def run_once(self) -> float:
        """Work on one operation for a while; return how long until the next look (s)."""
        operation = self._db.run(operations.claim)
        if operation is None:
            return self._poll_s
        try:
            self._work(operation)
        except PASSING:
            raise
        except Exception as error:  # what cannot be done now cannot be done later either
            reason = f"{type(error).__name__}: {error}"
            self._db.run(lambda tx: actions.fail(tx, operation, reason))
            raise
        return 0.0

    def _work(self, operation: Operation) -> None:
        """Do parts of an operation until it has ended or the time of this turn is over."""
        give_up = time.monotonic() + TURN_S
        course = actions.course(operation)
        answer: object = None
        while True:
            try:
                part = course.send(answer)
            except StopIteration:
                return
            answer = self._db.run(part.work) if isinstance(part, actions.Change) else self._db.read(part.work)
            if isinstance(answer, Operation) and (self.stopping or time.monotonic() >= give_up):
                self._db.run(lambda tx: operations.leave(tx, operation.id))
                return
