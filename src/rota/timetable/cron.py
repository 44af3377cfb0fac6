"""Cron expressions, read as Debian's cron daemon reads them: from text to sets of numbers, or a refusal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from rota.errors import Invalid
from rota.timetable.days import LAST_OF_MONTH, DayPattern, bits
from rota.timetable.hashed import hashed_number

LONGEST_EXPRESSION = 256
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_EXAMPLE = "five fields are minute hour day-of-month month day-of-week, as in 0 9 * * MON"
_HASHED = re.compile(r"H(?:\(([0-9]+)-([0-9]+)\))?", re.ASCII)
_USES_HASH = re.compile(r"(?<![A-Z])H(?![A-Z])")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    hash_high: int | None = None
    """The highest number `H` chooses, where that is not the highest there is."""


_SECOND = _Field("second", 0, 59)
_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY_OF_MONTH = _Field("day-of-month", 1, 31, hash_high=28)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTH = _Field("month", 1, 12, _MONTHS)
_DAY_OF_WEEK = _Field("day-of-week", 0, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), hash_high=6)


@dataclass(frozen=True, slots=True)
class CronExpression:
    """What a cron expression names; sets of numbers are integers with one bit for each."""

    seconds: int
    minutes: int
    hours: int
    days: DayPattern
    fixed: bool
    """Whether neither the minute nor the hour field begins with ``*``."""
    fields: tuple[str, ...]
    """The texts of minute, hour, day of month, month and day of week, in capitals."""


def parse_cron(
    text: str, *, seconds: str | None = None, match_both: bool = False, key: str | None = None
) -> CronExpression:
    """Read an expression of five fields, of six where ``seconds`` says ``first`` or ``last``, or a macro.

    ``match_both`` demands day of month and day of week together, whatever the fields look like.  ``key`` decides the
    numbers of `H`.  Raises `Invalid` for ``cron`` with the field of the expression that is wrong.
    """
    fields = _split(text, seconds)
    uses_hash = _USES_HASH.search(" ".join(fields)) is not None
    if uses_hash and key is None:
        _refuse("H is computed from the schedule's id, and there is none", "give the id, or write a number")
    # Without H the key plays no part, and expressions shared by many schedules are read once.
    return _parse_fields(fields, seconds == "first", match_both, key if key is not None and uses_hash else "")


def _split(text: str, seconds: str | None) -> tuple[str, ...]:
    if len(text) > LONGEST_EXPRESSION:
        _refuse(f"{len(text)} characters are more than {LONGEST_EXPRESSION}, the most that an expression may have")
    strange = re.search(r"[^\t -~]", text.strip())
    if strange:
        _refuse(f"the character {strange[0]!r} does not belong in an expression", _EXAMPLE)
    fields = text.upper().split()
    if not fields:
        _refuse("the expression is empty", _EXAMPLE)
    if fields[0].startswith("@"):
        return _expand_macro(text.strip())
    if len(fields) == 6 and seconds is None:
        _refuse(
            "six fields are ambiguous: is the first the second, or the last?",
            'say seconds "first" or "last", or remove a field',
        )
    if len(fields) != 5 and not (len(fields) == 6 and seconds):
        some = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
        _refuse(f"{some} instead of {'5 or 6' if seconds else '5'}", _EXAMPLE)
    return tuple(fields)


def _expand_macro(text: str) -> tuple[str, ...]:
    macro = text.lower()
    if macro == "@reboot":
        _refuse("@reboot names no time", "give a time; onStart runs a schedule once when it is made")
    if macro not in MACROS:
        _refuse(f"there is no macro {text}", f"there are {' '.join(MACROS)}, @every 90s and @at TIME")
    return tuple(MACROS[macro].split())


@lru_cache(maxsize=4096)
def _parse_fields(fields: tuple[str, ...], seconds_first: bool, match_both: bool, key: str) -> CronExpression:
    second = "0"
    if len(fields) == 6:
        second, fields = (fields[0], fields[1:]) if seconds_first else (fields[5], fields[:5])
    minute, hour, day_of_month, month, day_of_week = fields
    star = day_of_month.startswith("*") or day_of_week.startswith("*")
    days = _parse_days(day_of_month, month, day_of_week, match_both or star, key)
    if not days.ever():
        at_fault = f"{day_of_month} {month} {day_of_week}"
        _refuse(f"it can never fire: no day is ever {at_fault!r} (day-of-month month day-of-week)")
    return CronExpression(
        seconds=bits(_parse_numbers(_SECOND, second, key)),
        minutes=bits(_parse_numbers(_MINUTE, minute, key)),
        hours=bits(_parse_numbers(_HOUR, hour, key)),
        days=days,
        fixed=not minute.startswith("*") and not hour.startswith("*"),
        fields=fields,
    )


def _parse_days(day_of_month: str, month: str, day_of_week: str, both: bool, key: str) -> DayPattern:
    last_days = {"L": False, "LW": False}
    dates: set[int] = set()
    for term in _terms(_DAY_OF_MONTH, day_of_month):
        if term in last_days:
            last_days[term] = True
        else:
            dates |= _parse_term(_DAY_OF_MONTH, term, key)
    weekdays: set[int] = set()
    nth_weekdays: set[tuple[int, int]] = set()
    for term in _terms(_DAY_OF_WEEK, day_of_week):
        nth = _parse_nth_weekday(term)
        if nth:
            nth_weekdays.add(nth)
        else:
            weekdays |= {number % 7 for number in _parse_term(_DAY_OF_WEEK, term, key)}
    return DayPattern(
        months=bits(_parse_numbers(_MONTH, month, key)),
        days_of_month=bits(dates) >> 1,
        weekdays=bits(weekdays),
        last_day=last_days["L"],
        last_working_day=last_days["LW"],
        nth_weekdays=frozenset(nth_weekdays),
        both=both,
    )


def _parse_nth_weekday(term: str) -> tuple[int, int] | None:
    """Read ``5L`` (the last Friday) or ``MON#2`` (the second Monday)."""
    if "#" in term:
        name, _, place = term.partition("#")
        if place not in ("1", "2", "3", "4", "5"):
            _refuse_term(_DAY_OF_WEEK, term, f"# is followed by 1 to 5, not {place!r}", "MON#2 is the second Monday")
        return _parse_number(_DAY_OF_WEEK, name, term) % 7, int(place)
    if term == "L":
        _refuse_term(_DAY_OF_WEEK, term, "the last of which day?", "write 5L or FRIL for the last Friday")
    if term.endswith("L") and not _HASHED.match(term):
        return _parse_number(_DAY_OF_WEEK, term[:-1], term) % 7, LAST_OF_MONTH
    return None


