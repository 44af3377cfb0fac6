"""Facts about the whole system: the watermark, the clock of the schedulers."""

from __future__ import annotations

from rota.store.database import Tx

ACCOUNTED_TO = "accounted_to"
SESSION_SECRET = "session_secret"


def get(tx: Tx, key: str) -> str | None:
    """Return a fact, or None."""
    found: str | None = tx.value("SELECT value FROM rota_meta WHERE key = :key", {"key": key})
    return found


def put(tx: Tx, key: str, value: str) -> None:
    """Store a fact."""
    sql = """
    INSERT INTO rota_meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value
    """
    tx.run(sql, {"key": key, "value": value})


def kept(tx: Tx, key: str, value: str) -> str:
    """Store a fact unless there is one; return the one that is there, the same for all who come at once."""
    sql = "INSERT INTO rota_meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING"
    tx.run(sql, {"key": key, "value": value})
    return get(tx, key) or value


def accounted_to(tx: Tx) -> int | None:
    """Return up to which moment every due instant is accounted for, µs UTC; None before the first tick."""
    found = get(tx, ACCOUNTED_TO)
    return int(found) if found else None


def raise_accounted_to(tx: Tx, at_us: int) -> None:
    """Move the watermark forward; several schedulers write it, and it never goes back.

    But for one that lies in the future, since the clock was set back: it would hide a standstill until then.
    """
    sql = """
    INSERT INTO rota_meta (key, value) VALUES ('accounted_to', CAST(CAST(:at AS bigint) AS text))
    ON CONFLICT (key) DO UPDATE SET value = excluded.value
    WHERE CAST(rota_meta.value AS bigint) < CAST(excluded.value AS bigint)
      OR CAST(rota_meta.value AS bigint) > rota_now()
    """
    tx.run(sql, {"at": at_us})
