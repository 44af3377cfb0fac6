"""A database whose clock is turned by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rota.settings import parse_database_url
from rota.store import migrate
from rota.store.database import Database
from rota.store.opening import open_database

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOON = 1_800_014_400 * SECOND
"""Where a clock begins unless told otherwise: 15 January 2027, 12:00 UTC."""

# In PostgreSQL the clock is a function, so it is this database's alone that is replaced.
BY_HAND = """
CREATE TABLE hand_clock (now bigint NOT NULL);
INSERT INTO hand_clock VALUES (0);
CREATE OR REPLACE FUNCTION rota_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT now FROM hand_clock $$;
"""


class HandClock:
    """The clock of one database, for every connection to it that this process or (PostgreSQL) another one has."""

    def __init__(self, database_url: str, now: int = NOON) -> None:
        self.now = now
        """µs UTC; only to be read."""
        self.databases: list[Database] = []
        self._url = parse_database_url(database_url)
        self._setter: Database | None = None
        first = self.open()
        migrate.migrate(first)
        if first.dialect == "postgresql":
            with first.transaction() as tx:
                tx.script(BY_HAND)
            self._setter = first
        self.set(now)

    def open(self) -> Database:
        """Another pool of connections, as another process has them."""
        database = open_database(self._url, clock=lambda: self.now)
        self.databases.append(database)
        return database

    def set(self, now: int) -> None:
        """Turn the clock to a moment (µs UTC)."""
        self.now = now
        if self._setter is not None:
            self._setter.run(lambda tx: tx.run("UPDATE hand_clock SET now = :now", {"now": now}))

    def turn(self, by: int) -> None:
        """Turn the clock by so many microseconds, backwards too."""
        self.set(self.now + by)

    def close(self) -> None:
        """Close every connection."""
        for database in self.databases:
            database.close()


@contextlib.contextmanager
def hand_clock(database_url: str, now: int = NOON) -> Iterator[HandClock]:
    """A migrated database with a clock that is turned by hand."""
    clock = HandClock(database_url, now)
    try:
        yield clock
    finally:
        clock.close()
