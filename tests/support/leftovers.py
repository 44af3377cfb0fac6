"""What a test leaves behind: threads that keep a process alive, and child processes."""

from __future__ import annotations

import threading
import time

from tests.support import procs

PATIENCE = 10.0


class Leftovers:
    """What there was when this object was made, to tell from it what has come since and stays."""

    def __init__(self) -> None:
        self._threads = _threads()
        self._children = procs.own_children()

    def wait(self, patience: float = PATIENCE) -> list[str]:
        """What has come and not gone, in words, after a little patience; nothing, at once, when all is gone."""
        deadline = time.monotonic() + patience
        while left := self._now():
            if time.monotonic() > deadline:
                return left
            time.sleep(0.01)
        return []

    def _now(self) -> list[str]:
        threads = [f"thread {thread.name}" for thread in _threads() - self._threads]
        processes = [f"process {pid} {procs.command(pid)}" for pid in procs.own_children() - self._children]
        return sorted(threads) + sorted(processes)


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.is_alive() and not thread.daemon}
