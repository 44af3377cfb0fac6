"""Compares what schedules in the shadow would have run with the log of the system that still runs them."""

from __future__ import annotations

import csv
import io
import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from rota.errors import Invalid
from rota.importers.crontab import divided
from rota.importers.found import one_line
from rota.timetable import Rule, bounded, format_millis, parse_instant, parse_rule, unite, zone
from rota.timetable.instant import FIRST_US, LAST_US

MOST_LINES = 1_000_000
MOST_INSTANTS = 1_000_000
MOST_REFUSED = 1000
_SYSLOG = re.compile(
    r"(?:<[0-9]+>)?(?P<at>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+) \S+ "
    r"(?i:cron|crond|/usr/sbin/cron)(?:\[[0-9]+\])?:? \((?P<user>[^)]*)\) CMD \((?P<command>.*)\)\s*"
)
_OTHER_SYSLOG = re.compile(
    r"(?:<[0-9]+>)?(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+) \S+ \S+: "
)
_NAMES = ("name", "id", "schedule", "command", "job", "job_type", "jobType", "task")
_TIMES = ("time", "at", "scheduled_for", "scheduledFor", "started_at", "startedAt", "timestamp", "created_at")


class Run(msgspec.Struct, frozen=True):
    """Something that the old system ran: its name or command, and when (µs UTC)."""

    name: str
    at: int


class Log(msgspec.Struct):
    """What a log tells."""

    runs: list[Run]
    refused: list[tuple[int, str]]


class Kept(msgspec.Struct, frozen=True):
    """A schedule and its occurrences, as the REST API shows them."""

    schedule: Mapping[str, Any]
    occurrences: Sequence[Mapping[str, Any]]


class Compared(msgspec.Struct):
    """One schedule: how many runs both systems have, and the times that only one of them has (µs UTC)."""

    id: str
    matched: int
    missing: list[int]
    """The old system ran it then."""
    extra: list[int]
    """Rota would have."""

    @property
    def alike(self) -> bool:
        return not self.missing and not self.extra


class Parity(msgspec.Struct):
    """All schedules, and what the log tells of none of them."""

    schedules: list[Compared]
    unknown: dict[str, int]
    refused: list[tuple[int, str]]
    first: int
    last: int
    unwatched: list[str] = msgspec.field(default_factory=list)
    """Schedules of which nothing tells what the old system did."""

    @property
    def alike(self) -> bool:
        return all(one.alike for one in self.schedules)


def read_log(raw: bytes, tz: str) -> Log:
    """Read cron's lines of a syslog, CSV with a header, or JSON lines; ``tz`` is the zone of times that say none."""
    if raw.count(b"\n") > MOST_LINES:
        raise Invalid("LOG", f"has more than {MOST_LINES:,} lines")
    text, log, here = raw.decode("utf-8", "replace").removeprefix("\ufeff"), Log([], []), zone(tz)
    lines = text.split("\n")
    head = next((line for line in lines if line.strip()), "")
    is_csv = not head.lstrip().startswith("{") and bool(
        {name.strip().strip('"') for name in head.split(",")} & set(_NAMES)
    )
    for number, row in _csv(text) if is_csv else _rows(lines, log):
        name, at = _first(row, _NAMES), _first(row, _TIMES)
        try:
            if name is None or at is None:
                raise Invalid("", f"says no {'name' if name is None else 'time'}")
            log.runs.append(Run(name, _read_time(at, here)))
        except Invalid as error:
            _refuse(log, number, error.reason)
    return log


def _rows(lines: Iterable[str], log: Log) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        if text.startswith("{"):
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):
                _refuse(log, number, "is no JSON")
                continue
            yield number, found
        elif found := _SYSLOG.fullmatch(line.rstrip("\r")):
            yield number, {"name": found["command"], "time": found["at"]}
        elif not _OTHER_SYSLOG.match(line):
            _refuse(log, number, "is neither a line of syslog nor JSON")


def _csv(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            yield reader.line_num, {str(name).strip(): value for name, value in row.items()}
    except csv.Error as error:
        raise Invalid("LOG", f"is not CSV: {error} in line {reader.line_num}") from None


def _refuse(log: Log, number: int, reason: str) -> None:
    if len(log.refused) < MOST_REFUSED:
        log.refused.append((number, one_line(reason)))


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if isinstance(row.get(name), (str, int, float)) and row[name] != ""), None)


def _read_time(said: Any, here: Any) -> int:
    """Return a time: RFC 3339, seconds or milliseconds since 1970, or syslog's, which says no year."""
    if isinstance(said, (int, float)) or re.fullmatch(r"[0-9]{9,13}(\.[0-9]{1,9})?", str(said)):
        return _counted(said)
    text = str(said).strip()
    if re.match(r"[A-Z][a-z]{2} ", text):
        return _syslog_time(text, here)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("", f"{text[:60]!r} is no time") from None
    return _micros(found if found.tzinfo is not None else found.replace(tzinfo=here))


def _counted(said: Any) -> int:
    try:
        seconds = float(said)
        found = round(seconds * 1e6) if seconds < 1e11 else round(seconds * 1e3)
    except (OverflowError, ValueError):  # JSON may say Infinity and NaN
        found = LAST_US + 1
    if not FIRST_US <= found <= LAST_US:
        raise Invalid("", f"{str(said)[:60]} is out of range")
    return found


