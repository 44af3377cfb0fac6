"""The database itself, for commands that look after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rota.settings import DatabaseUrl, load_settings
from rota.store.database import Database
from rota.store.opening import open_database


@contextmanager
def opened(url: DatabaseUrl | None = None) -> Iterator[Database]:
    """Open a database, that of the settings unless another is given; nothing is migrated."""
    database = open_database(url or load_settings().database_url)
    try:
        yield database
    finally:
        database.close()
