"""The numbers behind ``H``: the same for a schedule for ever and on every machine, spread evenly over schedules."""

from __future__ import annotations

from hashlib import sha256


def hashed_number(key: str, field: str, low: int, high: int) -> int:
    """Return a number from ``low`` to ``high`` that depends on nothing but the arguments.

    Changing this moves the fire times of every schedule that uses ``H``.
    """
    digest = sha256(f"{field}\0{key}".encode()).digest()
    return low + int.from_bytes(digest[:8], "big") % (high - low + 1)
