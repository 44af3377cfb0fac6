"""Errors alike: what is left of their texts when all that differs from run to run is taken out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from rota.store.failures import Failure

_PARTS = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "#"),
    (re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`"), "'#'"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "#"),
    (re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{8,}\b", re.IGNORECASE), "#"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
    (re.compile(r"\s+"), " "),
)
LONGEST = 300


class Alike(msgspec.Struct):
    """Failures of one type and queue with the same fingerprint; times are µs UTC."""

    fingerprint: str
    message: str
    """The error of the last one."""
    type: str | None
    queue: str
    count: int
    first_at: int
    last_at: int
    last_id: str


def normal(text: str) -> str:
    """Return a text without numbers, ids and what is quoted."""
    text = text.partition("\n")[0]
    for pattern, replacement in _PARTS:
        text = pattern.sub(replacement, text)
    return text.strip()[:LONGEST]


def group(failures: Iterable[Failure]) -> list[Alike]:
    """Return failures, given from the latest on, grouped; the group with the latest first."""
    found: dict[tuple[str, str | None, str], Alike] = {}
    for one in failures:
        key = normal(one.error or ""), one.type, one.queue
        alike = found.get(key)
        if alike is None:
            digest = hashlib.sha256("\0".join((key[0], one.type or "", one.queue)).encode("utf-8", "replace"))
            found[key] = Alike(digest.hexdigest()[:16], one.error or "", one.type, one.queue, 1, one.at, one.at, one.id)
        else:
            alike.count += 1
            alike.first_at = min(alike.first_at, one.at)
    return list(found.values())
