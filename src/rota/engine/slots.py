"""Slots: how many jobs of each lane a worker takes at once.

Lanes are counted apart, so that hanging HTTP targets never keep a command waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping


class Slots:
    """Free and taken places of each lane; safe from any thread."""

    def __init__(self, capacity: Mapping[str, int]) -> None:
        self._lock = threading.Lock()
        self.capacity = dict(capacity)
        self._taken = dict.fromkeys(capacity, 0)
        self._open: set[str] = set()

    def open(self, lane: str) -> None:
        """Let a lane take jobs: its executor is ready."""
        with self._lock:
            self._open.add(lane)

    def free(self) -> dict[str, int]:
        """Return the free places of the open lanes that have any."""
        with self._lock:
            return {lane: free for lane in self._open if (free := self.capacity[lane] - self._taken[lane]) > 0}

    def take(self, lane: str) -> None:
        """Take a place."""
        with self._lock:
            self._taken[lane] += 1

    def release(self, lane: str) -> int:
        """Give a place back; return how many of the lane are free."""
        with self._lock:
            self._taken[lane] -= 1
            return self.capacity[lane] - self._taken[lane]

    def taken(self) -> dict[str, int]:
        """Return the taken places of each lane."""
        with self._lock:
            return dict(self._taken)
