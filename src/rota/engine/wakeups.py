"""Hints that there is work: ``LISTEN`` on PostgreSQL, datagrams on SQLite.  Polling is the truth; hints are speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rota import logs
from rota.engine.loop import Loop
from rota.errors import DatabaseError
from rota.store.database import Database, HintListener

WAIT_S = 1.0
AGAIN_S = 0.005
"""Hints that follow another within 2 ms are folded into it, so after each we look a second time."""


class Wakeups(Loop):
    """Receives hints and wakes the loops that wait for them."""

    name = "wakeups"

    def __init__(self, db: Database, wake: Mapping[str, Sequence[Callable[[], None]]]) -> None:
        super().__init__()
        self._db = db
        self._wake_by_topic = wake
        self._listener: HintListener | None = None

    def hears(self) -> bool:
        """Tell whether a server keeps hints for us: datagrams may get lost, and so do not count."""
        return self._listener is not None and self._db.dialect == "postgresql"

    def run_once(self) -> float:
        """Wait for hints once, and pass them on."""
        if self._listener is None:
            try:
                self._listener = self._db.listen()
            except (OSError, DatabaseError) as error:
                if self._db.url.pooled or isinstance(error, OSError):
                    logs.event_limited(
                        "hints",
                        "database/no-hints",
                        f"polling each second: {error}",
                        reason=str(error),
                    )
                    return 30.0
                raise
            self._pass_on(set(self._wake_by_topic))  # what was hinted at while nobody listened
        try:
            topics = self._db.topics(self._listener.wait(WAIT_S))
            if topics:
                self._pass_on(topics)
                self._pass_on(topics | self._db.topics(self._listener.wait(AGAIN_S)))
        except (OSError, DatabaseError):
            self._close()
            raise
        return 0.0

    def _pass_on(self, topics: set[str]) -> None:
        for topic in topics:
            for wake in self._wake_by_topic.get(topic, ()):
                wake()

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def ask_to_stop(self) -> None:
        super().ask_to_stop()
        listener = self._listener
        if listener is not None:
            listener.interrupt()

    def stop(self, timeout_s: float = 10.0) -> bool:
        ended = super().stop(timeout_s)
        self._close()
        return ended
