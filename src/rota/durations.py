"""Durations as people write them: ``500ms``, ``30s``, ``5m``, ``2h``, ``7d`` and sums such as ``1h30m``."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from rota.errors import Invalid

MICROSECOND = 1
MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LONGEST = 36_525 * DAY
"""The longest duration accepted: a hundred years."""

_UNITS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": MILLISECOND}
_PART = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,18}))?(ms|[dhms])", re.ASCII)
_HINT = "write for example 500ms, 30s, 5m, 2h, 7d or 1h30m"
_LONGEST_TEXT = 64


def parse_duration(value: str | float | timedelta, field: str = "duration", *, minimum_us: int = 0) -> int:
    """Return a duration in microseconds.

    A text is a sum of parts, larger units first (``d h m s ms``), each at most once; fractions are exact
    (``1.5h``).  A number counts seconds.  Raises `Invalid` for ``field`` when the value is anything else,
    negative, below ``minimum_us`` or above `LONGEST`.
    """
    if isinstance(value, str):
        duration = _parse_text(value, field)
    elif isinstance(value, timedelta):
        duration = value // timedelta(microseconds=1)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        duration = _parse_seconds(value, field)
    else:
        raise Invalid(field, f"a duration is a text or a number of seconds, not {type(value).__name__}", hint=_HINT)
    if duration < 0:
        raise Invalid(field, "a duration is not negative", hint=_HINT)
    if duration < minimum_us:
        raise Invalid(field, f"{format_duration(duration)} is below the least allowed, {format_duration(minimum_us)}")
    if duration > LONGEST:
        raise Invalid(field, f"longer than {format_duration(LONGEST)}, the longest duration allowed")
    return duration


def format_duration(microseconds: int) -> str:
    """Write microseconds as `parse_duration` reads them, in the fewest parts: ``1h30m``, ``0s``, ``0.25ms``."""
    if microseconds < 0:
        return "-" + format_duration(-microseconds)
    parts = []
    rest = microseconds
    for unit, size in _UNITS.items():
        if size == MILLISECOND:
            break
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    if rest:
        whole, fraction = divmod(rest, MILLISECOND)
        parts.append(f"{whole}.{fraction:03d}".rstrip("0").rstrip(".") + "ms" if fraction else f"{whole}ms")
    return "".join(parts) or "0s"


def _parse_seconds(seconds: float, field: str) -> int:
    if isinstance(seconds, int):  # of any size: one of 400 digits is no float
        return seconds * SECOND
    if not math.isfinite(seconds):
        raise Invalid(field, f"{seconds} is not a number of seconds", hint=_HINT)
    return round(min(max(seconds, -LONGEST), LONGEST) * SECOND)  # the largest ones have no product


def _parse_text(text: str, field: str) -> int:
    stripped = text.strip(" ")
    if not stripped:
        raise Invalid(field, "a duration is empty", hint=_HINT)
    if len(stripped) > _LONGEST_TEXT:
        raise Invalid(field, f"a duration is longer than {_LONGEST_TEXT} characters", hint=_HINT)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", stripped, re.ASCII):
        raise Invalid(
            field, f"{stripped!r} has no unit", hint=f"write {stripped}s for seconds" if float(stripped) else _HINT
        )
    total = 0
    smallest = math.inf
    position = 0
    while position < len(stripped):
        part = _PART.match(stripped, position)
        if part is None:
            where = f": {stripped[position:]!r} is no part of one" if position else ""
            raise Invalid(field, f"{stripped!r} is not a duration{where}", hint=_HINT)
        size = _UNITS[part[3]]
        if size >= smallest:
            raise Invalid(field, f"{stripped!r} repeats a unit or has a larger one behind a smaller", hint=_HINT)
        smallest = size
        total += int(part[1]) * size + _fraction(part[2] or "", size, stripped, field)
        position = part.end()
        while stripped[position : position + 1] == " ":
            position += 1
    return total


def _fraction(digits: str, size: int, text: str, field: str) -> int:
    scale: int = 10 ** len(digits)
    microseconds, remainder = divmod(int(digits or "0") * size, scale)
    if remainder:
        raise Invalid(field, f"{text!r} is finer than a microsecond")
    return microseconds
