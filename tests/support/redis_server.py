"""A Redis of a test's own: to be filled, killed and started again, with nothing kept on disk."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import redis

from tests.support.needs import cannot_be_had
from tests.support.processes import KeptProcess
from tests.support.waiting import free_port, wait_until


class RedisServer:
    """A running server on a port of its own, which stays the same when it is started again."""

    def __init__(self, directory: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            cannot_be_had("redis-server is not installed: sudo make ci-deps")
        self._program = program
        self._directory = directory
        self._starts = 0
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis.from_url(self.url)
        self.start()

    def start(self) -> None:
        """Start it, empty."""
        self._starts += 1
        place = self._directory / f"redis-{self._starts}"
        place.mkdir(parents=True)
        self.process = KeptProcess(
            self._program,
            *("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
            directory=place,
        )
        wait_until(self._answers, what=f"an answer of {self.process}")

    def kill(self) -> None:
        """End it at once, with all that it holds."""
        self.process.send(signal.SIGKILL)
        self.process.wait()
        self.process.close()

    def close(self) -> None:
        """End it and its connections."""
        self.client.close()
        self.process.close()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


@contextlib.contextmanager
def running_redis(directory: Path) -> Iterator[RedisServer]:
    """A server while the block lasts; without the program the test is skipped, or fails where all must be there."""
    server = RedisServer(directory)
    try:
        yield server
    finally:
        server.close()