def _parse_numbers(field: _Field, text: str, key: str) -> set[int]:
    numbers: set[int] = set()
    for term in _terms(field, text):
        numbers |= _parse_term(field, term, key)
    return numbers


def _terms(field: _Field, text: str) -> list[str]:
    terms = text.split(",")
    if "" in terms:
        _refuse(f"{field.name} {text!r}: a comma has nothing before or behind it")
    return terms


def _parse_term(field: _Field, term: str, key: str) -> set[int]:
    """Read ``*``, ``a``, ``a-b`` or ``H``, each with a step or without."""
    body, slash, step_text = term.partition("/")
    step = _parse_step(field, step_text, term) if slash else 1
    hashed = _HASHED.fullmatch(body)
    if hashed:
        return _parse_hashed(field, hashed, term, step if slash else None, key)
    if body == "*":
        first, last = field.low, field.high
    else:
        first_text, dash, last_text = body.partition("-")
        first = _parse_number(field, first_text, term)
        alone = field.high if slash else first
        last = _parse_number(field, last_text, term) if dash else alone
    if first > last:
        hint = "Sunday is 7 at the end of a range" if last == 0 and field is _DAY_OF_WEEK else "split it at the maximum"
        _refuse_term(field, term, "the range runs backwards", hint)
    return set(range(first, last + 1, step))


def _parse_hashed(field: _Field, hashed: re.Match[str], term: str, step: int | None, key: str) -> set[int]:
    first, last = field.low, field.high if field.hash_high is None else field.hash_high
    if hashed[1] is not None:
        first, last = (_parse_number(field, hashed[1], term), _parse_number(field, hashed[2], term))
        if first > last:
            _refuse_term(field, term, "the range runs backwards")
    if step is None:
        return {hashed_number(key, field.name, first, last)}
    start = hashed_number(key, field.name, first, min(first + step - 1, last))
    return set(range(start, last + 1, step))


def _parse_step(field: _Field, text: str, term: str) -> int:
    if not text.isdigit():
        _refuse_term(field, term, f"the step {text!r} is not a number")
    if int(text) == 0:
        _refuse_term(field, term, "a step of 0 goes nowhere")
    return int(text)


def _parse_number(field: _Field, text: str, term: str) -> int:
    if text in field.names:
        return field.names.index(text) + field.low
    if not text.isdigit():
        subject = "" if text == term else f"{text!r} is "
        _refuse_term(field, term, f"{subject}not {_expected(field)}" if text else "a number is missing", _hint(term))
    number = int(text)
    if not field.low <= number <= field.high:
        subject = "" if text == term else f"{number} is "
        _refuse_term(field, term, f"{subject}not in {field.low}-{field.high}")
    return number


def _expected(field: _Field) -> str:
    return f"a number or a name {field.names[0]} to {field.names[-1]}" if field.names else "a number"


def _hint(term: str) -> str | None:
    if "?" in term:
        return "write * for any"
    if term.endswith("W"):
        return "LW is the last weekday of the month; W has no other use"
    if "L" in term:
        return "L stands alone in day-of-month, and behind one day in day-of-week"
    return None


def _refuse_term(field: _Field, term: str, reason: str, hint: str | None = None) -> NoReturn:
    _refuse(f"{field.name} {term!r}: {reason}", hint)


def _refuse(reason: str, hint: str | None = None) -> NoReturn:
    raise Invalid("cron", reason, hint=hint)
