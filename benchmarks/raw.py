"""The raw database: the bare driver on one connection, with nothing of Rota around it."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
import psycopg
from psycopg.rows import tuple_row

from benchmarks.setting import Bench
from rota.ids import new_id


class Raw(Protocol):
    """Inserts rows like a given one, each call durable when it returns."""

    def insert(self) -> str:
        """Insert one row; return its id."""

    def insert_many(self, count: int) -> None:
        """Insert rows by one statement."""

    def look(self, job_id: str) -> None:
        """Read one row."""


@contextlib.contextmanager
def raw_like(bench: Bench, job_id: str, **changes: str) -> Iterator[Raw]:
    """Yield a raw connection whose rows are those of a stored job, but for the id, the times and ``changes``."""
    with bench.db.statement() as tx:
        (found,) = tx.dicts("SELECT * FROM rota_jobs WHERE id = :id", {"id": job_id})
    row = {name: value for name, value in {**found, **changes}.items() if value is not None}
    if bench.kind == "postgresql":
        with psycopg.connect(bench.settings.database_url.conninfo, autocommit=True) as connection:
            yield RawPostgres(connection, row)
    else:
        with contextlib.closing(sqlite3.connect(str(bench.settings.database_url.path), isolation_level=None)) as lite:
            lite.execute("PRAGMA journal_mode=WAL")
            lite.execute("PRAGMA synchronous=FULL")
            lite.execute("PRAGMA busy_timeout=10000")
            yield RawSqlite(lite, row)


class Rows:
    """Rows like a given one."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row
        self.names = ", ".join(row)

    def fresh(self) -> dict[str, Any]:
        now = time.time_ns() // 1000
        return {**self.row, "id": new_id(), "run_at": now, "created_at": now, "updated_at": now}


class RawPostgres:
    """psycopg, statements prepared."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], row: dict[str, Any]) -> None:
        self._rows = Rows(row)
        self._cursor = connection.cursor(binary=True, row_factory=tuple_row)
        places = ", ".join(f"%({name})s" for name in row)
        self._one = f"INSERT INTO rota_jobs ({self._rows.names}) VALUES ({places})".encode()
        self._many = (
            f"INSERT INTO rota_jobs ({self._rows.names}) SELECT {self._rows.names}"
            " FROM json_populate_recordset(NULL::rota_jobs, %(rows)s::json)"
        ).encode()

    def insert(self) -> str:
        row = self._rows.fresh()
        self._cursor.execute(self._one, row, prepare=True)
        return str(row["id"])

    def insert_many(self, count: int) -> None:
        rows = msgspec.json.encode([self._rows.fresh() for _ in range(count)]).decode()
        self._cursor.execute(self._many, {"rows": rows}, prepare=True)

    def look(self, job_id: str) -> None:
        self._cursor.execute(b"SELECT * FROM rota_jobs WHERE id = %(id)s", {"id": job_id}, prepare=True).fetchall()


class RawSqlite:
    """The standard library's driver."""

    def __init__(self, connection: sqlite3.Connection, row: dict[str, Any]) -> None:
        self._rows = Rows(row)
        self._connection = connection
        places = ", ".join(f":{name}" for name in row)
        self._sql = f"INSERT INTO rota_jobs ({self._rows.names}) VALUES ({places})"

    def insert(self) -> str:
        row = self._rows.fresh()
        self._connection.execute(self._sql, row)
        return str(row["id"])

    def insert_many(self, count: int) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(self._sql, [self._rows.fresh() for _ in range(count)])
        self._connection.execute("COMMIT")

    def look(self, job_id: str) -> None:
        self._connection.execute("SELECT * FROM rota_jobs WHERE id = ?", (job_id,)).fetchall()
