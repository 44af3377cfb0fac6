"""A crontab-like set of schedules of every kind, and the judge that compares what the targets saw with the API.

The targets keep their own books: commands and functions append a line to a file, HTTP calls are recorded by the
server.  When each schedule was due is computed here, from a predicate that says the rule once more in Python.
"""

from __future__ import annotations

import json
import shlex
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rota.client import Client, Json
from tests.support.target import TargetServer

IsDue = Callable[[datetime], bool]
SECOND = timedelta(seconds=1)

APP = '''
"""The application of this test: its functions note when they ran, and for which instant."""

import os
import time
from pathlib import Path

from rota import Context, Rota

rota = Rota()


def note(ctx: Context, name: str) -> None:
    line = f"{time.time():.6f} {ctx.scheduled_for.isoformat()} {ctx.job.id} {ctx.attempt}\\n"
    with open(Path(os.environ["MARKS"]) / name, "ab", buffering=0) as file:
        file.write(line.encode())


@rota.job
async def note_async(ctx: Context, name: str) -> str:
    note(ctx, name)
    return name


@rota.job
def note_sync(ctx: Context, name: str) -> str:
    note(ctx, name)
    return name


rota.schedule("declared-async", note_async, cron="* * * * * *", seconds="first", args={"name": "declared-async"})
rota.schedule("declared-every", note_sync, every="3s", args={"name": "declared-every"})
'''


@dataclass(frozen=True)
class Entry:
    """One schedule: its rule, what it runs, and when it is due by the words of a person.

    ``due`` is asked with a time in the schedule's zone; for an interval it is the number of seconds instead.
    """

    id: str
    kind: str
    rule: dict[str, Any]
    due: IsDue | int
    declared: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """Where its wall clock hangs."""
        return ZoneInfo(self.rule.get("timezone", "UTC"))


def _cron(id: str, kind: str, cron: str, due: IsDue, *, timezone: str = "UTC") -> Entry:
    seconds = {"seconds": "first"} if len(cron.split()) == 6 else {}
    return Entry(id, kind, {"cron": cron, "timezone": timezone, **seconds}, due)


def _every(id: str, kind: str, seconds: int) -> Entry:
    return Entry(id, kind, {"every": f"{seconds}s"}, seconds)


def _at_second_zero(due: IsDue) -> IsDue:
    return lambda t: t.second == 0 and due(t)


SET: tuple[Entry, ...] = (
    Entry("declared-async", "function", {}, lambda t: True, declared=True),
    Entry("declared-every", "function", {}, 3, declared=True),
    _cron("each-minute", "command", "* * * * *", _at_second_zero(lambda t: True)),
    _cron("even-minutes", "command", "*/2 * * * *", _at_second_zero(lambda t: t.minute % 2 == 0)),
    _cron("odd-minutes-Kolkata", "command", "1-59/2 * * * *", _at_second_zero(lambda t: t.minute % 2 == 1),
          timezone="Asia/Kolkata"),
    _cron("each-10-seconds", "command", "*/10 * * * * *", lambda t: t.second % 10 == 0),
    _every("each-7-seconds", "command", 7),
    _every("each-4-seconds", "command", 4),
    _cron("nightly", "command", "30 2 * * *", _at_second_zero(lambda t: (t.hour, t.minute) == (2, 30)),
          timezone="Europe/Paris"),
    _cron("http-each-minute", "http", "* * * * *", _at_second_zero(lambda t: True)),
    _cron("http-each-5-seconds", "http", "2-59/5 * * * * *", lambda t: t.second % 5 == 2),
    _every("http-each-2-seconds", "http", 2),
    _every("http-each-11-seconds", "http", 11),
    _cron("http-thirds-New-York", "http", "0-59/3 * * * *", _at_second_zero(lambda t: t.minute % 3 == 0),
          timezone="America/New_York"),
    _cron("weekends", "http", "* * * * SAT,SUN", _at_second_zero(lambda t: t.weekday() >= 5)),
    _cron("async-each-minute", "note_async", "* * * * *", _at_second_zero(lambda t: True)),
    _cron("async-listed-seconds", "note_async", "1,8,31,44 * * * * *", lambda t: t.second in (1, 8, 31, 44)),
    _every("async-each-second", "note_async", 1),
    _cron("sync-each-minute-Lord-Howe", "note_sync", "* * * * *", _at_second_zero(lambda t: True),
          timezone="Australia/Lord_Howe"),
    _every("sync-each-5-seconds", "note_sync", 5),
)  # fmt: skip
"""Twenty schedules: commands, HTTP calls, functions; by cron with and without seconds, in zones, and by interval."""


@dataclass(frozen=True)
class Mark:
    """What a target noted: when (seconds since the epoch), for which instant, by which job and attempt."""

    at: float
    due: datetime
    job_id: str
    attempt: int


def write_app(folder: Path) -> None:
    """Put the application and the folder of the marks there."""
    (folder / "marks").mkdir(parents=True)
    (folder / "crontab_app.py").write_text(APP)


def add_all(client: Client, folder: Path, server: TargetServer) -> None:
    """Create every schedule that the application does not declare."""
    for entry in SET:
        if not entry.declared:
            client.put_schedule(entry.id, {**entry.rule, **_work(entry, folder, server)})


