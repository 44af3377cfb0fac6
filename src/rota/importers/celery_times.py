"""Times of Celery beat: fields of ``crontab(…)`` as Celery's own parser reads them, written as cron does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rota.errors import Invalid

FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
"""Of ``crontab(…)``, in its own order."""
SPANS = {"minute": (0, 59), "hour": (0, 23), "day_of_week": (0, 6), "day_of_month": (1, 31), "month_of_year": (1, 12)}
ORDER = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
"""Of cron."""
UNITS = {"weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1, "milliseconds": 0.001}
DELTA = ("days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks")
"""The arguments of ``timedelta``, in its own order."""
MOST_NUMBERS = 1000
_NAMES = {
    "day_of_week": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
    "month_of_year": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
}
_PART = re.compile(r"(?:(?P<star>\*)|(?P<first>\w+?)-(?P<last>\w+))(?:/(?P<step>[0-9]+))?|(?P<only>\w+)", re.ASCII)

Rule = tuple[dict[str, Any], str]
"""The rule, and what is shown of it."""


def every(seconds: Any) -> Rule:
    """Return the rule of an interval; raises Invalid."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise Invalid("", f"the schedule {str(seconds)[:60]!r} is neither seconds nor crontab(…)")
    said = int(seconds) if float(seconds).is_integer() else seconds
    return {"every": f"{said}s" if isinstance(said, int) else said}, f"@every {said}s"


def delta(said: Mapping[str, Any]) -> float:
    """Return the seconds of a ``timedelta``; raises Invalid."""
    total = 0.0
    for name, value in said.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Invalid("", f"{name} is no number")
        total += value * (1e-6 if name == "microseconds" else UNITS[name])
    return total


def from_string(text: Any) -> Rule:
    """Return the rule of five fields in cron's order; raises Invalid."""
    fields = text.split() if isinstance(text, str) else []
    if len(fields) != 5:
        raise Invalid("", f"{str(text)[:60]!r} is no crontab of five fields")
    return crontab(dict(zip(ORDER, fields, strict=True)))


def crontab(said: Mapping[str, Any]) -> Rule:
    """Return the rule of ``crontab(…)``; raises Invalid.  Every field must match in Celery, both fields of days too."""
    fields = {name: _field(name, said.get(name, "*")) for name in FIELDS}
    cron = " ".join(fields[name] for name in ORDER)
    both = fields["day_of_month"] != "*" and fields["day_of_week"] != "*"
    return {"cron": cron, **({"dayMatch": "and"} if both else {})}, cron


def _field(name: str, value: Any) -> str:
    if isinstance(value, list):
        if not 0 < len(value) <= MOST_NUMBERS:
            raise Invalid("", f"{name} is no time")
        return ",".join(_field(name, one) for one in value)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Invalid("", f"{name} is no time")
    parts = [_part(name, part.strip()) for part in str(value).split(",")]
    return "*" if "*" in parts else ",".join(parts)


def _part(name: str, text: str) -> str:
    """Write one part as cron does: its own words where they mean the same, else its numbers."""
    found, (low, high) = _PART.fullmatch(text), SPANS[name]
    step = int((found["step"] or "1") if found else 0)
    if found is None or step < 1:
        raise Invalid("", f"{name}: Celery does not read {text[:40]!r}")
    if found["star"]:
        return "*" if step == 1 else f"*/{step}" if step <= high - low else str(low)
    if found["only"]:
        return _said(name, found["only"])
    first, last = _number(name, found["first"]), _number(name, found["last"])
    if first <= last:
        words = f"{_said(name, found['first'])}-{_said(name, found['last'])}"
        return words if step == 1 else f"{words}/{step}" if step <= last - first else str(first)
    numbers = [*range(first, high + 1), *range(low, last + 1)]  # over the end, which cron does not read
    return ",".join(map(str, numbers[::step]))


def _number(name: str, word: str) -> int:
    low, high = SPANS[name]
    if word.isdigit():
        number = int(word[:9])
    else:
        names = _NAMES.get(name, ())
        number = names.index(word[:3].lower()) + low if word[:3].lower() in names else -1
    if not low <= number <= high:
        raise Invalid("", f"{name} {word[:40]!r} is not within {low}-{high}")
    return number


def _said(name: str, word: str) -> str:
    number = _number(name, word)
    return str(number) if word.isdigit() else word[:3].upper()
