"""Roles of Rota as real processes on a database of either kind."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.roles import lite_roles, own_roles, roles
from tests.support.turned import faketime, turned

__all__ = ["dead_port", "faketime", "lite_roles", "own_roles", "roles", "turned"]


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port at which connections are refused; it is held all the time, so that no other server listens there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        yield port
