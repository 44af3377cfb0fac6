"""Job types: what can be run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rota.model import JobType
from rota.store.database import Tx, columns
from rota.store.sql import batch

COLUMNS = columns(JobType.__struct_fields__)

PUT = """
INSERT INTO rota_types (name, lane, target, args_schema, defaults, resolved, links, owner, version, created_at,
  updated_at)
SELECT u.name, u.lane, {json|u.target}, {json|u.args_schema}, {json|u.defaults}, {json|u.resolved}, {json|u.links},
  u.owner, 1, rota_now(), rota_now()
FROM {rows|u|batch|name text, lane text, target text, args_schema text, defaults text, resolved text, links text,
  owner text}
WHERE true
ON CONFLICT (name) DO UPDATE SET lane = excluded.lane, target = excluded.target, args_schema = excluded.args_schema,
  defaults = excluded.defaults, resolved = excluded.resolved, links = excluded.links, owner = excluded.owner,
  version = rota_types.version + 1, updated_at = excluded.updated_at
WHERE rota_types.lane <> excluded.lane OR CAST(rota_types.defaults AS text) <> CAST(excluded.defaults AS text)
  OR coalesce(CAST(rota_types.target AS text), '') <> coalesce(CAST(excluded.target AS text), '')
  OR coalesce(CAST(rota_types.args_schema AS text), '') <> coalesce(CAST(excluded.args_schema AS text), '')
  OR coalesce(CAST(rota_types.resolved AS text), '') <> coalesce(CAST(excluded.resolved AS text), '')
  OR coalesce(CAST(rota_types.links AS text), '') <> coalesce(CAST(excluded.links AS text), '')
  OR rota_types.owner <> excluded.owner
RETURNING name
"""


def put(tx: Tx, types: Sequence[JobType]) -> list[str]:
    """Declare job types; return the names of those that are new or changed."""
    return [row[0] for row in tx.rows(PUT, {"batch": batch(types)})]


def get(tx: Tx, name: str) -> JobType | None:
    """Return a job type, or None."""
    row = tx.row(f"SELECT {COLUMNS} FROM rota_types WHERE name = :name", {"name": name})
    return JobType(**dict(zip(JobType.__struct_fields__, row, strict=True))) if row else None


def named(tx: Tx, names: Iterable[str]) -> dict[str, JobType]:
    """Return those job types of these names that there are."""
    sql = f"SELECT {COLUMNS} FROM rota_types WHERE name IN (SELECT n.name FROM {{rows|n|batch|name text}})"
    rows = tx.rows(sql, {"batch": batch([{"name": name} for name in names])})
    return {row[0]: JobType(**dict(zip(JobType.__struct_fields__, row, strict=True))) for row in rows}


def listed(tx: Tx) -> list[JobType]:
    """Return all job types by name."""
    rows = tx.rows(f"SELECT {COLUMNS} FROM rota_types ORDER BY name")
    return [JobType(**dict(zip(JobType.__struct_fields__, row, strict=True))) for row in rows]


def code_names(tx: Tx) -> list[str]:
    """Return the names of the types that need a worker with their code."""
    return [row[0] for row in tx.rows("SELECT name FROM rota_types WHERE lane IN ('async', 'sync') ORDER BY name")]


def delete(tx: Tx, name: str) -> bool:
    """Delete a job type; its jobs stay."""
    return tx.run("DELETE FROM rota_types WHERE name = :name", {"name": name}) == 1
