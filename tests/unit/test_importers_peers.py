"""What is imported is due when the old library says: compared with Celery and with RQ's croniter themselves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from rota.importers import celery, rq
from rota.importers.found import Entry, Found, Options
from rota.timetable import parse_rule

SPANS = {"minute": (0, 59), "hour": (0, 23), "day_of_week": (0, 6), "day_of_month": (1, 31), "month_of_year": (1, 12)}
WORDS = {"day_of_week": ("mon", "sunday", "Fri", "SAT"), "month_of_year": ("jan", "FEB", "December", "May")}
STEPS = (1, 2, 3, 7, 15, 40)
WINDOW = timedelta(days=370)
MOST = 70
CRON_ORDER = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def due(entry: Entry, begin: datetime) -> list[int]:
    said = entry.definition
    rule = parse_rule(cron=said["cron"], timezone="UTC", day_match=said.get("dayMatch"), seconds=said.get("seconds"))
    at: int | None = micros(begin) - 1
    found: list[int] = []
    while at is not None and len(found) < MOST and (at := rule.next(at)) is not None and at < micros(begin + WINDOW):
        found.append(at)
    return found


def term(chance: random.Random, field: str, *, forwards: bool = False) -> str:
    """A part of a field, as people write them and as they do not."""

    def number() -> str:
        words = WORDS.get(field)
        return chance.choice(words) if words and chance.random() < 0.2 and not forwards else str(chance.randint(*span))

    span = SPANS[field]
    kind = chance.random()
    if kind < 0.3:
        return number()
    step = f"/{chance.choice(STEPS)}" if chance.random() < 0.4 else ""
    if kind < 0.6:
        return f"*{step}"
    if not forwards:
        return f"{number()}-{number()}{step}"
    low, high = sorted(chance.sample(range(span[0], span[1] + 1), 2))
    return f"{low}-{high}{step}"


def spec(chance: random.Random, field: str) -> str | int | list[int]:
    kind = chance.random()
    if kind < 0.35:
        return "*"
    if kind < 0.45:
        return chance.randint(*SPANS[field])
    if kind < 0.55:
        return [chance.randint(*SPANS[field]) for _ in range(chance.randint(1, 4))]
    return ",".join(term(chance, field) for _ in range(chance.choice((1, 1, 2, 3))))


def of_celery(schedule: Any, begin: datetime) -> Iterator[int]:
    """The instants of a schedule of Celery, by the sets of numbers that it made of its fields."""
    for place in range(WINDOW.days):
        day = begin + timedelta(days=place)
        if (
            day.month in schedule.month_of_year
            and day.day in schedule.day_of_month
            and day.isoweekday() % 7 in schedule.day_of_week
        ):
            for hour in sorted(schedule.hour):
                yield from (micros(day.replace(hour=hour, minute=one)) for one in sorted(schedule.minute))


def only(found: Found) -> Entry | None:
    return found.entries[0] if found.entries else None


@pytest.mark.parametrize("seed", range(2))
def test_crontabs_of_celery(seed: int) -> None:
    schedules = pytest.importorskip("celery.schedules")
    chance = random.Random(seed)
    alike = 0
    for _ in range(100):
        fields = {field: spec(chance, field) for field in SPANS}
        said = ", ".join(f"{name}={value!r}" for name, value in fields.items())
        entry = only(celery.read(f'b = {{"a": {{"task": "t", "schedule": crontab({said})}}}}'.encode(), Options()))
        try:
            theirs = schedules.crontab(**fields)
        except (ValueError, schedules.ParseException):
            assert entry is None, f"Celery does not read {fields}"
            continue
        begin = datetime(2026, chance.randint(1, 12), 1, tzinfo=UTC)
        if entry is not None:  # days that never come, as of 30 February, are refused
            assert due(entry, begin) == list(islice(of_celery(theirs, begin), MOST)), fields
            alike += 1
    assert alike > 50


def test_expressions_of_rq() -> None:
    croniter = pytest.importorskip("croniter").croniter
    chance = random.Random(1)
    alike = 0
    for _ in range(150):
        fields = {field: "*" if chance.random() < 0.4 else term(chance, field, forwards=True) for field in SPANS}
        cron = " ".join(fields[field] for field in CRON_ORDER)
        entry = only(rq.read(f'cron.register("a.b", "q", cron={cron!r})'.encode(), Options()))
        begin = datetime(2026, chance.randint(1, 12), 1, tzinfo=UTC)
        if entry is None or any(f"/{step}" in cron for step in STEPS if step > 6):
            continue  # croniter has its own idea of steps beyond a range
        theirs = croniter(cron, begin)
        wanted = [micros(theirs.get_next(datetime)) for _ in range(4)]
        ours = [at for at in due(entry, begin) if at > micros(begin)][:4]
        assert ours == wanted[: len(ours)], cron
        alike += bool(ours)
    assert alike > 50


def test_rq_scheduler_wants_both_days() -> None:
    text = 's.cron("0 0 13 * fri", func="a.b")\ncron.register("a.b", "q", cron="0 0 13 * fri")\n'
    both, either = rq.read(text.encode(), Options()).entries
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    assert [datetime.fromtimestamp(at / 1e6, UTC).month for at in due(both, begin)] == [11, 8]
    assert [datetime.fromtimestamp(at / 1e6, UTC).day for at in due(either, begin)][:4] == [6, 13, 20, 27]
