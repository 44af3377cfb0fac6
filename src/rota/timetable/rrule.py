"""RRULE of RFC 5545, as the library reads it, turned into a `Recurrence`; what is not known is refused, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from rota.errors import Invalid
from rota.timetable.recurrence import Frequency, Recurrence
from rota.timetable.wallclock import DAY_SECONDS

MOST_COUNTED = 20_000
"""The greatest COUNT."""
_YEAR = 366
_YEARS_SEARCHED = 400
_YEAR_COSTS: dict[Frequency, int] = {"daily": 20, "weekly": 10, "monthly": 4, "yearly": 2}
_FREQUENCIES: dict[str, Frequency] = {
    "DAILY": "daily",
    "WEEKLY": "weekly",
    "MONTHLY": "monthly",
    "YEARLY": "yearly",
}
_WEEKDAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_PARTS = frozenset(
    ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYDAY", "BYSETPOS", "WKST")
)


def read_rule(parts: Any, start: int, wall_of: Callable[[Any], int], spend: Callable[[int], None]) -> Recurrence:
    """Return the recurrence of an event that begins at ``start`` (seconds on the wall).

    ``wall_of`` says what the event's clock shows at the time of UNTIL; ``spend`` is told how much was looked at, and
    raises when that is too much.  Raises Invalid for no field.
    """
    if isinstance(parts, list):
        raise Invalid("", "it has several RRULE")
    name = str(_one(parts, "FREQ", "")).upper()
    unknown = sorted(str(part).upper() for part in parts if str(part).upper() not in _PARTS)
    if unknown or name not in _FREQUENCIES:
        what = unknown[0] if unknown else f"FREQ={name[:20]}"
        raise Invalid("", f"{what} of RRULE is not known", hint="events recur by days, weeks, months or years")
    frequency = _FREQUENCIES[name]
    weekdays = tuple(_weekday(str(text)) for text in _all(parts, "BYDAY"))
    if frequency in ("daily", "weekly") and any(place for _, place in weekdays):
        raise Invalid("", f"a number in BYDAY does not go with FREQ={name}")
    for part, suits in (("BYMONTHDAY", frequency != "weekly"), ("BYYEARDAY", frequency == "yearly")):
        if _all(parts, part) and not suits:
            raise Invalid("", f"{part} does not go with FREQ={name}")
    until = _one(parts, "UNTIL", None)
    rule = Recurrence(
        frequency,
        _number(_one(parts, "INTERVAL", 1), "INTERVAL", 1, 10_000),
        None if until is None else wall_of(until) + (0 if isinstance(until, datetime) else DAY_SECONDS - 1),
        _numbers(parts, "BYMONTH", 12, signed=False),
        _numbers(parts, "BYMONTHDAY", 31),
        _numbers(parts, "BYYEARDAY", 366),
        weekdays,
        _numbers(parts, "BYSETPOS", 366),
        _weekday(str(_one(parts, "WKST", "MO")))[0],
    )
    count = _one(parts, "COUNT", None)
    if count is None:
        return rule
    if until is not None:
        raise Invalid("", "RRULE has both COUNT and UNTIL")
    return _counted(rule, start, _number(count, "COUNT", 1, MOST_COUNTED), spend)


def _counted(rule: Recurrence, start: int, count: int, spend: Callable[[int], None]) -> Recurrence:
    """Put the last of ``count`` recurrences, the first start included, in place of the count."""
    first = last = start // DAY_SECONDS
    missing = count - 1
    low = first + 1
    # Looked for year by year, since it may be that no further one ever comes.
    for _ in range(_YEARS_SEARCHED):
        if missing <= 0:
            break
        found = list(islice(rule.days(first, low, low + _YEAR - 1), missing))
        spend(_YEAR_COSTS[rule.frequency] + len(found))
        missing -= len(found)
        last = found[-1] if found else last
        low += _YEAR
    return msgspec.structs.replace(rule, until=last * DAY_SECONDS + start % DAY_SECONDS)


def _all(parts: Any, name: str) -> list[Any]:
    value = parts.get(name, [])
    return value if isinstance(value, list) else [value]


def _one(parts: Any, name: str, default: Any) -> Any:
    values = _all(parts, name)
    if len(values) > 1:
        raise Invalid("", f"{name} of RRULE has several values")
    return values[0] if values else default


def _number(value: Any, name: str, low: int, high: int) -> int:
    number = int(str(value))
    if not low <= number <= high:
        raise Invalid("", f"{name}={number} of RRULE is not in {low}-{high}")
    return number


def _numbers(parts: Any, name: str, high: int, *, signed: bool = True) -> tuple[int, ...]:
    found = {_number(value, name, -high if signed else 1, high) for value in _all(parts, name)}
    if 0 in found:
        raise Invalid("", f"{name}=0 of RRULE names nothing")
    return tuple(sorted(found))


def _weekday(text: str) -> tuple[int, int]:
    name, place = text[-2:].upper(), text[:-2]
    if name not in _WEEKDAYS:
        raise Invalid("", f"{text[:20]!r} of RRULE is no weekday")
    if place in ("", "+"):
        return _WEEKDAYS.index(name), 0
    number = _number(place, "BYDAY", -53, 53)
    if not number:
        raise Invalid("", "BYDAY=0 of RRULE names nothing")
    return _WEEKDAYS.index(name), number
