"""A background loop: one turn is ``run_once``, apart from the loop around it, so that tests turn it by hand."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod

from rota import logs
from rota.errors import DatabaseError

BACKOFF_S = (0.1, 5.0)
"""First and longest pause after a failed turn."""


class Loop(ABC):
    """A thread that calls ``run_once`` again and again, woken early by hints; errors never end it."""

    name = "loop"

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self.turned = time.monotonic()
        """``time.monotonic()`` of the last turn that ended, well or not."""
        self.sleeps_until: float | None = None
        self.last_error: str | None = None

    @abstractmethod
    def run_once(self) -> float:
        """Do one turn; return for how many seconds there is nothing to do."""

    def describe(self) -> dict[str, object]:
        """Say what the loop does: for the page of workers."""
        return {
            "name": self.name,
            "state": "sleeping" if self.sleeps_until else "running",
            "sleepsUntil": int(self.sleeps_until * 1e6) if self.sleeps_until else None,
            "turnedMsAgo": int((time.monotonic() - self.turned) * 1000),
            "error": self.last_error,
        }

    def wake(self) -> None:
        """Begin the next turn now."""
        self._wake.set()

    @property
    def stopping(self) -> bool:
        """Tell whether the loop was asked to end."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name=f"rota-{self.name}", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """End after the present turn; tell whether it ended in time."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            pause = self._turn()
            self.turned = time.monotonic()
            if pause > 0 and not self._stopping.is_set():
                self.sleeps_until = time.time() + pause
                self._wake.wait(pause)
                self.sleeps_until = None

    def _turn(self) -> float:
        try:
            pause = self.run_once()
        except Exception as error:  # noqa: BLE001 - a loop outlives whatever one turn meets
            self._failures += 1
            self.last_error = f"{type(error).__name__}: {error}"
            kind = "database/lost" if isinstance(error, DatabaseError) else "loop/failed"
            logs.event_limited(
                f"{kind}/{self.name}",
                kind,
                f"{self.name}: {error}",
                level="error",
                loop=self.name,
                error=self.last_error,
                exc_info=not isinstance(error, DatabaseError),
            )
            return self._back_off()
        if self._failures:
            self._failures, self.last_error = 0, None
            logs.event("database/back", f"{self.name} works again", loop=self.name)
        return pause

    def _back_off(self) -> float:
        self._wake.clear()  # hints must not turn an outage into a busy loop
        least, most = BACKOFF_S
        pause: float = min(most, least * 2.0 ** min(self._failures - 1, 10))
        return pause * random.uniform(0.5, 1.0)
