"""How many statements a process sends to PostgreSQL: a wire between the two that reads along."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

STARTUP = 3
"""The major version of the protocol, in the message that begins a session; requests for encryption have others."""


class Counter:
    """Forwards connections to a server, and counts the statements on their way."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        user = parts.netloc.rpartition("@")[0]
        place = f"{user}@127.0.0.1:{self._listener.getsockname()[1]}"
        plain = "&".join(filter(None, (parts.query, "sslmode=disable", "gssencmode=disable")))
        self.url = urlunsplit(parts._replace(netloc=place, query=plain))
        """The address by which the process must reach the server."""
        self.count = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
                threading.Thread(target=_forward, args=(server, client), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        messages = Messages()
        with client, server, contextlib.suppress(OSError):
            while data := client.recv(65536):
                found = messages.statements(data)
                with self._lock:
                    self.count += found
                server.sendall(data)

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()


class Messages:
    """Reads what a client of PostgreSQL sends."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False

    def statements(self, data: bytes) -> int:
        """Return how many statements are ordered by what has come now."""
        self._rest += data
        found = 0
        while True:
            head = 1 if self._begun else 0
            if len(self._rest) < head + 8 - 4 * head:
                return found
            length = head + int.from_bytes(self._rest[head : head + 4])
            if len(self._rest) < length:
                return found
            if self._begun:
                found += self._rest[:1] in (b"Q", b"E")  # a query, or the execution of a prepared one
            else:
                self._begun = int.from_bytes(self._rest[4:6]) == STARTUP
            self._rest = self._rest[length:]


def _forward(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def counted(url: str) -> Iterator[Counter]:
    """Count what goes through to the server at ``url``."""
    counter = Counter(url)
    try:
        yield counter
    finally:
        counter.close()
