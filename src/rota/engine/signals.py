"""Signals that ask a process to stop, and a wait that they end.

A ``threading.Event`` set in a signal handler can deadlock with the main thread's own use of it: the handler runs
between any two steps of that thread.  ``SimpleQueue.put`` may be called there.
"""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Callable
from contextlib import suppress

STOP_SIGNALS = tuple(
    number for name in ("SIGTERM", "SIGINT", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)
SAME_STOP_S = 0.5
"""Signals so close together mean one stop: a service manager signals every process, and so does the supervisor."""

LONGEST_SLEEP_S = 1.0
"""The main thread handles signals, but one that another thread was given does not wake it: it looks up at times."""


class Stops:
    """Counts the requests to stop."""

    def __init__(self) -> None:
        self.count = 0
        self._last = float("-inf")

    def note(self) -> int:
        """Note a signal; return how many requests there were, this one included."""
        now = time.monotonic()
        if now - self._last >= SAME_STOP_S:
            self.count += 1
        self._last = now
        return self.count


class Bell:
    """What the main thread of a process waits for."""

    def __init__(self) -> None:
        self._rung: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        """End the present wait, or the next; safe in a signal handler."""
        self._rung.put(None)

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, or when it is rung."""
        until = time.monotonic() + seconds
        while not self._rings(until - time.monotonic()):
            if time.monotonic() >= until:
                return

    def _rings(self, seconds: float) -> bool:
        try:
            self._rung.get(timeout=max(0.0, min(seconds, LONGEST_SLEEP_S)))
        except queue.Empty:
            return False
        with suppress(queue.Empty):
            while True:
                self._rung.get_nowait()
        return True


def on_stop(handler: Callable[[], None]) -> None:
    """Have ``handler`` called for each signal that asks to stop, but those that the parent wants ignored."""
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: handler())
