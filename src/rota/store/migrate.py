"""Numbered migrations, run under a lock; a schema newer than this version is refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from rota.errors import SchemaMismatch
from rota.store import functions
from rota.store.database import Database, Tx
from rota.store.sql import Dialect, render

LOCK = 7_005_7005
CLOCK = """
CREATE OR REPLACE FUNCTION rota_now() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;
"""
VIEW_TIME: dict[Dialect, str] = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {} / 1000000.0, 'unixepoch')",
    "postgresql": "to_timestamp({} / 1000000.0)",
}
FOLDED = {
    "pending": "pending",
    "scheduled": "pending",
    "held": "pending",
    "running": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "failed",
}


class Migration(msgspec.Struct, frozen=True):
    """One numbered script."""

    number: int
    name: str
    script: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Return every migration of this version, in order."""
    found = [
        Migration(int(file.name.split("_")[0]), file.stem, file.read_text(encoding="utf-8"))
        for file in (Path(__file__).parent / "migrations").glob("*.sql")
    ]
    return tuple(sorted(found, key=lambda migration: migration.number))


def newest() -> int:
    """Return the schema version that this version of Rota works with."""
    return migrations()[-1].number


def version(tx: Tx, *, moving: bool = False) -> int:
    """Return the schema version of the database, 0 when it is empty.

    Raises SchemaMismatch where a move to it has begun and not ended, but for that move.
    """
    if not _has(tx, "rota_meta"):
        return 0
    said: dict[str, str] = dict(tx.rows("SELECT key, value FROM rota_meta WHERE key IN ('schema_version', 'moving')"))
    if "moving" in said and not moving:
        raise SchemaMismatch("a move to this database has not ended", hint="run the same `rota db move` again")
    return int(said.get("schema_version", 0))


def check(tx: Tx) -> None:
    """Raise SchemaMismatch unless the schema is the one of this version."""
    found, wanted = version(tx), newest()
    if found > wanted:
        raise SchemaMismatch(
            f"the database has schema {found}, this Rota knows up to {wanted}", hint="install the newer Rota"
        )
    if found < wanted:
        raise SchemaMismatch(f"the database has schema {found}, this Rota needs {wanted}", hint="run `rota db migrate`")


def migrate(db: Database, *, moving: bool = False) -> list[str]:
    """Bring the schema up to date; return the names of what was applied.  ``moving``: for a move to this database.

    Any number of processes may start at once: one migrates, the others wait for it and find the work done.  Functions
    of another version's text are made anew, since they have no number.
    """
    with db.statement() as tx:
        if version(tx, moving=moving) == newest() and not functions.to_replace(tx):
            return []
    with db.transaction() as tx:
        if db.dialect == "postgresql":
            tx.rows("SELECT pg_advisory_xact_lock(:lock)", {"lock": LOCK})
            _make_schema(tx, db.url.schema)
        found = version(tx, moving=moving)
        if found > newest():
            check(tx)
        applied = [migration for migration in migrations() if migration.number > found]
        if not applied:
            return [_replace_functions(tx)] if functions.to_replace(tx) else []
        if db.dialect == "postgresql":
            tx.script(CLOCK)
        for migration in applied:
            tx.script(migration.script)
        _make_view(tx)
        if db.dialect == "postgresql":
            tx.script(functions.script())
        tx.run(
            "INSERT INTO rota_meta (key, value) VALUES ('schema_version', :version)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            {"version": str(applied[-1].number)},
        )
    return [migration.name for migration in applied]


def _replace_functions(tx: Tx) -> str:
    tx.script(functions.script())
    return "rota_enqueue"


def _make_schema(tx: Tx, schema: str | None) -> None:
    """Create the schema that the URL names.  Asked first, since ``IF NOT EXISTS`` needs the right to create too."""
    if schema and tx.value("SELECT 1 FROM pg_namespace WHERE nspname = :name", {"name": schema}) is None:
        quoted = schema.replace('"', '""')
        tx.script(f'CREATE SCHEMA "{quoted}"')


def script(dialect: Dialect, after: int = 0, view: str = "scheduled_jobs") -> str:
    """Return the SQL that ``migrate`` would run on a database of version ``after``, whose view has this name."""
    parts = [CLOCK] if dialect == "postgresql" else []
    parts += [
        f"-- {migration.name}\n{render(migration.script, dialect).replace('%%', '%')}"
        for migration in migrations()
        if migration.number > after
    ]
    if after < newest():
        parts.append(view_sql(dialect, view))
        if dialect == "postgresql":
            parts.append(functions.script())
        parts.append(f"INSERT INTO rota_meta (key, value) VALUES ('view', '{view}') ON CONFLICT DO NOTHING;")
    parts.append(
        f"INSERT INTO rota_meta (key, value) VALUES ('schema_version', '{newest()}')"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value;"
    )
    return "\n".join(parts)


def view_sql(dialect: Dialect, name: str) -> str:
    """Return the view for operators who query by SQL: one branch a status, so that the indexes serve."""
    time = VIEW_TIME[dialect]
    text, no_worker, no_time = (
        ("{}::text", "NULL::uuid", "NULL::timestamptz") if dialect == "postgresql" else ("{}", "NULL", "NULL")
    )
    branches = []
    for status, shown in FOLDED.items():
        running = status == "running"
        parts = {
            "id": "id",
            "job_type": "type",
            "status": text.format(f"'{shown}'"),
            "started_at": time.format("started_at"),
            "completed_at": time.format("completed_at"),
            "started_by": "started_by",
            "error": "coalesce(error, 'cancelled')" if status == "cancelled" else "error",
            "result": "result",
            "created_at": time.format("created_at"),
            "updated_at": time.format("updated_at"),
            "locked_by": "worker_id" if running else no_worker,
            "locked_at": time.format("started_at") if running else no_time,
        }
        named = ", ".join(f"{part} AS {column}" for column, part in parts.items())
        branches.append(f"SELECT {named} FROM rota_jobs WHERE status = '{status}'")
    make = f"CREATE OR REPLACE VIEW {name}"  # keeps what was granted on it
    if dialect == "sqlite":
        make = f"DROP VIEW IF EXISTS {name};\nCREATE VIEW {name}"
    return f"{make} AS\n" + "\nUNION ALL\n".join(branches) + ";\n"


def _make_view(tx: Tx) -> None:
    """Make the view, or make it anew; an application's own table of that name is left alone."""
    name = tx.value("SELECT value FROM rota_meta WHERE key = 'view'")
    if name is None:
        name = "rota_scheduled_jobs" if _has(tx, "scheduled_jobs") else "scheduled_jobs"
        tx.run("INSERT INTO rota_meta (key, value) VALUES ('view', :name)", {"name": name})
    tx.script(view_sql(tx.dialect, name))


def _has(tx: Tx, name: str) -> bool:
    if tx.dialect == "postgresql":
        # Not to_regclass: it may answer from before the wait for another process's migration.
        visible = "SELECT 1 FROM pg_class WHERE relname = :name AND pg_table_is_visible(oid)"
        return tx.value(visible, {"name": name}) is not None
    return tx.value("SELECT 1 FROM sqlite_master WHERE name = :name", {"name": name}) is not None
