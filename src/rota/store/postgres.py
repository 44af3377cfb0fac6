"""PostgreSQL: any number of machines.  The only module that imports ``psycopg``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict

from rota.errors import DatabaseBusy, DatabaseError, DatabaseFull, DatabaseReadOnly, DatabaseUnavailable
from rota.settings import DatabaseUrl
from rota.store.database import Database, Duplicate, Params, Pool, Row, Topic, Tx
from rota.store.sql import render

POOL_SIZE = 16
CHANNEL = "rota"
CONNECTION = {
    "application_name": "rota",
    "connect_timeout": "4",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


class TextLoader(Loader):
    """Ids and JSON documents stay the text that the database sends."""

    def load(self, data: Any) -> str:
        return bytes(data).decode()


def translate(error: psycopg.Error) -> Exception:
    """Return our own error for one of psycopg's."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, pg.UniqueViolation):
        return Duplicate(text)
    if isinstance(error, (pg.DiskFull, pg.OutOfMemory)):
        return DatabaseFull(f"PostgreSQL: {text}")
    if isinstance(error, pg.ReadOnlySqlTransaction):
        return DatabaseReadOnly(f"PostgreSQL: {text}")
    if isinstance(error, (pg.SerializationFailure, pg.DeadlockDetected, pg.LockNotAvailable)):
        return DatabaseBusy(f"PostgreSQL: {text}")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return DatabaseUnavailable(f"PostgreSQL: {text}")
    return DatabaseError(f"PostgreSQL: {text}")


class PostgresTx(Tx):
    """A transaction, or single statements, on one connection."""

    dialect = "postgresql"

    def __init__(self, db: PostgresDatabase, connection: psycopg.Connection[Row]) -> None:
        super().__init__(db)
        self.connection = connection

    def _execute(self, sql: str, params: Params) -> psycopg.Cursor[Row]:
        try:
            return self.connection.execute(render(sql, "postgresql").encode(), params)
        except psycopg.Error as error:
            raise translate(error) from error

    def rows(self, sql: str, params: Params = {}) -> list[Row]:
        return self._execute(sql, params).fetchall()

    def dicts(self, sql: str, params: Params = {}) -> list[dict[str, Any]]:
        cursor = self._execute(sql, params)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def run(self, sql: str, params: Params = {}) -> int:
        return self._execute(sql, params).rowcount

    def _send_hint(self, topic: Topic) -> None:
        self.run("SELECT pg_notify(:channel, :topic)", {"channel": CHANNEL, "topic": topic})

    def script(self, sql: str) -> None:
        try:
            # Without parameters the text goes as it is, so the doubled per cent signs must not.
            self.connection.execute(render(sql, "postgresql").replace("%%", "%").encode())
        except psycopg.Error as error:
            raise translate(error) from error


def register_loaders(connection: psycopg.Connection[Any]) -> None:
    """Make ids and JSON come back as text on this connection."""
    for kind in ("uuid", "json", "jsonb"):
        connection.adapters.register_loader(kind, TextLoader)


class PostgresDatabase(Database):
    """A PostgreSQL database, reached by plain connections of our own small pool."""

    dialect = "postgresql"

    def __init__(self, url: DatabaseUrl) -> None:
        super().__init__()
        self.url = url
        try:
            given = conninfo_to_dict(url.conninfo)
        except psycopg.Error as error:
            raise DatabaseUnavailable(f"the database URL is not understood: {error}") from error
        self._arguments: dict[str, Any] = {**CONNECTION, **given}
        self._pool = Pool(self.connect, POOL_SIZE)

    def connect(self) -> psycopg.Connection[Row]:
        """Open a connection; the caller closes it."""
        try:
            connection = psycopg.connect(**self._arguments, autocommit=True)
        except psycopg.Error as error:
            raise DatabaseUnavailable(f"PostgreSQL: {' '.join(str(error).split())}") from error
        if self.url.pooled:
            connection.prepare_threshold = None
        register_loaders(connection)
        if self.url.schema:
            with translated():
                connection.execute("SELECT set_config('search_path', %s, false)", (self.url.schema,))
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        with self._pool.connection() as connection:
            tx = PostgresTx(self, connection)
            tx.run("BEGIN")
            try:
                yield tx
            except DatabaseUnavailable:
                raise
            except BaseException:
                with translated():
                    connection.rollback()
                raise
            tx.run("COMMIT")
            self.last_contact = time.monotonic()
        tx.committed()

    @contextmanager
    def statement(self) -> Iterator[Tx]:
        with self._pool.connection() as connection:
            yield PostgresTx(self, connection)
            self.last_contact = time.monotonic()

    @contextmanager
    def adopt(self, connection: Any) -> Iterator[Tx]:
        """Work inside the caller's own open transaction on the caller's own connection."""
        register_loaders(connection)
        yield PostgresTx(self, connection)

    def listen(self) -> Listener:
        if self.url.pooled:
            raise DatabaseError("behind a transaction pooler there is no LISTEN: polling alone serves")
        return Listener(self.connect())

    def close(self) -> None:
        self._pool.close()


class Listener:
    """A connection of its own that waits for notifications."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection
        with translated():
            connection.execute(f"LISTEN {CHANNEL}".encode())

    def wait(self, timeout_s: float) -> set[str]:
        """Return the topics hinted at, at the latest after ``timeout_s``."""
        with translated():
            return {note.payload for note in self._connection.notifies(timeout=timeout_s, stop_after=1)}

    def close(self) -> None:
        self._connection.close()


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error) from error
