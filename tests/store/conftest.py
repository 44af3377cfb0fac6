"""A migrated database of either kind, and a worker that is registered in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rota.store import migrate
from rota.store.database import Database
from tests.store import builders
from tests.store.interleaving import Other


@pytest.fixture
def db(migrated: None, database_url: str) -> Iterator[Database]:
    """A migrated database; a test that asks for it runs on both kinds."""
    database = builders.opened(database_url)
    migrate.migrate(database)
    yield database
    database.close()


@pytest.fixture
def pg(migrated: None, pg_database: str) -> Iterator[Database]:
    """A migrated PostgreSQL database."""
    database = builders.opened(pg_database)
    migrate.migrate(database)
    yield database
    database.close()


@pytest.fixture
def lite(migrated: None, sqlite_url: str) -> Iterator[Database]:
    """A migrated SQLite database."""
    database = builders.opened(sqlite_url)
    migrate.migrate(database)
    yield database
    database.close()


@pytest.fixture
def worker(db: Database) -> str:
    """A worker whose lease holds."""
    return builders.register(db)


@pytest.fixture
def other(pg: Database) -> Iterator[Other]:
    """Somebody else on the same PostgreSQL database."""
    other = Other(pg)
    yield other
    other.close()
