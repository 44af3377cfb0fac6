"""Ids of browser sessions that were ended before their time, kept among the facts until they would have ended."""

from __future__ import annotations

from rota.store import meta
from rota.store.database import Tx

_PREFIX = "ended-session/"


def has(tx: Tx, session: str) -> bool:
    """Tell whether a session was ended."""
    return meta.get(tx, _PREFIX + session) is not None


def add(tx: Tx, session: str, until_s: int) -> None:
    """Remember that a session was ended which would have lasted until then, and forget those that no longer matter."""
    sql = "DELETE FROM rota_meta WHERE substr(key, 1, 14) = :prefix AND value < :now"
    tx.run(sql, {"prefix": _PREFIX, "now": _text(tx.now() // 1_000_000)})
    meta.put(tx, _PREFIX + session, _text(until_s))


def _text(seconds: int) -> str:
    """Return a time as a text whose order is that of the times."""
    return f"{seconds:012d}"
