"""API tokens, stored hashed, and answers remembered for idempotency keys."""

from __future__ import annotations

from typing import Any

from rota.ids import is_id
from rota.store.database import Tx


def add(tx: Tx, token_id: str, name: str, role: str, digest: str, *, by: str | None, expires_at: int | None) -> None:
    """Store a token by its digest."""
    sql = """
    INSERT INTO rota_tokens (id, name, role, hash, created_by, created_at, expires_at)
    VALUES (:id, :name, :role, :hash, :by, rota_now(), :expires)
    """
    tx.run(sql, {"id": token_id, "name": name, "role": role, "hash": digest, "by": by, "expires": expires_at})


def find(tx: Tx, digest: str) -> dict[str, Any] | None:
    """Return {id, name, role} of the valid token with this digest."""
    sql = """
    SELECT id, name, role FROM rota_tokens
    WHERE hash = :hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > rota_now())
    """
    found = tx.dicts(sql, {"hash": digest})
    return found[0] if found else None


def touch(tx: Tx, token_id: str) -> None:
    """Note that a token was used; at most once a minute, so that reads stay reads."""
    sql = """
    UPDATE rota_tokens SET last_used_at = rota_now()
    WHERE id = :id AND coalesce(last_used_at, 0) < rota_now() - 60000000
    """
    tx.run(sql, {"id": token_id})


def listed(tx: Tx) -> list[dict[str, Any]]:
    """Return all tokens without their digests."""
    return tx.dicts("""
    SELECT id, name, role, created_by, created_at, expires_at, last_used_at, revoked_at FROM rota_tokens ORDER BY id
    """)


def revoke(tx: Tx, token_id: str) -> dict[str, Any] | None:
    """End a token; return what it is called and its role, None where there was none to end."""
    sql = "UPDATE rota_tokens SET revoked_at = rota_now() WHERE id = :id AND revoked_at IS NULL RETURNING name, role"
    found = tx.dicts(sql, {"id": token_id}) if is_id(token_id) else []
    return found[0] if found else None


def remembered(tx: Tx, key: str) -> tuple[str, int, str] | None:
    """Return (request hash, status, body) of the answer given for an idempotency key."""
    row = tx.row("SELECT request_hash, status, body FROM rota_idempotency WHERE key = :key", {"key": key})
    return (row[0], row[1], row[2]) if row else None


def remember(tx: Tx, key: str, request_hash: str, status: int, body: str) -> bool:
    """Remember an answer; False when another request with the key was quicker."""
    sql = """
    INSERT INTO rota_idempotency (key, request_hash, status, body, created_at)
    VALUES (:key, :hash, :status, {json|:body}, rota_now()) ON CONFLICT DO NOTHING
    """
    return tx.run(sql, {"key": key, "hash": request_hash, "status": status, "body": body}) == 1
