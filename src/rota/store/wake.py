"""Hints between the processes of one machine that share a SQLite file: datagrams to the sockets in a folder beside it.

A hint that is lost costs a poll's second, nothing else, so every trouble here is silence.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from pathlib import Path

MAX_ADDRESS = 100
"""Longest path of a unix socket that every system takes."""


class Wake:
    """Sends to whoever listens beside the database file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket: socket.socket | None = None

    def send(self, topic: str) -> None:
        """Send a hint to all listeners; sockets of processes that are gone are removed."""
        try:
            names = os.listdir(self._folder)
        except OSError:
            return
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        for name in names:
            address = str(self._folder / name)
            try:
                self._socket.sendto(topic.encode(), address)
            except ConnectionRefusedError:
                with contextlib.suppress(OSError):
                    os.unlink(address)
            except OSError:
                continue  # full, gone, or not ours: its owner polls

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

    def wait(self, timeout_s: float) -> set[str]:
        """Return the topics hinted at, at the latest after ``timeout_s``."""
        found: set[str] = set()
        readable, _, _ = select.select([self._socket], [], [], timeout_s)
        while readable:
            try:
                found.add(self._socket.recv(64).decode())
            except (BlockingIOError, UnicodeDecodeError):
                break
        return found

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        with contextlib.suppress(OSError):
            self._address.unlink()
