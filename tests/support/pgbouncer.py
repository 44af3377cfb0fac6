"""A PgBouncer of a test's own, in transaction mode: each transaction may go by another session of the server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.needs import cannot_be_had
from tests.support.processes import KeptProcess
from tests.support.waiting import free_port, wait_until

SETTINGS = """
[databases]
* = host={host} port={port} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 500
server_fast_close = 1
"""
PLACES = ("/usr/sbin/pgbouncer", "/usr/local/bin/pgbouncer")


class Bouncer:
    """A running pooler on a port of its own, which stays the same when it is started again."""

    def __init__(self, directory: Path, server_url: str, sessions: int) -> None:
        program = shutil.which("pgbouncer") or next(filter(os.path.exists, PLACES), None)
        if program is None:
            cannot_be_had("pgbouncer is not installed: sudo make ci-deps")
        self._directory = directory
        self._starts = 0
        self.port = free_port()
        server = urlsplit(server_url)
        directory.mkdir()
        settings = directory / "pgbouncer.ini"
        text = SETTINGS.format(host=server.hostname, port=server.port, listen=self.port, sessions=sessions)
        settings.write_text(text)
        # It refuses to be root; it reads its settings before it becomes somebody else.
        self._command = (program, *(("-u", "nobody") if os.geteuid() == 0 else ()), str(settings))
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}{server.path}?pgbouncer=true"
        self.start()

    def start(self) -> None:
        """Start it."""
        self._starts += 1
        place = self._directory / f"pgbouncer-{self._starts}"
        place.mkdir()
        self.process = KeptProcess(*self._command, directory=place)
        wait_until(self._answers, what=lambda: f"an answer of {self.process}")

    def kill(self) -> None:
        """End it at once, with all connections through it."""
        self.process.send(signal.SIGKILL)
        self.process.wait()
        self.process.close()

    def close(self) -> None:
        """End it."""
        self.process.close()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        return False


@contextlib.contextmanager
def pooled(directory: Path, server_url: str, sessions: int = 5) -> Iterator[Bouncer]:
    """A pooler with so many sessions to the server of a database."""
    bouncer = Bouncer(directory, server_url, sessions)
    try:
        yield bouncer
    finally:
        bouncer.close()
