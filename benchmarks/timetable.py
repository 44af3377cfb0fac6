"""Timetable: next instants a second over a mix of expressions and zones."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from benchmarks.figure import Figure, interleaved, of_rounds
from benchmarks.setting import Session
from rota.timetable import Rule, parse_instant, parse_rule

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
YEAR_US = 365 * 86_400 * 1_000_000
ROUNDS = 2_000


def run(session: Session) -> Iterator[Figure]:
    """Measure instants in order, instants from anywhere in a year in both directions, and reading expressions."""
    rules = [parse_rule(cron=cron, timezone=zone) for cron, zone in MIX]
    chance = random.Random(7)
    anywhere = [START + chance.randrange(YEAR_US) for _ in range(ROUNDS)]
    reference = partial(conversions, anywhere)
    measures: tuple[tuple[str, Callable[[], int]], ...] = (
        ("timetable, next instants in order", lambda: sum(len(rule.instants(START, ROUNDS)) for rule in rules)),
        ("timetable, next instant after a random one", lambda: sum(scattered(rule.next, anywhere) for rule in rules)),
        ("timetable, last instant before a random one", lambda: sum(scattered(r.previous, anywhere) for r in rules)),
        ("timetable, expressions read for the first time", first_readings),
        ("timetable, expressions read again", lambda: len([read(cron, zone) for cron, zone in MIX * ROUNDS])),
    )
    for name, action in measures:
        session.say(name.partition(", ")[2])
        rounds = interleaved(1, partial(rate, reference), partial(rate, action))
        yield of_rounds(rounds, name=name, database="", unit="/s", raw_name="zoneinfo conversions")


def rate(action: Callable[[], int]) -> float:
    """Return how many things an action that counts its things does in a second."""
    started = time.process_time()
    count = action()
    return count / (time.process_time() - started)


def scattered(step: Callable[[int], int | None], instants: list[int]) -> int:
    return sum(step(instant) is not None for instant in instants)


def conversions(instants: list[int]) -> int:
    zones = [ZoneInfo(zone) for _, zone in MIX]
    return sum(datetime.fromtimestamp(instant / 1_000_000, zone) is not None for zone in zones for instant in instants)


def read(cron: str, zone: str) -> Rule:
    return parse_rule(cron=cron, timezone=zone)


def first_readings() -> int:
    texts = [f"{minute} {hour} {day} * *" for minute in range(60) for hour in range(24) for day in range(1, 8)]
    return len([read(text, "Europe/Paris") for text in texts])