def _syslog_time(text: str, here: Any) -> int:
    now = datetime.now(here)
    try:
        found = datetime.strptime(f"{now.year} {' '.join(text.split())}", "%Y %b %d %H:%M:%S").replace(tzinfo=here)
        if (found - now).days > 1:  # of last year
            found = found.replace(year=now.year - 1)
    except ValueError:
        raise Invalid("", f"{text[:60]!r} is no time") from None
    return _micros(found)


def _micros(at: datetime) -> int:
    try:
        return parse_instant(at, "")
    except (OverflowError, ValueError):
        raise Invalid("", f"{at} is out of range") from None


def instant(text: str, field: str) -> int:
    """Return a time of the API (µs UTC)."""
    return parse_instant(text, field)


def reach(times: Sequence[int], slack: int) -> tuple[int, int]:
    """Return from when to when runs may have belonged to instants."""
    return bounded(min(times) - slack), bounded(max(times) + slack)


def compare(kept: Sequence[Kept], log: Log, first: int, last: int, slack: int) -> Parity:
    """Match each run of the log with the nearest instant of its schedule, at most ``slack`` µs away.

    Where the log itself is the bound, instants before its first run and after its last one say nothing.
    """
    times = [run.at for run in log.runs]
    least, most = reach(times, slack) if times else (None, None)
    low = min(times) if first == least else first
    high = max(times) if last == most else last
    ran = _by_schedule(kept, log, first, last)
    found = []
    for one in kept:
        would = [at for at in _instants(one) if first - slack <= at <= last + slack]
        each = _matched(str(one.schedule["id"]), would, sorted(ran.pop(str(one.schedule["id"]), [])), slack)
        each.extra = [at for at in each.extra if low <= at <= high]
        found.append(each)
    unknown = Counter(run.name for run in log.runs if run.name in ran and first <= run.at <= last)
    return Parity(found, dict(unknown.most_common(100)), log.refused, first, last)


def _by_schedule(kept: Sequence[Kept], log: Log, first: int, last: int) -> dict[str, list[int]]:
    """Return the times of runs by the ids of their schedules, those of no schedule by their own names."""
    ids: dict[str, str] = {}
    for one in kept:
        for name in names(one.schedule):
            ids.setdefault(name, str(one.schedule["id"]))
    found: dict[str, list[int]] = {}
    for run in log.runs:
        if first <= run.at <= last:
            key = ids.get(run.name) or ids.get(divided(run.name)[0].strip()) or run.name
            found.setdefault(key, []).append(run.at)
    return found


def names(schedule: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a log may call a schedule: its id, its type, its task or function, its command."""
    yield str(schedule["id"])
    target = schedule.get("target") or {}
    command = target.get("command")
    for name in (target.get("shell"), target.get("task"), target.get("function"), schedule.get("jobType")):
        if name:
            yield str(name).strip()
    if isinstance(command, list) and command:
        yield " ".join(command)
        if len(command) == 3 and command[1] == "-c":
            yield str(command[2]).strip()


def _instants(one: Kept) -> list[int]:
    """Return the instants that would have made jobs, those of ranges by the rule of today."""
    found: list[int] = []
    rule: Rule | None = None
    for each in one.occurrences:
        if each["disposition"] not in ("fired", "caughtUp") and not str(each["reason"]).startswith("shadow"):
            continue
        if each.get("scheduledFor"):
            found.append(parse_instant(each["scheduledFor"], "scheduledFor"))
            continue
        rule = rule or _rule(one.schedule)
        begin, end = parse_instant(each["from"], "from"), parse_instant(each["to"], "to")
        found += rule.between(begin - 1000, end + 1000, limit=MOST_INSTANTS - len(found))
    return sorted(found)


def _rule(schedule: Mapping[str, Any]) -> Rule:
    """Return the rule of a schedule as the REST API shows it."""
    names = {"cron": "cron", "every": "every", "at": "at", "seconds": "seconds", "dayMatch": "day_match"}

    def one(said: Mapping[str, Any]) -> Rule:
        given = {name: said.get(field, None) for field, name in names.items()}
        anchor = schedule.get("startAt") or schedule["createdAt"]
        return parse_rule(
            **given,
            timezone=said.get("timezone") or schedule["timezone"],
            key=schedule["id"],
            anchor_us=parse_instant(anchor, "startAt"),
        )

    rules = schedule.get("rules")
    return unite([one(each) for each in rules], timezone=schedule["timezone"]) if rules else one(schedule)


def _matched(schedule_id: str, would: Sequence[int], ran: Sequence[int], slack: int) -> Compared:
    """Walk along the runs: each takes the first free instant within reach."""
    left = list(would)
    missing, matched = [], 0
    for at in ran:
        place = bisect_left(left, at - slack)
        if place < len(left) and left[place] <= at + slack:
            del left[place]
            matched += 1
        else:
            missing.append(at)
    return Compared(schedule_id, matched, missing, left)


def document(found: Parity) -> dict[str, Any]:
    """Return a comparison as plain values, times as the API writes them."""

    def told(times: Sequence[int]) -> list[str]:
        return [format_millis(at) for at in times]

    return {
        "from": told([found.first])[0],
        "to": told([found.last])[0],
        "alike": found.alike,
        "schedules": [
            {
                "id": one.id,
                "matched": one.matched,
                "missing": told(one.missing),
                "extra": told(one.extra),
                "alike": one.alike,
            }
            for one in found.schedules
        ],
        "unknown": found.unknown,
        "unwatched": found.unwatched,
        "refused": [{"line": line, "reason": reason} for line, reason in found.refused],
    }
