"""How many statements and transactions a process costs PostgreSQL: a wire between the two that reads along.

The server's own count of transactions has those of its autovacuum too, which are more than those of an idle service.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

STARTUP = 3
"""The major version of the protocol, in the message that begins a session; requests for encryption have others."""


class Counter:
    """Forwards connections to a server, and counts what passes."""

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
        """Statements."""
        self.transactions = 0
        """Ended ones."""
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
                threading.Thread(target=self._to_client, args=(server, client), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        messages = Messages()
        with client, server, contextlib.suppress(OSError):
            while data := client.recv(65536):
                found = messages.statements(data)
                with self._lock:
                    self.count += found
                server.sendall(data)

    def _to_client(self, server: socket.socket, client: socket.socket) -> None:
        answers, opening = Answers(), True
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                for idle in answers.states(data):
                    with self._lock:
                        self.transactions += idle and not opening
                    opening = False
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

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


class Answers:
    """Reads what a server answers, which is plain messages from the first on."""

    def __init__(self) -> None:
        self._rest = b""

    def states(self, data: bytes) -> Iterator[bool]:
        """Yield, for each time that the server is ready for the next statement, whether no transaction is open."""
        self._rest += data
        while len(self._rest) >= 5 and len(self._rest) >= (end := 1 + int.from_bytes(self._rest[1:5])):
            if self._rest[:1] == b"Z":
                yield self._rest[5:6] == b"I"
            self._rest = self._rest[end:]


@contextlib.contextmanager
def counted(url: str) -> Iterator[Counter]:
    """Count what goes through to the server at ``url``."""
    counter = Counter(url)
    try:
        yield counter
    finally:
        counter.close()