def _work(entry: Entry, folder: Path, server: TargetServer) -> dict[str, Any]:
    if entry.kind == "http":
        return {"target": {"kind": "http", "url": server.url(f"/{entry.id}")}}
    if entry.kind == "command":
        line = '"$(date +%s.%N) $ROTA_SCHEDULED_FOR $ROTA_JOB_ID $ROTA_ATTEMPT"'
        mark = shlex.quote(str(folder / "marks" / entry.id))
        return {"target": {"kind": "command", "shell": f"echo {line} >> {mark}"}}
    return {"jobType": entry.kind, "args": {"name": entry.id}}


def marks_of(entry: Entry, folder: Path, server: TargetServer) -> list[Mark]:
    """Return what the target of a schedule noted."""
    if entry.kind == "http":
        found = [(request.at, json.loads(request.body)) for request in server.requests_to(f"/{entry.id}")]
        return [Mark(at, instant_of(body["scheduledFor"]), body["jobId"], body["attempt"]) for at, body in found]
    path = folder / "marks" / entry.id
    lines = path.read_text().splitlines() if path.exists() else []
    return [Mark(float(at), instant_of(due), job, int(attempt)) for at, due, job, attempt in map(str.split, lines)]


def instant_of(text: str) -> datetime:
    """Return a time of the API."""
    return datetime.fromisoformat(text)


def expected(entry: Entry, schedule: Json, end: datetime) -> list[datetime]:
    """Return when a schedule was due from its creation up to ``end``."""
    created = instant_of(schedule["createdAt"])
    return list(_instants(entry, created, end))


def _instants(entry: Entry, created: datetime, end: datetime) -> Iterator[datetime]:
    if isinstance(entry.due, int):
        moment = created + timedelta(seconds=entry.due)
        while moment <= end:
            yield moment
            moment += timedelta(seconds=entry.due)
        return
    moment = created.replace(microsecond=0) + SECOND
    while moment <= end:
        if entry.due(moment.astimezone(entry.zone)):
            yield moment
        moment += SECOND


@dataclass
class Verdict:
    """What the judge found: every fault in words, how many instants there were, and how late the targets were."""

    faults: list[str]
    instants: int
    lateness: list[float]

    @property
    def latest(self) -> float:
        """The worst lateness (s)."""
        return max(self.lateness, default=0.0)

    @property
    def typical(self) -> float:
        """The lateness of the one in the middle (s)."""
        return statistics.median(self.lateness)


def judge(client: Client, folder: Path, server: TargetServer, end: datetime) -> Verdict:
    """Compare the instants that were due up to ``end`` with the API's occurrences and jobs and with the targets."""
    verdict = Verdict([], 0, [])
    for entry in SET:
        _judge_one(entry, client, marks_of(entry, folder, server), end, verdict)
    return verdict


def _judge_one(entry: Entry, client: Client, marks: list[Mark], end: datetime, verdict: Verdict) -> None:
    due = expected(entry, client.schedule(entry.id), end)
    verdict.instants += len(due)
    occurrences = [one for one in client.occurrences(entry.id) if _when(one) <= end]
    shown = sorted(_when(one) for one in occurrences)
    if not _same(shown, due):
        verdict.faults.append(f"{entry.id}: due {len(due)} times, the ledger has {len(shown)}: {_odd(shown, due)}")
    for one in occurrences:
        if one["disposition"] != "fired":
            verdict.faults.append(f"{entry.id} at {_when(one)}: {one['disposition']}, {one['reason']}")
    marks = [mark for mark in marks if mark.due <= end]
    for instant, count in Counter(_rounded(mark.due) for mark in marks).items():
        if count != 1:
            verdict.faults.append(f"{entry.id} at {instant}: ran {count} times")
    fired = {(_rounded(_when(one)), one["jobId"]) for one in occurrences if one["jobId"]}
    seen = {(_rounded(mark.due), mark.job_id) for mark in marks}
    if fired != seen:
        verdict.faults.append(f"{entry.id}: ledger without a run {fired - seen}, run without ledger {seen - fired}")
    statuses = Counter(
        job["status"] for job in client.jobs(schedule=entry.id) if instant_of(job["scheduledFor"] or "") <= end
    )
    if statuses != Counter({"completed": len(due)} if due else {}):
        verdict.faults.append(f"{entry.id}: jobs {dict(statuses)} for {len(due)} instants")
    verdict.lateness += [mark.at - mark.due.timestamp() for mark in marks]


def _when(occurrence: Json) -> datetime:
    return instant_of(occurrence.get("scheduledFor") or occurrence["from"])


def _rounded(instant: datetime) -> str:
    """Times outside have milliseconds, cut off; targets in Python see microseconds."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")


def _same(shown: list[datetime], due: list[datetime]) -> bool:
    tolerance = timedelta(milliseconds=2)  # creation is shown in milliseconds, an interval counts from its microsecond
    return len(shown) == len(due) and all(abs(a - b) <= tolerance for a, b in zip(shown, due, strict=True))


def _odd(shown: list[datetime], due: list[datetime]) -> str:
    only_shown = sorted({_rounded(one) for one in shown} - {_rounded(one) for one in due})
    only_due = sorted({_rounded(one) for one in due} - {_rounded(one) for one in shown})
    return f"only in the ledger {only_shown[:5]}, only due {only_due[:5]}"
