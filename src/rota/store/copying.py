"""All rows of a database, table by table: read by key, stored elsewhere, and summed up to be compared.

The columns and keys come from the database itself, so that a new table is copied without being named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from rota.store import functions, meta
from rota.store.database import Row, Tx
from rota.store.sql import storable

MOVING = "moving"
"""Under this key ``rota_meta`` of a target says how far a move to it is; while it is there, nothing starts on it."""
META = "rota_meta"
OWN_FACTS = frozenset((MOVING, "schema_version", "view", functions.DIGEST))
"""What ``rota_meta`` says of one database only."""
BATCH_ROWS = 1000
BATCH_BYTES = 4 << 20

CATALOGUE = """
{lite|
SELECT m.name, p.name, p.pk FROM sqlite_master m JOIN pragma_table_info(m.name) p
WHERE m.type = 'table' AND substr(m.name, 1, 5) = 'rota_' ORDER BY m.name, p.cid
}{pg|
SELECT CAST(c.relname AS text), CAST(a.attname AS text),
  CAST(coalesce(array_position(CAST(i.indkey AS int2[]), a.attnum) + 1, 0) AS bigint)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind = 'r' AND substr(CAST(c.relname AS text), 1, 5) = 'rota_' AND pg_table_is_visible(c.oid)
ORDER BY c.relname, a.attnum
}"""


class Table(msgspec.Struct, frozen=True):
    """A table: all its columns, and those of its primary key in their order (none: it has no key)."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


class Sum(msgspec.Struct):
    """Rows in any order as two numbers: how many, and the sum of their digests."""

    rows: int = 0
    digest: int = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        encode = msgspec.msgpack.encode
        total = sum(int.from_bytes(blake2b(encode(row), digest_size=16).digest(), "big") for row in rows)
        self.rows += len(rows)
        self.digest = (self.digest + total) % (1 << 128)


class Place(msgspec.Struct):
    """How far a table is copied."""

    after: list[Any] | None = None
    """The key of the last row that was copied."""
    rows: int = 0
    done: bool = False


class Moving(msgspec.Struct):
    """How far a move is."""

    source: str
    tables: dict[str, Place] = msgspec.field(default_factory=dict)


def tables(tx: Tx) -> dict[str, Table]:
    """Return all tables of Rota by name."""
    columns: dict[str, list[str]] = {}
    keys: dict[str, list[tuple[int, str]]] = {}
    for table, column, place in tx.rows(CATALOGUE):
        columns.setdefault(table, []).append(column)
        if place:
            keys.setdefault(table, []).append((place, column))
    return {
        name: Table(name, tuple(found), tuple(column for _, column in sorted(keys.get(name, []))))
        for name, found in columns.items()
    }


def pages(tx: Tx, table: Table, after: Sequence[Any] | None = None) -> Iterator[list[Row]]:
    """Yield the rows of a table behind a key, in parts of about ``BATCH_BYTES``; all at once where it has no key.

    Characters that not every database can store (NUL) are U+FFFD in what is yielded.
    """
    columns = ", ".join(table.columns)
    if not table.key:
        yield [_clean(row) for row in tx.rows(f"SELECT {columns} FROM {table.name}")]
        return
    key, marks = ", ".join(table.key), ", ".join(f":k{n}" for n in range(len(table.key)))
    places = [table.columns.index(column) for column in table.key]
    behind, size = f"WHERE ({key}) > ({marks})", BATCH_ROWS // 4
    while True:
        where = behind if after is not None else ""
        params = {f"k{n}": value for n, value in enumerate(after or ())}
        found = tx.rows(
            f"SELECT {columns} FROM {table.name} {where} ORDER BY {key} LIMIT :size", {**params, "size": size}
        )
        if found:
            yield [_clean(row) for row in found]
            after = [found[-1][place] for place in places]
        if len(found) < size:
            return
        weight = sum(len(value) for row in found for value in row if type(value) is str)
        size = max(1, min(2 * size, BATCH_ROWS, BATCH_BYTES * len(found) // (weight + 1)))


def _clean(row: Row) -> Row:
    if storable(row):
        return row
    return tuple(value.replace("\0", "\ufffd") if type(value) is str else value for value in row)


def key_of(table: Table, row: Row) -> list[Any]:
    """Return the key of a row."""
    return [row[table.columns.index(column)] for column in table.key]


def count(tx: Tx, table: Table) -> int:
    """Return how many rows a table has."""
    return int(tx.value(f"SELECT count(*) FROM {table.name}"))


def filled(tx: Tx, found: Mapping[str, Table]) -> list[str]:
    """Return the tables that have rows, but for ``rota_meta``, which always has."""
    return [name for name in found if name != META and tx.row(f"SELECT 1 FROM {name} LIMIT 1") is not None]


def empty(tx: Tx, found: Mapping[str, Table]) -> None:
    """Delete what a move has stored, the audit too, which else forgets nothing that is young."""
    meta.put(tx, "audit_from", str((1 << 63) - 1))
    for name in found:
        if name != META:
            tx.run(f"DELETE FROM {name}")
    for key in {key for key, _ in tx.rows("SELECT key, value FROM rota_meta")} - OWN_FACTS:
        tx.run("DELETE FROM rota_meta WHERE key = :key", {"key": key})


def facts(tx: Tx) -> dict[str, str]:
    """Return what ``rota_meta`` says that is true of any copy."""
    return {key: value for key, value in tx.rows("SELECT key, value FROM rota_meta") if key not in OWN_FACTS}


def moving(tx: Tx) -> Moving | None:
    """Return how far a move to this database is; None when there is none."""
    text = meta.get(tx, MOVING)
    return None if text is None else msgspec.json.decode(text, type=Moving)


def note(tx: Tx, state: Moving) -> None:
    """Store how far a move is."""
    meta.put(tx, MOVING, msgspec.json.encode(state).decode())


def arrive(tx: Tx, found: Mapping[str, str], names: Sequence[str]) -> None:
    """End a move: store the facts, let processes start, and have PostgreSQL's planner look."""
    for key, value in found.items():
        meta.put(tx, key, value)
    tx.run("DELETE FROM rota_meta WHERE key = :key", {"key": MOVING})
    if tx.dialect == "postgresql":  # SQLite keeps what it learns once for ever, and does well without
        tx.script(f"ANALYZE {', '.join(names)}")
