"""Monitors: looks what is wrong, and has it told.  Every process has one, and one at a time looks."""

from __future__ import annotations

import random

import msgspec

from rota import logs
from rota.durations import HOUR, SECOND
from rota.engine.alerting import Book, Outcome, Seen, decide
from rota.engine.loop import Loop
from rota.insight import conditions
from rota.insight.usual import Memory
from rota.settings import Settings
from rota.store import alerts, meta, notices, workers
from rota.store.alerts import Turn
from rota.store.database import Database, Tx

EVERY_US = 5 * SECOND
SPARE_S = (4.0, 8.0)
"""So much later than who looked last all others ask whether it has: or they would all come at once, for one turn.

It is longer than a turn: while one looks, the others need not ask.
"""
MOST_LOGGED = 50
RECENT_US = HOUR


class Monitors(Loop):
    """Looks each five seconds, whichever process comes first: a scheduler that is gone is told of by the others."""

    name = "monitors"

    def __init__(self, db: Database, settings: Settings) -> None:
        super().__init__()
        self._db = db
        self._stall_us = settings.stall_us
        self._memory = Memory()
        self._looked = False
        """Whether the last turn was ours: then the next one most likely is."""

    def run_once(self) -> float:
        """Look, if it is time and nobody else does; return how long until the next look (s)."""
        if not self._looked:
            wait_us = self._db.read(lambda tx: alerts.wait_us(tx, EVERY_US))
            if wait_us > 0:
                return wait_us / 1e6 + random.uniform(*SPARE_S)
        self._looked = False
        turn, seen = self._db.run(self._look)
        if turn is None or seen is None:
            return 0.0
        self._decide(turn, seen)
        self._looked = True
        return EVERY_US / 1e6

    def _look(self, tx: Tx) -> tuple[Turn | None, Seen | None]:
        """Take the turn and look, in one transaction."""
        turn = alerts.take_turn(tx, EVERY_US)
        return turn, None if turn is None else self._read(tx, turn)

    def _decide(self, turn: Turn, seen: Seen) -> None:
        found = decide(seen, turn.previous)
        if found.book == seen.book and not (found.added or found.changed or found.notices):
            return
        if self._db.run(lambda tx: store(tx, turn, found)):
            tell(found)

    def _read(self, tx: Tx, turn: Turn) -> Seen:
        view = conditions.look(tx, self._stall_us, since=turn.previous, memory=self._memory)
        found = {one.monitor for one in view.conditions}
        asked = {one.monitor for one in view.conditions if one.passed} | (view.alerts.keys() - found)
        return Seen(
            view=view,
            ended=alerts.ended(tx),
            book=_book(meta.get(tx, alerts.MEMORY)),
            history=alerts.history(tx, sorted(asked), view.now - RECENT_US),
            living=_at_work(tx) if any(one.kind == "lost" for one in view.conditions) else frozenset(),
        )


def store(tx: Tx, turn: Turn, found: Outcome) -> bool:
    """Store what was decided, and what is to be told with it; False where another process has looked since."""
    if not alerts.keep_turn(tx, turn):
        return False
    alerts.add(tx, found.added)
    alerts.change(tx, found.changed)
    meta.put(tx, alerts.MEMORY, msgspec.json.encode(found.book).decode())
    for notice in found.notices:
        notices.add(tx, notice)
    return True


def tell(found: Outcome) -> None:
    """Log what is new."""
    for alert in found.added[:MOST_LOGGED]:
        logs.event(
            "monitor/opened", alert.text, level="warning", monitor=alert.monitor_id, severity=alert.severity,
            jobId=alert.job_id, heldBy=alert.held_by,
        )  # fmt: skip
    for alert in found.again[:MOST_LOGGED]:
        logs.event(
            "monitor/repeated", alert.text, level="warning", monitor=alert.monitor_id, severity=alert.severity,
            jobId=alert.job_id, tellings=alert.tellings,
        )  # fmt: skip
    for alert in found.closed[:MOST_LOGGED]:
        logs.event("monitor/closed", "it is over", monitor=alert.monitor_id, reason=alert.closing)


def _at_work(tx: Tx) -> frozenset[str]:
    return frozenset(one.role for one in workers.living(tx) if one.state == "running")


def _book(text: str | None) -> Book:
    try:
        return msgspec.json.decode(text, type=Book) if text is not None else Book()
    except msgspec.MsgspecError:  # of another version: what it remembered is not worth an alert that is missing
        return Book()
