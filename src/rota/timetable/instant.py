"""Instants as people and programs write them: RFC 3339 with an offset, to microseconds since 1970 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from rota.errors import Invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_US = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z, the earliest instant."""
LAST_US = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z, the latest instant."""

_NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII,
)
_HINT = "write it as RFC 3339, for example 2026-11-21T10:00:00Z or 2026-11-21T11:00:00+01:00"
_LONGEST_TEXT = 40


def parse_instant(value: str | datetime, field: str) -> int:
    """Return an instant in microseconds since 1970 in UTC.

    ``value`` is RFC 3339 (seconds may be left out; finer than a microsecond is cut off) or an aware `datetime`.
    Raises `Invalid` for ``field`` when it has no offset, does not exist or lies outside the years 1 to 9999.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        moment = _parse_text(value.strip(" "), field)
    else:
        raise Invalid(field, f"a time is a text or a datetime, not {type(value).__name__}", hint=_HINT)
    if moment.utcoffset() is None:
        written = moment.replace(tzinfo=None).isoformat()
        raise Invalid(
            field,
            f"{written} does not say which offset from UTC it is in",
            hint=f"add Z or an offset, as in {written}Z or {written}+02:00; in Python give the datetime a tzinfo",
        )
    instant = (moment - EPOCH) // timedelta(microseconds=1)
    if not FIRST_US <= instant <= LAST_US:
        raise Invalid(field, "the time lies outside the years 1 to 9999 in UTC")
    return instant


def format_instant(instant_us: int) -> str:
    """Write an instant as RFC 3339 in UTC, with milliseconds or finer only where there are any."""
    moment = EPOCH + timedelta(microseconds=instant_us)
    return moment.replace(tzinfo=None).isoformat().removesuffix("000") + "Z"


def format_millis(instant_us: int) -> str:
    """Write an instant as RFC 3339 in UTC, always with milliseconds: ``2026-11-21T09:00:00.000Z``."""
    # Not strftime: it is slower, and writes the year 1 as "1".
    return (_NAIVE_EPOCH + timedelta(microseconds=instant_us)).isoformat("T", "milliseconds") + "Z"


def bounded(instant_us: int) -> int:
    """Return an instant that was computed, or the end of all time where it lies beyond that."""
    return min(max(instant_us, FIRST_US), LAST_US)


def _parse_text(text: str, field: str) -> datetime:
    if len(text) > _LONGEST_TEXT:
        raise Invalid(field, f"a time is longer than {_LONGEST_TEXT} characters", hint=_HINT)
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise Invalid(field, f"{text!r} is not a time" if text else "a time is empty", hint=_HINT)
    year, month, day, hour, minute = (int(match[group]) for group in range(1, 6))
    if match[6] == "60":
        raise Invalid(field, f"{text!r}: leap seconds are not known, the last second is 59")
    fraction = int((match[7] or "")[:6].ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, int(match[6] or 0), fraction, _offset(match[8]))
    except ValueError as error:
        raise Invalid(field, f"{text!r} does not exist: {error}", hint=_HINT) from None


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if minutes > 59:
        raise ValueError("minutes of the offset must be in 0..59")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
