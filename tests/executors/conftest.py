"""Fixtures for the tests of executors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleets import celery_worker, rq_worker
from tests.support.function_calls import ROOT
from tests.support.redis_server import RedisServer, running_redis


@pytest.fixture
def from_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the root of the checkout, from where runners import the application of the tests."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis with RQ workers on `default` and (without forking) `quick`, and a Celery worker on `celery`."""
    directory = tmp_path_factory.mktemp("fleets")
    with running_redis(directory) as server, contextlib.ExitStack() as stack:
        for process in (
            rq_worker(server.url, directory / "rq", "default"),
            rq_worker(server.url, directory / "rq-quick", "quick", simple=True),
            celery_worker(server.url, directory / "celery", "celery"),
        ):
            stack.callback(process.close)
        yield server.url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own, without workers; it may be killed and started again."""
    with running_redis(tmp_path) as server:
        yield server
