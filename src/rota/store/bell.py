"""Waiting for a socket in a thread that another thread can call back."""

from __future__ import annotations

import contextlib
import selectors
import socket


class Bell:
    """Waits until a descriptor can be read, a time is over, or somebody rings.  One thread waits, any may ring."""

    def __init__(self, descriptor: int) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ours, selectors.EVENT_READ)
        self._selector.register(descriptor, selectors.EVENT_READ)

    def wait(self, timeout_s: float) -> None:
        """Return at the latest after ``timeout_s``."""
        if any(key.fileobj is self._ours for key, _ in self._selector.select(timeout_s)):
            with contextlib.suppress(BlockingIOError):
                self._ours.recv(64)

    def ring(self) -> None:
        """End the wait of the other thread, or its next one."""
        with contextlib.suppress(OSError):  # it rings already, or nobody waits any more
            self._theirs.send(b"!")

    def close(self) -> None:
        """Let go of everything but the descriptor."""
        self._selector.close()
        self._ours.close()
        self._theirs.close()
