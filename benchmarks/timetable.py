"""Timetable: next instants a second over a mix of expressions and zones; several rules at once; calendars."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from benchmarks.figure import Figure, Goals, interleaved, of_rounds
from benchmarks.setting import Session
from rota.timetable import Rule, parse_calendar, parse_instant, parse_rule, unite

MIX = (
    ("*/5 * * * *", "Europe/Paris"),
    ("0 9 * * MON", "America/New_York"),
    ("30 2 * * *", "Australia/Lord_Howe"),
    ("0 0 1 * *", "Asia/Kolkata"),
    ("0 0 29 2 *", "UTC"),
    ("15,45 9-17 * * MON-FRI", "Africa/Cairo"),
    ("0 0 L * *", "America/Sao_Paulo"),
    ("* * * * *", "Pacific/Apia"),
    ("0 0 29 2 MON", "Europe/Paris"),
    ("0 12 * * 5L", "Asia/Beirut"),
    ("*/20 2 * * *", "Antarctica/Troll"),
    ("0 0 13 * FRI", "Asia/Kathmandu"),
)
START = parse_instant("2026-01-01T00:00:00Z", "start")
DAY_US = 86_400 * 1_000_000
YEAR_US = 365 * DAY_US
ROUNDS = 2_000


LEAST = 50_000
"""The next instants that are promised a second, on one core."""


def run(session: Session) -> Iterator[Figure]:
    """Measure instants in order, instants from anywhere in a year in both directions, and reading expressions."""
    rules = [parse_rule(cron=cron, timezone=zone) for cron, zone in MIX]
    minutes = unite([parse_rule(cron="* * * * *", timezone=zone) for _, zone in MIX], timezone="UTC")
    closed = parse_calendar(weekdays=["SAT", "SUN"], yearly=["12-25"], dates=["2026-06-01"]).covers
    chance = random.Random(7)
    anywhere = [START + chance.randrange(YEAR_US) for _ in range(ROUNDS)]
    reference = partial(conversions, anywhere)
    measures: tuple[tuple[str, int | None, Callable[[], int]], ...] = (
        ("next instants in order", LEAST, lambda: sum(len(rule.instants(START, ROUNDS)) for rule in rules)),
        ("next instant after a random one", LEAST, lambda: sum(scattered(rule.next, anywhere) for rule in rules)),
        ("last instant before a random one", LEAST, lambda: sum(scattered(r.previous, anywhere) for r in rules)),
        ("next instants of all rules as one", None, lambda: len(unite(rules, timezone="UTC").instants(START, ROUNDS))),
        ("40 days of minutes of 12 rules counted", None, lambda: sum(counted(minutes, one) for one in anywhere[:50])),
        (
            "instants sought in a calendar",
            None,
            lambda: sum(sought(closed, anywhere, zone) for _, zone in MIX),
        ),
        ("expressions read for the first time", None, first_readings),
        ("expressions read again", None, lambda: len([read(cron, zone) for cron, zone in MIX * ROUNDS])),
    )
    for name, least, action in measures:
        session.say(name)
        rounds = interleaved(session.rounds, partial(rate, reference), partial(rate, action))
        yield of_rounds(
            rounds, name=f"timetable, {name}", database="", unit="/s", raw_name="zoneinfo conversions",
            goals=Goals(least=least),
        )  # fmt: skip


def rate(action: Callable[[], int]) -> float:
    """Return how many things an action that counts its things does in a second."""
    started = time.process_time()
    count = action()
    return count / (time.process_time() - started)


def scattered(step: Callable[[int], int | None], instants: list[int]) -> int:
    return sum(step(instant) is not None for instant in instants)


def counted(rule: Rule, first: int) -> int:
    return int(rule.count(first, first + 40 * DAY_US) == 40 * 1440)


def sought(covers: Callable[[int, str], bool], instants: list[int], zone: str) -> int:
    return len([covers(instant, zone) for instant in instants])


def conversions(instants: list[int]) -> int:
    zones = [ZoneInfo(zone) for _, zone in MIX]
    return sum(datetime.fromtimestamp(instant / 1_000_000, zone) is not None for zone in zones for instant in instants)


def read(cron: str, zone: str) -> Rule:
    return parse_rule(cron=cron, timezone=zone)


def first_readings() -> int:
    texts = [f"{minute} {hour} {day} * *" for minute in range(60) for hour in range(24) for day in range(1, 8)]
    return len([read(text, "Europe/Paris") for text in texts])
