"""Named secrets, each in a sealed box."""

from __future__ import annotations

from collections.abc import Iterable

from rota.model import Secret
from rota.store.database import Tx, columns
from rota.store.sql import batch

COLUMNS = columns(Secret.__struct_fields__)
USED_EACH_US = 60_000_000
"""How often it is noted that a secret is used: runs begin more often than that."""

PUT = """
INSERT INTO rota_secrets (name, box, key_id, version, note, created_at, created_by, updated_at, updated_by)
VALUES (:name, :box, :key_id, 1, :note, rota_now(), :by, rota_now(), :by)
ON CONFLICT (name) DO UPDATE SET box = excluded.box, key_id = excluded.key_id, note = excluded.note,
  version = rota_secrets.version + 1, updated_at = excluded.updated_at, updated_by = excluded.updated_by
"""

RESEAL = """
UPDATE rota_secrets SET box = :box, key_id = :key_id
WHERE name = :name AND version = :version AND key_id = :before
"""

NAMED = "name IN (SELECT n.name FROM {rows|n|batch|name text})"

REFERRING = """
SELECT 'schedule', id, target FROM rota_schedules
WHERE target IS NOT NULL
  AND {pg|strpos(CAST(target AS text), :part)}{lite|instr(target, :part)} > 0
UNION ALL
SELECT 'job type', name, target FROM rota_types
WHERE target IS NOT NULL
  AND {pg|strpos(CAST(target AS text), :part)}{lite|instr(target, :part)} > 0
"""


def put(tx: Tx, name: str, box: str, key_id: str, *, note: str | None, by: str | None) -> None:
    """Make a secret, or give the one of that name its next value."""
    tx.run(PUT, {"name": name, "box": box, "key_id": key_id, "note": note, "by": by})


def put_note(tx: Tx, name: str, note: str | None, *, by: str | None) -> None:
    """Say anew what a secret is for."""
    sql = "UPDATE rota_secrets SET note = :note, updated_at = rota_now(), updated_by = :by WHERE name = :name"
    tx.run(sql, {"name": name, "note": note, "by": by})


def get(tx: Tx, name: str, *, lock: bool = False) -> Secret | None:
    """Return a secret in its box, or None; with ``lock`` it stays as it is until the transaction ends."""
    sql = f"SELECT {COLUMNS} FROM rota_secrets WHERE name = :name"
    row = tx.row(f"{sql} {{pg|FOR UPDATE}}" if lock else sql, {"name": name})
    return Secret(*row) if row else None


def named(tx: Tx, names: Iterable[str]) -> dict[str, Secret]:
    """Return those secrets of these names that there are."""
    rows = tx.rows(f"SELECT {COLUMNS} FROM rota_secrets WHERE {NAMED}", {"batch": _batch(names)})
    return {row[0]: Secret(*row) for row in rows}


def listed(tx: Tx) -> list[Secret]:
    """Return all secrets by name."""
    return [Secret(*row) for row in tx.rows(f"SELECT {COLUMNS} FROM rota_secrets ORDER BY name")]


def reseal(tx: Tx, secret: Secret, box: str, key_id: str) -> bool:
    """Put the same value into another box; False where the secret has changed meanwhile."""
    values = {"name": secret.name, "version": secret.version, "before": secret.key_id, "box": box, "key_id": key_id}
    return tx.run(RESEAL, values) == 1


def not_lately(tx: Tx, names: Iterable[str]) -> list[str]:
    """Return those of these secrets whose use was not noted for a while."""
    sql = f"""
    SELECT name FROM rota_secrets
    WHERE {NAMED} AND coalesce(used_at, 0) < rota_now() - {USED_EACH_US}
    """
    return [row[0] for row in tx.rows(sql, {"batch": _batch(names)})]


def used(tx: Tx, names: Iterable[str]) -> None:
    """Note that secrets are used now."""
    sql = f"UPDATE rota_secrets SET used_at = rota_now() WHERE {NAMED}"
    tx.run(sql, {"batch": _batch(names)})


def delete(tx: Tx, name: str) -> bool:
    """Delete a secret."""
    return tx.run("DELETE FROM rota_secrets WHERE name = :name", {"name": name}) == 1


def mentioning(tx: Tx, part: str) -> list[tuple[str, str, str]]:
    """Return (kind, id, target) of schedules and job types whose target has ``part`` in it."""
    return [(row[0], row[1], row[2]) for row in tx.rows(REFERRING, {"part": part})]


def _batch(names: Iterable[str]) -> str:
    return batch([{"name": name} for name in sorted(set(names))])
