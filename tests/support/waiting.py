"""Waiting for a state with a deadline, instead of sleeping for a while and hoping."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

import pytest

Value = TypeVar("Value")

POLL = 0.01
SLOWEST = 0.04


def wait_until(
    predicate: Callable[[], Value], timeout: float = 30, what: str | Callable[[], str] = "the awaited state"
) -> Value:
    """Poll until the predicate is true and return its value; fail the test after ``timeout`` seconds.

    ``what`` is for the message; a function is called only then, and can tell the state as it is then.
    """
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            _fail(what, timeout, value)
        time.sleep(_pause(deadline - timeout))
    return value


async def wait_until_async(
    predicate: Callable[[], Value], timeout: float = 30, what: str | Callable[[], str] = "the awaited state"
) -> Value:
    """As ``wait_until``, on an event loop that must go on turning meanwhile."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            _fail(what, timeout, value)
        await asyncio.sleep(_pause(deadline - timeout))
    return value


def _pause(began: float) -> float:
    """Longer the longer it takes: who looks costs time, and what is looked at does too."""
    return min(SLOWEST, max(POLL, (time.monotonic() - began) / 20))


def _fail(what: str | Callable[[], str], timeout: float, value: object) -> NoReturn:
    text = what if isinstance(what, str) else what()
    pytest.fail(f"waited {timeout:g} s in vain for: {text} (last seen: {value!r})")


def _own_ports() -> Iterator[int]:
    part = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or PARTS - 1) % PARTS
    ports = [*range(15_000 + part * PORTS, 15_000 + (part + 1) * PORTS)]
    random.SystemRandom().shuffle(ports)  # not as ``random`` does, which is seeded alike in every process of a run
    return itertools.cycle(ports)


PARTS, PORTS = 17, 1000
_PORTS = _own_ports()


def free_port() -> int:
    """A TCP port of the loopback interface on which nobody listens now.

    Below the range from which systems take the ports of outgoing connections, so that it stays free while a server
    is restarted.  Each process of a run has ports of its own, and gives none twice before all were given: between the
    look and the server somebody else would take it.
    """
    for port in _PORTS:
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("it goes round for ever")
