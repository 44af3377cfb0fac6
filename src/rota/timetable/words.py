"""A cron expression, an interval or an instant in words: "at 09:00 on Monday"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from rota.durations import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from rota.timetable.cron import CronExpression
from rota.timetable.days import LAST_OF_MONTH, DayPattern, members
from rota.timetable.instant import EPOCH

MONTHS = ("January", "February", "March", "April", "May", "June", "July",
          "August", "September", "October", "November", "December")  # fmt: skip
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

_PLACES = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", LAST_OF_MONTH: "last"}
_UNITS = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"),
          (MILLISECOND, "millisecond"), (1, "microsecond"))  # fmt: skip
_ALL_DAY = (1 << 24) - 1
_ALL_HOUR = (1 << 60) - 1
_MOST_TIMES = 6


def describe_cron(expression: CronExpression) -> str:
    """Say when a cron expression fires, without its zone."""
    days = _describe_days(expression.days)
    times = _describe_times(expression)
    around_the_clock = expression.hours == _ALL_DAY or (
        times.startswith("every") and _even_step(members(expression.hours), 24) > 0
    )
    if days or around_the_clock:
        return f"{times} {days}".rstrip()
    return f"{times} every day"


def describe_interval(every_us: int) -> str:
    """Say how long an interval is: "every 10 minutes"."""
    parts = []
    rest = every_us
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    if len(parts) == 1 and parts[0].startswith("1 "):
        return f"every {parts[0][2:]}"
    return f"every {' '.join(parts)}"


def describe_once(at_us: int, zone: ZoneInfo) -> str:
    """Say an instant by the clock of a zone, and the zone."""
    moment = EPOCH + timedelta(microseconds=at_us)
    try:
        moment, name = moment.astimezone(zone), zone.key
    except OverflowError:  # in the last hours of the year 9999, or the first of the year 1
        name = "UTC"
    exact = moment.second or moment.microsecond
    return f"once on {moment.date()} at {moment.time() if exact else moment.strftime('%H:%M')}, {name}"


def _describe_times(expression: CronExpression) -> str:
    seconds, minutes, hours = (members(s) for s in (expression.seconds, expression.minutes, expression.hours))
    few = len(seconds) * len(minutes) * len(hours) <= _MOST_TIMES
    if few and expression.hours != _ALL_DAY:
        with_second = seconds != [0]
        times = (_clock(h, m, s if with_second else None) for h in hours for m in minutes for s in seconds)
        return f"at {_and(list(times))}"
    coarse = _describe_minutes(expression, minutes, hours)
    if seconds == [0]:
        return coarse
    fine = _describe_unit(seconds, 60, "second")
    if expression.minutes == _ALL_HOUR:
        if expression.hours == _ALL_DAY:
            return fine if fine.startswith("every") else f"{fine} of every minute"
        return f"{fine}{'' if fine.startswith('every') else ' of every minute'} {_describe_hours(minutes, hours)}"
    return f"{fine} of the minute, {coarse}"


def _describe_minutes(expression: CronExpression, minutes: list[int], hours: list[int]) -> str:
    even = len(minutes) == 60 or _even_step(minutes, 60)
    if expression.hours == _ALL_DAY:
        if even:
            return _describe_unit(minutes, 60, "minute")
        return "every hour" if minutes == [0] else f"at {_minutes_past(minutes)} every hour"
    if len(minutes) == 1:
        step = _even_step(hours, 24)
        if step:
            return f"every {step} hours from {_clock(hours[0], minutes[0])}"
        if _is_run(hours):
            return f"every hour from {_clock(hours[0], minutes[0])} to {_clock(hours[-1], minutes[0])}"
    if not even:
        return f"at {_minutes_past(minutes)} {_describe_hours(minutes, hours)}"
    unit = _describe_unit(minutes, 60, "minute")
    if _is_run(hours) or len(hours) == 1:
        unit = unit.partition(" from ")[0]  # the first time of day says it
    return f"{unit} {_describe_hours(minutes, hours)}"


def _describe_hours(minutes: list[int], hours: list[int]) -> str:
    if _is_run(hours) or len(hours) == 1:
        return f"from {_clock(hours[0], minutes[0])} to {_clock(hours[-1], minutes[-1])}"
    step = _even_step(hours, 24)
    if step:
        return f"of every {_ordinal(step)} hour from {_clock(hours[0], 0)}"
    return f"of the hours {_numbers(hours, 2)}"


def _describe_unit(numbers: list[int], size: int, unit: str) -> str:
    """Say a set of seconds or minutes: "every 5 minutes", where the steps are even all around the clock."""
    if len(numbers) == size:
        return f"every {unit}"
    step = _even_step(numbers, size)
    if step:
        return f"every {step} {unit}s" + (f" from {unit} {numbers[0]}" if numbers[0] else "")
    return f"at {unit}{'s' if len(numbers) > 1 else ''} {_numbers(numbers)}"


def _minutes_past(minutes: list[int]) -> str:
    return f"{_numbers(minutes)} minute{'' if minutes == [1] else 's'} past"


def _describe_days(days: DayPattern) -> str:
    months = _month_names(days.months)
    if days.any_day:
        return f"every day in {months}" if months else ""
    by_date, by_weekday = _describe_dates(days), _describe_weekdays(days)
    if days.any_day_of_month:
        place = f" of {months or 'the month'}" if days.nth_weekdays else f" in {months}" if months else ""
        return f"on {by_weekday}{place}"
    if days.any_weekday:
        plain = members(days.days_of_month)
        if len(plain) == 1 and days.months.bit_count() == 1 and not (days.last_day or days.last_working_day):
            return f"on {plain[0] + 1} {months}"
        return f"on {by_date} of {months or 'the month'}"
    if days.both:
        return f"on {by_date} of {months or 'the month'} when it is {by_weekday}"
    if months:
        return f"on {by_date} and on {by_weekday} in {months}"
    return f"on {by_date} of the month and on {by_weekday}"


def _describe_dates(days: DayPattern) -> str:
    numbers = [day + 1 for day in members(days.days_of_month)]
    parts = []
    if len(numbers) == 1:
        parts.append(f"day {numbers[0]}")
    elif numbers:
        step = numbers[1] - numbers[0]
        even = len(numbers) > 3 and step > 1 and numbers == list(range(numbers[0], 32, step))
        parts.append(f"every {_ordinal(step)} day from day {numbers[0]}" if even else f"days {_numbers(numbers)}")
    if days.last_day:
        parts.append("the last day")
    if days.last_working_day:
        parts.append("the last weekday (Monday to Friday)")
    return _and(parts)


def _describe_weekdays(days: DayPattern) -> str:
    # Weeks are said from Monday on, so that a weekend is one run.
    numbers = sorted((number - 1) % 7 for number in members(days.weekdays))
    parts = _named(numbers, lambda number: WEEKDAYS[(number + 1) % 7])
    nth = sorted(days.nth_weekdays, key=lambda pair: (pair[1] % 6, (pair[0] - 1) % 7))
    parts += [f"the {_PLACES[place]} {WEEKDAYS[number]}" for number, place in nth]
    return _and(parts)


def _month_names(months: int) -> str:
    numbers = members(months)
    if len(numbers) == 12:
        return ""
    return _and(_named(numbers, lambda number: MONTHS[number - 1]))


def _clock(hour: int, minute: int, second: int | None = None) -> str:
    return f"{hour:02d}:{minute:02d}" + ("" if second is None else f":{second:02d}")


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _numbers(numbers: Sequence[int], width: int = 1) -> str:
    return _and(_named(numbers, lambda number: f"{number:0{width}d}"))


def _named(numbers: Sequence[int], name: Callable[[int], str]) -> list[str]:
    """Name ascending numbers, three and more neighbours as "first to last"."""
    parts = []
    for first, last in _runs(numbers):
        if last - first > 1:
            parts.append(f"{name(first)} to {name(last)}")
        else:
            parts += [name(number) for number in range(first, last + 1)]
    return parts


def _and(parts: Sequence[str]) -> str:
    return " and ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else "".join(parts)


def _is_run(numbers: Sequence[int]) -> bool:
    return len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1


def _even_step(numbers: Sequence[int], size: int) -> int:
    """Return the step of numbers that come evenly all around a clock of this size, else 0."""
    if len(numbers) < 2 or size % len(numbers):
        return 0
    step = size // len(numbers)
    return step if step > 1 and list(numbers) == list(range(numbers[0], size, step)) else 0


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
