"""Steps in the field of weekdays, as croniter, robfig/cron and crontab read them: their week ends with Saturday."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from rota.importers import heroku, kubernetes, rq
from rota.importers.found import Entry, Found, Options
from rota.timetable import parse_rule

SUN, MON, TUE, WED, THU, FRI, SAT = range(7)
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
JOB = """
kind: CronJob
metadata: {name: a}
spec:
  schedule: "%s"
  jobTemplate: {spec: {template: {spec: {containers: [{name: x, command: ["true"]}]}}}}
"""


def by_kubernetes(cron: str) -> Found:
    return kubernetes.read((JOB % cron).encode(), Options())


def by_rq(cron: str) -> Found:
    return rq.read(f'cron.register("a.b", "q", cron={cron!r})'.encode(), Options())


def by_rq_scheduler(cron: str) -> Found:
    return rq.read(f's.cron({cron!r}, func="a.b")'.encode(), Options())


def due(entry: Entry, count: int) -> list[datetime]:
    said = entry.definition
    rule = parse_rule(cron=said["cron"], timezone="UTC", day_match=said.get("dayMatch"), seconds=said.get("seconds"))
    at: int | None = int(BEGIN.timestamp()) * 1_000_000
    found: list[datetime] = []
    while len(found) < count and at is not None and (at := rule.next(at)) is not None:
        found.append(datetime.fromtimestamp(at / 1e6, UTC))
    return found


@pytest.mark.parametrize("read", [by_kubernetes, by_rq, by_rq_scheduler])
@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("1/2", {MON, WED, FRI}),
        ("1/3", {MON, THU}),
        ("3/4", {WED}),
        ("5/2", {FRI}),
        ("mon/2", {MON, WED, FRI}),
        ("sat/5", {SAT}),
        ("0/2", {SUN, TUE, THU, SAT}),
        ("4/1", {THU, FRI, SAT}),
        ("*/2", {SUN, TUE, THU, SAT}),
        ("5/2,1", {MON, FRI}),
        ("1-5/2", {MON, WED, FRI}),
    ],
)
def test_a_step_ends_with_saturday(read: Any, field: str, days: set[int]) -> None:
    (entry,) = read(f"0 9 * * {field}").entries
    assert {at.isoweekday() % 7 for at in due(entry, 30)} == days


def test_seven_with_a_step() -> None:
    (entry,) = by_rq("0 9 * * 7/2").entries
    assert {at.isoweekday() % 7 for at in due(entry, 30)} == {SUN, TUE, THU, SAT}
    assert by_kubernetes("0 9 * * 7/2").entries == by_rq_scheduler("0 9 * * 7/2").entries == []  # neither reads it


def test_six_fields_have_the_weekday_in_the_fifth() -> None:
    (entry,) = by_rq("0 9 * * 1/2 30").entries
    assert (entry.definition["cron"], entry.definition["seconds"]) == ("0 9 * * 1-6/2 30", "last")
    assert [(at.isoweekday(), at.second) for at in due(entry, 4)] == [(MON, 30), (WED, 30), (FRI, 30), (MON, 30)]


def test_both_days_with_a_step() -> None:
    (entry,) = by_rq_scheduler("0 9 1-7 * 1/2").entries
    assert entry.definition["dayMatch"] == "and"
    assert {at.isoweekday() for at in due(entry, 20)} == {MON, WED, FRI} and max(at.day for at in due(entry, 20)) <= 7


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("0 9 * * 2-2", "from a number to itself"),
        ("5-05 9 * * *", "from a number to itself"),
        ("0 9 * * fri-FRI/2", "from a number to itself"),
        ("0 9 ?/2 * 1", "croniter does not read the field '?/2'"),
        ("0 9 15 * 1#2", "# beside a day of the month"),
    ],
)
def test_what_croniter_reads_otherwise_is_refused(cron: str, reason: str) -> None:
    found = by_rq(cron)
    assert found.entries == [] and reason in found.errors[0].reason


def test_a_list_that_does_not_say_its_library_may_not_step_without_a_range() -> None:
    found = heroku.read(b"command,cron\na,0 9 * * 1/2\nb,5/20 * * * *\nc,0 9 * * 1-5/2\n", Options())
    assert [one.command for one in found.entries] == ["c"]
    assert [(one.line, "step without a range" in one.reason) for one in found.errors] == [(2, True), (3, True)]


def expression(chance: random.Random) -> str:
    """Days in all forms that people write, and some that they do not."""

    def term(low: int, high: int) -> str:
        step = f"/{chance.randint(1, 8)}"
        first, last = sorted(chance.sample(range(low, high + 1), 2))
        return chance.choice((
            str(first), f"{first}{step}", f"{first}-{last}", f"{first}-{last}{step}", f"*{step}", "*", f"{low}-{high}"
        ))  # fmt: skip

    day = ",".join(term(1, 31) for _ in range(chance.choice((1, 1, 2))))
    weekday = ",".join(term(0, 7) for _ in range(chance.choice((1, 1, 2))))
    if chance.random() < 0.2:
        weekday = chance.choice(("mon/2", "sun/3", "tue-fri/2", "SAT/2", "wed", "7/3"))
    return f"0 9 {'*' if chance.random() < 0.4 else day} {chance.choice(('*', '*/5', '3/4'))} {weekday}"


@pytest.mark.parametrize("seed", range(3))
def test_days_of_croniter(seed: int) -> None:
    croniter = pytest.importorskip("croniter").croniter
    chance = random.Random(seed)
    alike = 0
    for cron in [expression(chance) for _ in range(250)]:
        found = by_rq(cron)
        if not found.entries:
            assert "itself" in found.errors[0].reason or "never fire" in found.errors[0].reason, (cron, found.errors)
            continue
        theirs = croniter(cron, BEGIN)
        assert due(found.entries[0], 12) == [theirs.get_next(datetime) for _ in range(12)], cron
        alike += 1
    assert alike > 200
