"""How large the database is: rows, bytes and age of each table, and what makes a database grow."""

from __future__ import annotations

from typing import Any

import msgspec

from rota.errors import DatabaseError
from rota.store.copying import tables
from rota.store.database import Tx
from rota.store.retention import RUNS, TRAFFIC, Which

# When the oldest row of a table was made, by an index where there is one.
OLDEST = {
    "rota_jobs": "SELECT created_at FROM rota_jobs ORDER BY id LIMIT 1",
    "rota_occurrences": "SELECT min(decided_at) FROM rota_occurrences",
    "rota_attempts": "SELECT min(ended_at) FROM rota_attempts",
    "rota_logs": "SELECT min(at) FROM rota_logs",
    "rota_audit": "SELECT at FROM rota_audit ORDER BY id LIMIT 1",
    "rota_idempotency": "SELECT min(created_at) FROM rota_idempotency",
    "rota_pings": "SELECT min(at) FROM rota_pings",
    "rota_alerts": "SELECT min(opened_at) FROM rota_alerts",
    "rota_notices": "SELECT created_at FROM rota_notices ORDER BY id LIMIT 1",
    "rota_rollups": "SELECT min(at) FROM rota_rollups",
}
EXACT_ROWS = 100_000
"""Of a larger table PostgreSQL's own estimate is told: to count 5 million rows takes it seconds."""
LITE_BYTES = """
SELECT m.tbl_name, sum(CASE WHEN m.type = 'table' THEN s.pgsize ELSE 0 END),
  sum(CASE WHEN m.type = 'index' THEN s.pgsize ELSE 0 END)
FROM (SELECT name, sum(pgsize) AS pgsize FROM dbstat GROUP BY name) s JOIN sqlite_master m ON m.name = s.name
GROUP BY m.tbl_name
"""
PG_BYTES = """
SELECT CAST(c.relname AS text), pg_table_size(c.oid), pg_indexes_size(c.oid), CAST(c.reltuples AS bigint),
  coalesce(s.n_dead_tup, 0)
FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relkind = 'r' AND pg_table_is_visible(c.oid) AND substr(CAST(c.relname AS text), 1, 5) = 'rota_'
"""
OLDEST_TRANSACTION = """
SELECT CAST(extract(epoch FROM clock_timestamp() - xact_start) * 1000000 AS bigint), pid, CAST(state AS text),
  application_name
FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 1
"""


class TableSize(msgspec.Struct, rename="camel", kw_only=True):
    """A table."""

    name: str
    rows: int
    estimated: bool = False
    table_bytes: int | None
    index_bytes: int | None
    dead_rows: int | None = None
    """PostgreSQL: rows that are gone and whose room is not free yet."""
    oldest_at: int | None
    """µs UTC."""


class Growth(msgspec.Struct, rename="camel", kw_only=True):
    """What takes room besides rows."""

    total_bytes: int
    wal_bytes: int | None
    """None where the role may not look."""
    free_bytes: int | None = None
    """SQLite: pages of the file that are free."""
    oldest_transaction_us: int | None = None
    """PostgreSQL: how long the oldest open transaction of the server is; None without one."""
    oldest_transaction: str | None = None


class Aged(msgspec.Struct, kw_only=True):
    """Ended jobs of one kind whose age decides."""

    due: int
    """So many may go now (those that a schedule keeps among them), counted up to ``MOST_DUE``."""
    oldest_at: int | None
    """When the one ended that is next."""


MOST_DUE = 10_000


def of_tables(tx: Tx) -> list[TableSize]:
    """Return all tables, the largest first."""
    bytes_of = {row[0]: row[1:] for row in tx.rows(PG_BYTES)} if tx.dialect == "postgresql" else _lite_bytes(tx)
    found = [_table(tx, name, bytes_of.get(name)) for name in tables(tx)]
    return sorted(found, key=lambda one: (-(one.table_bytes or 0) - (one.index_bytes or 0), -one.rows, one.name))


def _table(tx: Tx, name: str, known: tuple[Any, ...] | None) -> TableSize:
    table_bytes, index_bytes, *more = known or (None, None)
    estimate = int(more[0]) if more else 0
    rows = estimate if estimate > EXACT_ROWS else int(tx.value(f"SELECT count(*) FROM {name}"))
    return TableSize(
        name=name, rows=rows, estimated=estimate > EXACT_ROWS, table_bytes=table_bytes, index_bytes=index_bytes,
        dead_rows=int(more[1]) if more else None, oldest_at=tx.value(OLDEST[name]) if name in OLDEST else None,
    )  # fmt: skip


def _lite_bytes(tx: Tx) -> dict[str, tuple[Any, ...]]:
    try:
        return {row[0]: (row[1], row[2]) for row in tx.rows(LITE_BYTES)}
    except DatabaseError:  # a SQLite that was built without `dbstat`
        return {}


def growth(tx: Tx, wal_bytes: int | None = None) -> Growth:
    """Return what takes room besides rows; ``wal_bytes`` is the size of SQLite's file beside the database."""
    if tx.dialect == "sqlite":
        size, pages, free = (int(tx.value(f"PRAGMA {name}")) for name in ("page_size", "page_count", "freelist_count"))
        return Growth(total_bytes=size * pages, wal_bytes=wal_bytes, free_bytes=size * free)
    may_look = tx.value("SELECT has_function_privilege('pg_ls_waldir()', 'EXECUTE')")
    oldest = tx.row(OLDEST_TRANSACTION)
    return Growth(
        total_bytes=int(tx.value("SELECT pg_database_size(current_database())")),
        wal_bytes=int(tx.value("SELECT coalesce(sum(size), 0) FROM pg_ls_waldir()")) if may_look else None,
        oldest_transaction_us=int(oldest[0]) if oldest else None,
        oldest_transaction=f"process {oldest[1]} ({oldest[3] or 'unnamed'}), {oldest[2]}" if oldest else None,
    )


def aged(tx: Tx, status: str, *, runs: bool, before: int) -> Aged:
    """Return how many ended jobs of a status, of history or of traffic, ended before then, and which is the next."""
    oldest = None
    origins = RUNS if runs else TRAFFIC
    due = ended(tx, Which(before=0, status=status, origins=origins), before)
    for origin in origins:
        where = f"status = '{status}' AND origin = :origin AND status IN ('completed', 'failed', 'cancelled')"
        first = tx.value(f"SELECT min(completed_at) FROM rota_jobs WHERE {where}", {"origin": origin})
        oldest = min((at for at in (oldest, first) if at is not None), default=None)
    return Aged(due=due, oldest_at=oldest)


def ended(tx: Tx, which: Which, before: int) -> int:
    """Return how many jobs of a kind ended before then, counted up to ``MOST_DUE``."""
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {which.those} AND completed_at < :before LIMIT :most) d"
    due = sum(int(tx.value(sql, {"range": value, "before": before, "most": MOST_DUE})) for value in which.ranges)
    return min(due, MOST_DUE)
