"""Databases whose clock is turned by hand, and the loops of a scheduler that are turned by hand too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rota.settings import Settings
from rota.store import migrate
from rota.store.database import Database
from tests.engine.scheduling import settings_of
from tests.engine.working import Shop, looked_after
from tests.store import builders
from tests.support.clock import HandClock, hand_clock


@pytest.fixture
def clock(migrated: None, database_url: str) -> Iterator[HandClock]:
    """The clock of a migrated database of either kind."""
    with hand_clock(database_url) as clock:
        yield clock


@pytest.fixture
def db(clock: HandClock) -> Database:
    """The database of that clock."""
    return clock.open()


@pytest.fixture
def real_db(migrated: None, database_url: str) -> Iterator[Database]:
    """A migrated database of either kind, with the clock of its machine."""
    database = builders.opened(database_url)
    migrate.migrate(database)
    yield database
    database.close()


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings for the test's database, all else by default."""
    return settings_of(database_url)


@pytest.fixture
def shop(real_db: Database, database_url: str) -> Iterator[Shop]:
    """A database with a mover and a janitor around it, and jobs for workers."""
    shop = Shop(real_db, database_url)
    with looked_after(shop):
        yield shop
