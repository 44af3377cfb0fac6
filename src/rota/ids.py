"""Identifiers: UUID version 7 (RFC 9562), as text, monotonic within a process."""

from __future__ import annotations

import os
import re
import threading
import time

_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_lock = threading.Lock()
_last = 0
_RANDOM_BITS = 62


def new_id() -> str:
    """Return a new UUIDv7; later calls in one process sort after earlier ones.

    The 12 bits after the millisecond hold its fraction (RFC 9562, section 6.2, method 3), raised by one when two
    ids fall together, so that an index on ids grows at its end.
    """
    global _last
    now = time.time_ns()
    stamp = (now // 1_000_000 << 12) | (now % 1_000_000 * 4096 // 1_000_000)
    with _lock:
        stamp = max(stamp, _last + 1)
        _last = stamp
    high = (stamp >> 12 << 16) | 0x7000 | (stamp & 0xFFF)
    low = 0x8000_0000_0000_0000 | (int.from_bytes(os.urandom(8)) >> (64 - _RANDOM_BITS))
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: str) -> bool:
    """Tell whether ``text`` is a UUID in its canonical lower-case form."""
    return _PATTERN.fullmatch(text) is not None


def least_id(at_us: int) -> str:
    """Return the least id that a job created at ``at_us`` (µs UTC) can have: lists page and filter by it."""
    stamp = min(max(0, at_us) // 1000, (1 << 48) - 1)
    text = f"{stamp << 16:016x}{0:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
