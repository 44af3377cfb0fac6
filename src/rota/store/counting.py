"""Counts that are never slow: beyond a cap nobody needs them exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rota.store.database import Tx

COUNT_CAP = 10_000
"""Up to here lists say how long they are."""


def count_up_to(tx: Tx, table: str, condition: str = "true", params: Mapping[str, Any] | None = None) -> int:
    """Return how many rows of a table there are, one more than the cap at most."""
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {condition} LIMIT :most) c"
    return int(tx.value(sql, {**(params or {}), "most": COUNT_CAP + 1}))
