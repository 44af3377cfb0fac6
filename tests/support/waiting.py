"""Waiting for a state with a deadline, instead of sleeping for a while and hoping."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Callable
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


def free_port() -> int:
    """A TCP port of the loopback interface on which nobody listens now.

    Below the range from which systems take the ports of outgoing connections, so that it stays free while a server
    is restarted; not from ``random``, which is seeded alike in every process of a run.
    """
    while True:
        port = 15_000 + secrets.randbelow(17_000)
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
