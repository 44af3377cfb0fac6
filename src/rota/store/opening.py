"""Open the database that a URL names."""

from __future__ import annotations

from collections.abc import Callable

from rota.settings import DatabaseUrl
from rota.store.database import Database


def open_database(url: DatabaseUrl, *, clock: Callable[[], int] | None = None) -> Database:
    """Return the database of ``url``; nothing is connected yet.

    ``clock`` (µs UTC) replaces the clock of a SQLite database, for tests that turn it by hand.  The driver is
    imported here so that nobody pays for one that is not used (psycopg takes 170 ms).
    """
    if url.scheme == "sqlite":
        from rota.store.sqlite import SqliteDatabase

        return SqliteDatabase(url, clock)
    from rota.store.postgres import PostgresDatabase

    return PostgresDatabase(url)
