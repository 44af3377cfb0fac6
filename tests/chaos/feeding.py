"""A steady rate of jobs while disaster strikes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rota.errors import DatabaseError
from tests.support.roles import Roles
from tests.support.waiting import wait_until


@dataclass
class Fed:
    """What was enqueued, and what the database did not accept."""

    refused: int = 0
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def feeding(roles: Roles, per_second: float, script: str = "sleep 0.1") -> Iterator[Fed]:
    """Enqueue so many jobs a second until the end of the block, commands and calls in turn."""
    fed = Fed()

    def feed() -> None:
        due = time.monotonic()
        while not fed.ended.wait(max(0.0, due - time.monotonic())):
            due = max(due + 2 / per_second, time.monotonic() - 1)
            try:
                roles.load(2, script)
            except DatabaseError:
                fed.refused += 1

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield fed
    finally:
        fed.ended.set()
        thread.join(60)


def recovery(roles: Roles, starts: int = 10) -> float:
    """How long it takes until the targets see new starts (s)."""
    before, began = len(roles.starts()), time.monotonic()
    wait_until(lambda: len(roles.starts()) > before + starts, 60, "jobs start again")
    return time.monotonic() - began
