"""Roles of Rota as real processes on a database of either kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.store import migrate
from tests.engine.working import Shop
from tests.store import builders
from tests.support.processes import RotaProcesses
from tests.support.roles import Roles
from tests.support.target import TargetServer
from tests.support.turned import faketime, turned

__all__ = ["faketime", "turned"]


@pytest.fixture
def roles(
    database_url: str, rota_process: RotaProcesses, target_server: TargetServer, tmp_path: Path
) -> Iterator[Roles]:
    """Starts workers and schedulers, and enqueues jobs for them."""
    database = builders.opened(database_url)
    migrate.migrate(database)
    yield Roles(rota_process, Shop(database, database_url), target_server, tmp_path)
    database.close()
