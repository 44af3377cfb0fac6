"""Backfill: instants of the past that made no job make one, by the versions that were in force then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from rota.actions import rules
from rota.actions.definition import document, job_of, restored
from rota.actions.schedules import locked
from rota.actions.specs import BackfillIn, Caller
from rota.errors import Conflict, Invalid
from rota.ids import new_id
from rota.model import NewJob, Occurrence, Schedule
from rota.settings import Settings
from rota.store import audit, backfills, jobs, queues, types, versions
from rota.store.database import Tx
from rota.timetable import Rule, parse_instant

MOST = 1000
MOST_LOOKED_AT = 50_000
"""Instants of a range, those that ran too: a schedule of each minute in five weeks."""


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill found, or made."""

    count: int
    instants: list[int]
    """µs UTC."""
    jobs: list[str]
    """Ids in the order of the instants; none where it only looked."""


class Backfill:
    """One backfill.  Made before its transaction, which may run more than once and then makes the same jobs."""

    def __init__(self, schedule_id: str, spec: BackfillIn, caller: Caller, settings: Settings) -> None:
        """Check what is asked; raises Invalid."""
        self.schedule_id = schedule_id
        self.first = parse_instant(spec.from_, "from")
        self.last = parse_instant(spec.to, "to")
        if self.last < self.first:
            raise Invalid("to", "lies before from")
        if not 1 <= spec.limit <= MOST:
            raise Invalid("limit", f"{spec.limit} is out of range", hint=f"from 1 to {MOST}")
        self.spec = spec
        self._caller = caller
        self._settings = settings
        self._turn_key = None if spec.overlap == "allow" else f"backfill:{new_id()}"
        self._ids: dict[int, str] = {}

    def run(self, tx: Tx) -> Filled:
        """Find the instants, and unless it is a dry run make their jobs."""
        schedule = locked(tx, self.schedule_id)
        last = min(self.last, _decided_to(schedule, tx.now()))
        spans = list(_in_force(tx, schedule, self.first, last))
        total = sum(span.rule.count(span.after, span.until) for span in spans)
        if total > MOST_LOOKED_AT:
            raise Invalid(
                "from", f"{total} instants lie in the range", hint=f"take a range of {MOST_LOOKED_AT} at most"
            )
        rows = backfills.rows(tx, schedule.id, self.first, last)
        found = self._open(spans, rows)
        instants = [instant for instant, _ in found]
        if self.spec.dry_run:
            return Filled(count=len(found), instants=instants[:MOST], jobs=[])
        if len(found) > self.spec.limit:
            raise Invalid(
                "limit",
                f"{len(found)} instants are more than {self.spec.limit}",
                hint=f"take a shorter range, or a higher limit (at most {MOST})",
            )
        made = self._jobs(tx, found)
        _split(tx, schedule.id, rows, self._occurrences(found, made))
        if jobs.insert(tx, made):
            said = {"from": self.spec.from_, "to": self.spec.to, "count": len(made)}
            audit.record(tx, self._caller, "backfilled", "schedule", schedule.id, after=said)
        return Filled(count=len(found), instants=instants, jobs=[job.id for job in made])

    def _open(self, spans: Sequence[_Span], rows: Sequence[Occurrence]) -> list[tuple[int, _Span]]:
        """Return the instants that made no job, each with what the schedule was then."""
        mine = set(self._ids.values())
        done = {row.scheduled_for for row in rows if row.job_id is not None and row.job_id not in mine}
        found: list[tuple[int, _Span]] = []
        for span in spans:
            instants = span.rule.between(span.after, span.until, MOST_LOOKED_AT)
            found += [(instant, span) for instant in instants if instant not in done]
        return found

    def _jobs(self, tx: Tx, found: Sequence[tuple[int, _Span]]) -> list[NewJob]:
        known = types.named(tx, {span.schedule.type for _, span in found if span.schedule.type})
        templates: dict[int, NewJob] = {}
        made = []
        for instant, span in found:
            if span.after not in templates:
                job_type = known.get(span.schedule.type or "")
                templates[span.after] = job_of(span.schedule, job_type, self._settings, queues.defaults(tx))
            made.append(
                msgspec.structs.replace(
                    templates[span.after],
                    id=self._ids.setdefault(instant, new_id()),
                    scheduled_for=instant,
                    origin="backfill",
                    started_by=self._caller.starter,
                    turn_key=self._turn_key or templates[span.after].turn_key,
                )
            )
        return made

    def _occurrences(self, found: Sequence[tuple[int, _Span]], made: Sequence[NewJob]) -> list[Occurrence]:
        by = f" by {self._caller.subject}" if self._caller.subject else ""
        return [
            Occurrence(
                schedule_id=self.schedule_id,
                scheduled_for=instant,
                until_at=instant,
                disposition="caughtUp",
                job_id=job.id,
                reason=f"backfilled{by}",
                version=span.schedule.version,
            )
            for (instant, span), job in zip(found, made, strict=True)
        ]


