"""Hints between the processes of one machine that share a SQLite file: datagrams to the sockets in a folder beside it.

A hint that is lost costs a poll's second, nothing else, so every trouble here is silence.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path

from rota.store.bell import Bell

MAX_ADDRESS = 100
"""Longest path of a unix socket that every system takes."""


class Wake:
    """Sends to whoever listens beside the database file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def send(self, topic: str) -> None:
        """Send a hint to all listeners; sockets of processes that are gone are removed."""
        try:
            names = os.listdir(self._folder)
        except OSError:
            return
        with self._lock:
            for name in names:
                self._send_to(topic.encode(), str(self._folder / name))

    def _send_to(self, message: bytes, address: str) -> None:
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto(message, address)
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                os.unlink(address)
        except OSError:
            return  # full, gone, or not ours: its owner polls

    def close(self) -> None:
        """Let go of what sends; the next hint takes another."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def listen(self) -> WakeListener:
        """Begin to receive hints; raises OSError where unix sockets cannot be had."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return WakeListener(self._folder / f"{os.getpid()}.{os.urandom(4).hex()}")


class WakeListener:
    """A socket that receives hints."""

    def __init__(self, address: Path) -> None:
        if len(str(address)) > MAX_ADDRESS:
            raise OSError(f"the path {address} is too long for a socket")
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(address))
        self._socket.setblocking(False)
        self._bell = Bell(self._socket.fileno())

    def wait(self, timeout_s: float) -> set[str]:
        """Return the topics hinted at, at the latest after ``timeout_s``."""
        self._bell.wait(timeout_s)
        found: set[str] = set()
        while True:
            try:
                found.add(self._socket.recv(64).decode())
            except UnicodeDecodeError:
                continue  # not from us
            except BlockingIOError:
                return found

    def interrupt(self) -> None:
        """End the wait of another thread at once."""
        self._bell.ring()

    def close(self) -> None:
        """Stop listening."""
        self._bell.close()
        self._socket.close()
        with contextlib.suppress(OSError):
            self._address.unlink()
