"""A background loop: one turn is ``run_once``, apart from the loop around it, so that tests turn it by hand."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from rota import logs
from rota.engine.outage import OUTAGE
from rota.errors import DatabaseBusy, DatabaseError

BACKOFF_S = (0.1, 5.0)
"""First and longest pause after a failed turn."""
BUSY_TURNS = 3
"""A busy database is told when so many turns in a row met it: a deadlock now and then is nobody's concern."""


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
        self._began = self.turned
        self.sleeps_until: float | None = None
        self.last_error: str | None = None

    @abstractmethod
    def run_once(self) -> float:
        """Do one turn; return for how many seconds there is nothing to do."""

    def describe(self) -> dict[str, object]:
        """Say what the loop does: for the page of workers."""
        sleeps_until = self.sleeps_until  # read once: the loop's own thread changes it
        return {
            "name": self.name,
            "state": "sleeping" if sleeps_until else "running",
            "sleepsUntil": int(sleeps_until * 1e6) if sleeps_until else None,
            "turnedMsAgo": int((time.monotonic() - self.turned) * 1000),
            "error": self.last_error,
        }

    def wake(self) -> None:
        """Begin the next turn now; after a failed one the pause is kept, so that hints make no busy loop of it."""
        self._wake.set()

    @property
    def stopping(self) -> bool:
        """Tell whether the loop was asked to end."""
        return self._stopping.is_set()

    @property
    def alive(self) -> bool:
        """Tell whether the loop's thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def moves(self, within_s: float) -> bool:
        """Tell whether the loop sleeps, or began or ended a turn within the last so many seconds."""
        return self.sleeps_until is not None or time.monotonic() - max(self.turned, self._began) < within_s

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name=f"rota-{self.name}", daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let it end after the present turn; does not wait."""
        self._stopping.set()
        self._wake.set()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """End after the present turn; tell whether it ended in time."""
        self.ask_to_stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        OUTAGE.forget(self)
        return not self.alive

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            pause = self._turn()
            self.turned = time.monotonic()
            if pause > 0:
                self.sleeps_until = time.time() + pause
                (self._stopping if self._failures else self._wake).wait(pause)
                self._began = time.monotonic()  # first, so that it never seems to stand still
                self.sleeps_until = None

    def _turn(self) -> float:
        try:
            pause = self.run_once()
        except Exception as error:  # noqa: BLE001 - a loop outlives whatever one turn meets
            self._failures += 1
            self.last_error = f"{type(error).__name__}: {error}"
            self._tell(error)
            least, most = BACKOFF_S
            longest: float = min(most, least * 2.0 ** min(self._failures - 1, 10))
            return longest * random.uniform(0.5, 1.0)
        if self._failures:
            self._failures, self.last_error = 0, None
            OUTAGE.over(self)
        return pause

    def _tell(self, error: Exception) -> None:
        if not isinstance(error, DatabaseError):
            logs.event_limited(
                f"loop/failed/{self.name}", "loop/failed", f"{self.name}: {error}", level="error",
                loop=self.name, error=self.last_error, exc_info=error,
            )  # fmt: skip
        elif not isinstance(error, DatabaseBusy) or self._failures >= BUSY_TURNS:
            OUTAGE.met(self, self.name, error)


def stop_all(loops: Sequence[Loop], timeout_s: float) -> list[str]:
    """End loops at the same time; return the names of those that did not end in time."""
    for loop in loops:
        loop.ask_to_stop()
    deadline = time.monotonic() + timeout_s
    return [loop.name for loop in loops if not loop.stop(max(0.0, deadline - time.monotonic()))]
