"""What a person should know about a cron expression before saving it, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from rota.timetable.cron import CronExpression
from rota.timetable.days import EPOCH_ORDINAL, members, month_length
from rota.timetable.stretches import CORRECTION, FIRST_SECOND, LAST_SECOND, Stretch, stretch_at
from rota.timetable.wallclock import WallClock
from rota.timetable.words import MONTHS, WEEKDAYS

_STEPPED = (("minute", 60, "hour"), ("hour", 24, "day"))
_YEAR = 366 * 86_400


def advise_on_fields(expression: CronExpression, *, match_both: bool) -> Iterator[str]:
    """Yield what may surprise in the fields themselves."""
    days = expression.days
    yield from _uneven_steps(expression)
    if not (days.any_day_of_month or days.any_weekday or match_both):
        if days.both:
            yield "a day field begins with *, so day-of-month and day-of-week must both match"
        else:
            yield 'day-of-month or day-of-week is enough, both need not match: say dayMatch "and" if they must'
    if days.both and days.any_weekday and not (days.last_day or days.last_working_day):
        yield from _missing_days(members(days.months), members(days.days_of_month)[0] + 1)
    if days.both and days.any_day_of_month and not days.weekdays:
        places = {place for _, place in days.nth_weekdays}
        if places == {5}:
            named = " or ".join(WEEKDAYS[number] for number, _ in sorted(days.nth_weekdays))
            yield f"not every month has a fifth {named}: write 5L for the last Friday of each month"


def advise_on_clock(expression: CronExpression, wall: WallClock, zone_name: str, after: int) -> Iterator[str]:
    """Yield what the changes of a zone's clock do in the year after an instant (in seconds)."""
    # What runs in every hour by the clock runs in every hour of the world, too, if the clock moves by whole hours.
    hourly = expression.hours.bit_count() == 24 and not expression.fixed
    instant = min(max(after, FIRST_SECOND), LAST_SECOND)
    end = min(instant + _YEAR, LAST_SECOND)
    while instant < end:
        stretch = stretch_at(zone_name, instant)
        if after < stretch.start == instant and stretch.change and not (hourly and stretch.change % 3600 == 0):
            sentence = _effect(wall, zone_name, stretch, expression.fixed)
            if sentence:
                yield sentence
        instant = stretch.end


def _effect(wall: WallClock, zone_name: str, stretch: Stretch, fixed: bool) -> str | None:
    low, high = sorted((stretch.start + stretch.before, stretch.start + stretch.offset))
    count = wall.count(low, high)
    if not count:
        return None
    first = wall.at_or_after(low)
    what = _say(low if first is None or count > 1 else first)
    if count > 1:
        what = f"{count} times from {what} to {_say(high, low)}"
    does, they, their, run = ("do", "they", "their", "run") if count > 1 else ("does", "it", "its", "runs")
    if stretch.change > 0:
        if not fixed or stretch.change >= CORRECTION:
            return f"{what} {does} not exist in {zone_name}: nothing runs in {their} place"
        together = " together" if count > 1 else ""
        return f"{what} {does} not exist in {zone_name}: {they} {run}{together} at {_say(high + -high % 60, low)}"
    come = "come" if count > 1 else "comes"
    passes = "in the first pass only" if fixed and -stretch.change < CORRECTION else "in both passes"
    return f"{what} {come} twice in {zone_name}: {they} {run} {passes}"


def _say(wall: int, beside: int | None = None) -> str:
    """Write a wall-clock time, without its date where that is the same as the one beside it."""
    day, second = divmod(wall, 86_400)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}" + (f":{second % 60:02d}" if second % 60 else "")
    if beside is not None and day == beside // 86_400:
        return clock
    return f"{clock} on {date.fromordinal(day + EPOCH_ORDINAL)}"


def _uneven_steps(expression: CronExpression) -> Iterator[str]:
    for (name, size, around), text in zip(_STEPPED, expression.fields, strict=False):
        body, _, step_text = text.partition("/")
        if body != "*" or not step_text.isdigit():
            continue
        step = int(step_text)
        if step >= size:
            yield f"{name} {text}: the step leaves only 0, once each {around}"
        elif size % step:
            yield f"{name} {text} begins again each {around}: the last step before that is {size % step}, not {step}"


def _missing_days(months: list[int], first: int) -> Iterator[str]:
    lacking = [month for month in months if month_length(2023 * 12 + month - 1) < first]
    if lacking == [2] == months:
        yield "29 February comes in leap years only"
    elif lacking:
        names = "some months" if len(lacking) > 2 else " and ".join(MONTHS[month - 1] for month in lacking)
        yield f"{names} will be left out, having no day {first}: L is the last day of each month"
