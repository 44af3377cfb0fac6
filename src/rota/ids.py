"""Identifiers: UUID version 7 (RFC 9562), as text, monotonic within a process."""

from __future__ import annotations

import os
import re
import struct
import threading
import time
from collections.abc import Iterator

_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_lock = threading.Lock()
_last = 0
_RANDOM_BITS = 62
_DRAWN_AT_ONCE = 128
_drawn: Iterator[tuple[int, ...]] = iter(())


def new_id() -> str:
    """Return a new UUIDv7; later calls in one process sort after earlier ones.

    The 12 bits after the millisecond hold its fraction (RFC 9562, section 6.2, method 3), raised by one when two
    ids fall together, so that an index on ids grows at its end.
    """
    global _last, _drawn
    now = time.time_ns()
    stamp = (now // 1_000_000 << 12) | (now % 1_000_000 * 4096 // 1_000_000)
    with _lock:
        if stamp <= _last:
            stamp = _last + 1
        _last = stamp
        drawn = next(_drawn, None)
        if drawn is None:  # many at once, since to ask the system takes longer than all else here
            _drawn = struct.iter_unpack("=Q", os.urandom(8 * _DRAWN_AT_ONCE))
            drawn = next(_drawn)
    low = 0x8000_0000_0000_0000 | (drawn[0] >> (64 - _RANDOM_BITS))
    return (
        f"{stamp >> 28:08x}-{stamp >> 12 & 0xFFFF:04x}-7{stamp & 0xFFF:03x}"
        f"-{low >> 48:04x}-{low & 0xFFFF_FFFF_FFFF:012x}"
    )


def _forget_drawn() -> None:
    """In a forked process: leave the random bits to the parent, which will use them too."""
    global _drawn
    _drawn = iter(())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_drawn)


def is_id(text: str) -> bool:
    """Tell whether ``text`` is a UUID in its canonical lower-case form."""
    return _PATTERN.fullmatch(text) is not None


def least_id(at_us: int) -> str:
    """Return the least id that a job created at ``at_us`` (µs UTC) can have: lists page and filter by it."""
    stamp = min(max(0, at_us) // 1000, (1 << 48) - 1)
    text = f"{stamp << 16:016x}{0:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