class _Span(msgspec.Struct, frozen=True):
    """What a schedule was for a time: its instants after ``after``, up to and with ``until`` (µs UTC)."""

    schedule: Schedule
    rule: Rule
    after: int
    until: int


def _decided_to(schedule: Schedule, now: int) -> int:
    """Return up to when all instants have been decided; the next one is the scheduler's."""
    return now if schedule.next_at is None else min(now, schedule.next_at - 1)


def _in_force(tx: Tx, schedule: Schedule, first: int, last: int) -> Iterator[_Span]:
    """Yield what the schedule was at each time of a range."""
    known = versions.in_force(tx, schedule.id, first, last)
    lasting = [(one.at, one.version, one.definition) for one in known]
    if not lasting:  # from before versions were kept
        lasting = [(schedule.created_at, schedule.version, document(schedule))]
    ends = [at for at, _, _ in lasting[1:]] + [last]
    for (at, version, definition), end in zip(lasting, ends, strict=True):
        if definition is None:
            continue
        was = restored(definition, schedule.id)
        was.version = version
        # A schedule that begins in the past has instants from before it was made.
        begin = min(at, was.start_at - 1) if version == lasting[0][1] and was.start_at is not None else at
        after, until = max(begin, first - 1), min(end, last)
        if after < until:
            yield _Span(was, rules.rule_of(was), after, until)


def _split(tx: Tx, schedule_id: str, rows: Sequence[Occurrence], new: Sequence[Occurrence]) -> None:
    """Give instants rows of their own, and cut them out of the ranges in which they lay."""
    ranges = [row for row in rows if row.job_id is None]
    instants = sorted(one.scheduled_for for one in new)
    touched = [(row, [at for at in instants if row.scheduled_for <= at <= row.until_at]) for row in ranges]
    touched = [(row, inside) for row, inside in touched if inside]
    was = versions.numbered(tx, schedule_id, [row.version for row, _ in touched])
    pieces: list[Occurrence] = []
    for row, inside in touched:
        if row.scheduled_for == row.until_at:
            continue
        version = was.get(row.version)
        rule = None
        if version is not None and version.definition is not None:
            rule = rules.rule_of(restored(version.definition, schedule_id))
        elif (found := locked(tx, schedule_id)).version == row.version:
            rule = rules.rule_of(found)
        if rule is None:
            raise Conflict("nobody knows any more by which rule these instants were due", hint="take a later range")
        pieces += _pieces(row, rule, inside)
    backfills.replace(tx, schedule_id, [row for row, _ in touched], [*pieces, *new])


def _pieces(row: Occurrence, rule: Rule, inside: Sequence[int]) -> Iterator[Occurrence]:
    """Yield what is left of a range without some of its instants."""
    begin: int | None = row.scheduled_for
    for at in inside:
        end = rule.previous(at)
        if begin is not None and end is not None and begin <= end:
            yield msgspec.structs.replace(row, scheduled_for=begin, until_at=end)
        begin = rule.next(at)
    if begin is not None and begin <= row.until_at:
        yield msgspec.structs.replace(row, scheduled_for=begin)
