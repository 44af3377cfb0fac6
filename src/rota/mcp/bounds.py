"""What a tool answers, kept short: who reads it reads all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

TEXT = 2_000
"""Most characters of one text."""
ITEMS = 50
"""Most items of one list, and most that may be asked for."""
DEPTH = 8


def short(value: Any, depth: int = DEPTH) -> Any:
    """Return a document without what says nothing (null), its long texts and lists cut, and that said."""
    if isinstance(value, str):
        return value if len(value) <= TEXT else f"{value[:TEXT]}… ({len(value) - TEXT:,} more characters)"
    if not isinstance(value, (Mapping, list)):
        return value
    if depth == 0:
        return "… (deeper)"
    if isinstance(value, Mapping):
        kept = [(name, one) for name, one in value.items() if one is not None]
        found = {name: short(one, depth - 1) for name, one in kept[:ITEMS]}
        return found if len(kept) <= ITEMS else {**found, "…": f"{len(kept) - ITEMS:,} more fields"}
    shown = [short(one, depth - 1) for one in value[:ITEMS]]
    return shown if len(value) <= ITEMS else [*shown, f"… ({len(value) - ITEMS:,} more)"]


def first(items: Iterable[Any], limit: int, *fields: str) -> dict[str, Any]:
    """Return the first items of a list, of each only these fields, and whether there are more."""
    count = max(1, min(limit, ITEMS))
    found = list(islice(items, count + 1))
    shown = [short({name: one.get(name) for name in fields} if fields else one) for one in found[:count]]
    return {"items": shown, "more": len(found) > count}
