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

    def take(self, places: Mapping[str, int]) -> None:
        """Take places: how many of each lane."""
        with self._lock:
            for lane, count in places.items():
                self._taken[lane] += count

    def release(self, places: Mapping[str, int]) -> None:
        """Give places back: how many of each lane."""
        with self._lock:
            for lane, count in places.items():
                self._taken[lane] -= count

    def taken(self) -> dict[str, int]:
        """Return the taken places of each lane."""
        with self._lock:
            return dict(self._taken)
