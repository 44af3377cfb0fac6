"""A socket to the shepherd or a keeper, on the worker's event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from rota.executors import frames

_READ_BYTES = 1 << 14
PAUSE_S = 0.05
"""How long nothing is read from who says more than can be stored."""


class Channel:
    """Sends messages without ever waiting, and hands on what arrives."""

    def __init__(
        self,
        sock: socket.socket,
        on_frames: Callable[[Sequence[tuple[bytes, bytes]]], None],
        on_end: Callable[[], None],
        full: Callable[[], bool] = lambda: False,
    ) -> None:
        """``on_frames`` gets what arrived together; ``on_end`` is called once, when the other side is gone.

        While ``full`` says so, nothing is read.
        """
        sock.setblocking(False)
        self._socket = sock
        self._on_frames = on_frames
        self._on_end = on_end
        self._full = full
        self._unpacker = frames.Unpacker()
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._listen()

    @property
    def closed(self) -> bool:
        """Whether this side is closed, or has seen the end of the other."""
        return self._socket.fileno() < 0

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """Send a message, now or as soon as there is room."""
        self._unsent += frames.pack(kind, payload)
        if len(self._unsent) == len(payload) + frames.HEADER_BYTES:
            self._flush()

    def send_with(self, kind: bytes, payload: bytes, passed: socket.socket) -> None:
        """Send a short message together with a socket.  Raises `OSError` when there is no room for it."""
        socket.send_fds(self._socket, [frames.pack(kind, payload)], [passed.fileno()])

    def finish(self) -> None:
        """Say that nothing more will be sent; what arrives is still handed on."""
        if not self.closed:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.close()

    def close(self) -> None:
        """Close at once; nothing more is called."""
        if not self.closed:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()

    def ended(self) -> bool:
        """Tell whether the other side is gone, also before the event loop has noticed."""
        if self.closed:
            return True
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _listen(self) -> None:
        if not self.closed:
            self._loop.add_reader(self._socket, self._receive)

    def _receive(self) -> None:
        if self._full():
            self._loop.remove_reader(self._socket)
            self._loop.call_later(PAUSE_S, self._listen)
            return
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            found = self._unpacker.feed(data)
            if found:
                self._on_frames(found)
        else:
            self.close()
            self._on_end()

    def _flush(self) -> None:
        try:
            del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            # Its end is about to be read.
            self._unsent.clear()
        if self._unsent:
            self._loop.add_writer(self._socket, self._flush)
        else:
            self._loop.remove_writer(self._socket)
