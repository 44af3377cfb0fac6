"""Waiting for a state with a deadline, instead of sleeping for a while and hoping."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Value = TypeVar("Value")

POLL = 0.01


def wait_until(predicate: Callable[[], Value], timeout: float = 10, what: str = "the awaited state") -> Value:
    """Poll until the predicate is true and return its value; fail the test after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {timeout:g} s (last seen: {value!r})")
        time.sleep(POLL)


async def wait_until_async(
    predicate: Callable[[], Value], timeout: float = 10, what: str = "the awaited state"
) -> Value:
    """As ``wait_until``, on an event loop that must go on turning meanwhile."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {timeout:g} s (last seen: {value!r})")
        await asyncio.sleep(POLL)


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
