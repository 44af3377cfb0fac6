"""Cron expressions of other libraries, written in the words in which Rota means the same."""

from __future__ import annotations

import re

from rota.errors import Invalid
from rota.timetable.cron import parse_cron

GREATEST = (59, 23, 31, 12, 7)
"""Of minute, hour, day of month, month and day of week."""
DAY, WEEKDAY = 2, 4
"""Where the fields of days stand, in expressions of five fields and of six whose last one is the second."""
_ALL_OF_IT = {DAY: "1-31", WEEKDAY: "0-6"}
_STARS = frozenset(("*", "?", "*/1", "?/1"))
_STEP = re.compile(r"[*?]/([0-9]+)")
_PLAIN = re.compile(r"[*?]|[0-9]+|[A-Za-z]{3}", re.ASCII)
_FROM_THERE = re.compile(r"(?:.*,)?([0-9A-Za-z]+)/([0-9]+)(?:,.*)?", re.ASCII)
_WEEKDAY_ON = re.compile(r"\A([0-7]|[A-Za-z]{3})/([0-9]+)\Z", re.ASCII)
_SEVEN_ON = re.compile(r"(?<![0-9-])7/")
_RANGE = re.compile(r"([0-9]+|[A-Za-z]{3})-([0-9]+|[A-Za-z]{3})(?:/[0-9]+)?", re.ASCII)


def either_day(cron: str, *, stars: frozenset[str] = _STARS) -> str:
    """Write an expression of a library that looks for either day field where both are restricted, ``*/2`` too.

    Cron takes what begins with a star for a star; ``stars`` are the terms that the library takes for one.  Macros, and
    expressions that are none, stay as they are.
    """
    fields = cron.split()
    if len(fields) not in (5, 6):
        return cron
    fields = ["*" if not stars.isdisjoint(field.split(",")) else field for field in fields]
    if fields[DAY] != "*" and fields[WEEKDAY] != "*":
        for place, all_of_it in _ALL_OF_IT.items():
            fields[place] = ",".join(_STEP.sub(rf"{all_of_it}/\1", term) for term in fields[place].split(","))
    return " ".join(_week_ends_with_saturday(fields))


def croniter_days(cron: str) -> str:
    """Write an expression of croniter, as RQ reads it; raises Invalid for what Rota would read otherwise.

    A day field that names every day is a star for croniter where the other one has a star in it.
    """
    fields = cron.split()
    if len(fields) not in (5, 6):
        return cron
    for field in fields:
        _check_croniter(field)
    day, weekday = fields[DAY], _SEVEN_ON.sub("0/", fields[WEEKDAY])
    if "#" in weekday and day not in ("*", "?"):
        raise Invalid("", "# beside a day of the month: croniter and cron do not agree which days that are")
    fields[DAY] = "*" if "*" in weekday and _is_whole(DAY, day) else day
    fields[WEEKDAY] = "*" if "*" in day and _is_whole(WEEKDAY, weekday) else weekday
    return either_day(" ".join(fields), stars=frozenset("*?"))


def both_days(cron: str) -> dict[str, str]:
    """Return the rule of an expression of a library where both day fields have to match, whatever they look like."""
    fields = cron.split()
    if len(fields) != 5:
        return {"cron": cron}
    both = fields[DAY] != "*" and fields[WEEKDAY] != "*"
    return {"cron": " ".join(_week_ends_with_saturday(fields)), **({"dayMatch": "and"} if both else {})}


def check_plain(cron: str, whose: str) -> None:
    """Raise Invalid for what Rota would read and that system does not: ``H``, ``L``, ``W``, ``#``."""
    if cron.startswith("@"):
        return
    for field in cron.split():
        for word in re.split(r"[,/-]", field):
            if not _PLAIN.fullmatch(word):
                raise Invalid("", f"{whose} does not read the field {field[:40]!r}")


def check_lone_step(field: str, greatest: int) -> None:
    """Raise Invalid for ``5/15``, where nobody says which library reads it."""
    if found := _FROM_THERE.fullmatch(field):
        hint = f"say {found[1][:9]}-{greatest}/{found[2][:9]}, or {found[1][:9]}"
        raise Invalid("", f"{field[:40]}: crons do not agree on a step without a range", hint=hint)


def _week_ends_with_saturday(fields: list[str]) -> list[str]:
    """Write out where ``1/2`` ends: with Saturday in these libraries, and with Sunday, the 7, in Rota."""
    days = ",".join(_WEEKDAY_ON.sub(r"\1-6/\2", term) for term in fields[WEEKDAY].split(","))
    return [*fields[:WEEKDAY], days, *fields[WEEKDAY + 1 :]]


def _check_croniter(field: str) -> None:
    if "?" in field and field != "?":
        raise Invalid("", f"croniter does not read the field {field[:40]!r}")
    for term in field.split(","):
        found = _RANGE.fullmatch(term)
        if found and found[1].lstrip("0").lower() == found[2].lstrip("0").lower():
            raise Invalid("", f"{term[:40]}: croniter takes a range from a number to itself for all there are")


def _is_whole(place: int, field: str) -> bool:
    fields = ["0", "0", "*", "*", "*"]
    fields[place] = field
    days = parse_cron(" ".join(_week_ends_with_saturday(fields))).days
    return days.days_of_month == (1 << 31) - 1 if place == DAY else days.weekdays == (1 << 7) - 1
