"""Due schedules, and what becomes of their instants: any number of schedulers decide, one of them writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import msgspec

from rota.model import NewJob, Occurrence, Schedule, VersionAction
from rota.store import jobs, turns, versions
from rota.store import occurrences as ledger
from rota.store.database import Tx
from rota.store.schedules import COLUMNS, read_schedule
from rota.store.sql import batch


class Due(msgspec.Struct, frozen=True):
    """A schedule whose next instant has come, and what its last run does."""

    schedule: Schedule
    blocked_by: str | None = None
    """The earliest job of the schedule that has not ended."""
    waiting: str | None = None
    """The last of those that have not begun."""
    held: int = 0
    """How many wait for their turn."""
    failures: int = 0
    """Failed runs in a row up to the last one; 0 where the schedule does not ask."""


# A backfill runs beside the timetable.
ACTIVE = """
FROM rota_jobs j WHERE j.schedule_id = rota_schedules.id AND j.schedule_id IS NOT NULL
  AND j.status IN ('scheduled', 'pending', 'running', 'held') AND j.origin <> 'backfill' AND overlap <> 'allow'
"""

FAILURES = """
CASE WHEN pause_after IS NULL THEN 0 ELSE
  (SELECT count(*) FROM rota_jobs j WHERE j.schedule_id = rota_schedules.id AND j.schedule_id IS NOT NULL
   AND j.status = 'failed' AND j.origin = 'schedule' AND j.created_at >= coalesce(resumed_at, 0)
   AND j.scheduled_for > coalesce((SELECT g.scheduled_for FROM rota_jobs g WHERE g.schedule_id = rota_schedules.id
     AND g.schedule_id IS NOT NULL AND {lite|+}g.status{pg| || ''} = 'completed' AND g.origin = 'schedule'
     AND g.scheduled_for IS NOT NULL ORDER BY g.scheduled_for DESC LIMIT 1), 0)) END
"""

# The clock in a subquery of its own: see store/due.py.
DUE = f"""
SELECT {COLUMNS}, (SELECT min(CAST(j.id AS text)) {ACTIVE}),
  (SELECT max(CAST(j.id AS text)) {ACTIVE} AND j.attempt = 0), (SELECT count(*) {ACTIVE} AND j.status = 'held'),
  {FAILURES}
FROM rota_schedules WHERE next_at <= coalesce(CAST(:now AS bigint), (SELECT rota_now())) WITHOUT
ORDER BY next_at LIMIT :limit
"""

SINCE = "AND next_at >= :since "
WITHOUT = "AND id NOT IN (SELECT w.id FROM {rows|w|without|id text})"
ONLY = "AND id {in|SELECT o.id FROM {rows|o|only|id text}}"


def due(
    tx: Tx,
    limit: int,
    *,
    now: int | None = None,
    since: int | None = None,
    without: Collection[str] = (),
    only: Collection[str] | None = None,
) -> list[Due]:
    """Return the schedules that are due at ``now`` (the database's clock by default), the longest overdue first.

    Those whose instant is not before ``since``; ``without`` some ids, or ``only`` those of some.
    """
    width = len(Schedule.__struct_fields__)
    params: dict[str, object] = {"limit": limit, "now": now}
    narrowed = ""
    if since is not None:
        narrowed, params["since"] = SINCE, since
    if without:
        narrowed, params["without"] = narrowed + WITHOUT, batch([{"id": schedule_id} for schedule_id in without])
    elif only is not None:
        narrowed, params["only"] = narrowed + ONLY, batch([{"id": schedule_id} for schedule_id in only])
    rows = tx.rows(DUE.replace("WITHOUT", narrowed), params)
    return [Due(read_schedule(row[:width]), *row[width:]) for row in rows]


def next_due(tx: Tx) -> tuple[int, int | None]:
    """Return the database's clock, and the least next instant of all schedules (µs UTC)."""
    sql = "SELECT rota_now(), (SELECT min(next_at) FROM rota_schedules WHERE next_at IS NOT NULL)"
    ((now, following),) = tx.rows(sql)
    return now, following


class Firing(msgspec.Struct, kw_only=True):
    """What a scheduler decided about one due schedule."""

    id: str
    version: int
    seen_next: int
    """The next instant it decided upon: the compare-and-set."""
    next_at: int | None
    last_at: int | None = None
    last_job_id: str | None = None
    fired: int = 0
    resumed: bool = False
    """A pause whose end has come."""
    paused_at: int | None = None
    """Since when the service pauses the schedule; None where it does not."""
    paused_note: str | None = None
    else_at: int | None = None
    """The next instant of a schedule that makes its last run, in case that it makes none: the instant was covered."""

    def changes(self) -> bool:
        """Tell whether the schedule is paused or resumed by it, which is a version."""
        return self.resumed or self.paused_at is not None


# No index may serve the instant: of a thousand schedules that share it each would look at all thousand.
ADVANCE = """
UPDATE rota_schedules AS s SET next_at = u.next_at, last_at = coalesce(u.last_at, s.last_at),
  last_job_id = coalesce(u.last_job_id, s.last_job_id), runs = s.runs + u.fired,
  version = s.version + CASE WHEN u.resumed OR u.paused_at IS NOT NULL THEN 1 ELSE 0 END,
  resumed_at = CASE WHEN u.resumed THEN s.resume_at ELSE s.resumed_at END,
  paused_at = CASE WHEN u.resumed THEN NULL ELSE coalesce(u.paused_at, s.paused_at) END,
  paused_by = CASE WHEN u.resumed THEN NULL WHEN u.paused_at IS NOT NULL THEN 'rota' ELSE s.paused_by END,
  paused_note = CASE WHEN u.resumed THEN NULL ELSE coalesce(u.paused_note, s.paused_note) END,
  resume_at = CASE WHEN u.resumed THEN NULL ELSE s.resume_at END
FROM {rows|u|batch|id text, version bigint, seen_next bigint, next_at bigint, last_at bigint, last_job_id uuid,
  fired bigint, resumed boolean, paused_at bigint, paused_note text}
WHERE s.id = u.id AND {lite|+}s.next_at{pg| + 0} = u.seen_next AND s.version = u.version
  AND u.seen_next <= (SELECT rota_now())
RETURNING {pg|s.}id
"""

# For instants that turned out to be covered: what the compare-and-set has noted of their jobs is taken back, and that
# the schedule is at its end by them.
UNFIRE = """
UPDATE rota_schedules AS s SET runs = s.runs - u.n, next_at = coalesce(s.next_at, u.else_at),
  last_job_id = (SELECT o.job_id FROM rota_occurrences o WHERE o.schedule_id = s.id AND o.job_id IS NOT NULL
                 ORDER BY o.scheduled_for DESC LIMIT 1)
FROM {rows|u|batch|id text, n bigint, else_at bigint} WHERE s.id = u.id
"""


def _version(firing: Firing) -> versions.Repeat:
    action: VersionAction = "resumed" if firing.resumed else "paused"
    return versions.Repeat(schedule_id=firing.id, action=action, author="rota", note=firing.paused_note)


def fire(
    tx: Tx,
    firings: Sequence[Firing],
    occurrences: Sequence[Occurrence],
    new_jobs: Sequence[NewJob],
    *,
    clear: Mapping[str, turns.Mode] | None = None,
) -> dict[str, set[int]]:
    """Write decisions in one transaction.  ``clear`` names the schedules whose earlier runs a new one ends, and how.

    Return the schedules for which this scheduler was the one, with the instants that have a row of their own now.

    The compare-and-set on (next instant, version) decides between schedulers and against edits: whoever loses it
    writes nothing for that schedule.  The primary key of the occurrences is the second lock: a job is made only for
    an instant that no row covered before.
    """
    in_order = sorted(firings, key=lambda firing: firing.id)  # so that two schedulers do not deadlock
    won: dict[str, set[int]] = {row[0]: set() for row in tx.rows(ADVANCE, {"batch": batch(in_order)})}
    versions.repeat(tx, [_version(one) for one in in_order if one.id in won and one.changes()])
    mine = [occurrence for occurrence in occurrences if occurrence.schedule_id in won]
    stored = ledger.account(tx, mine)
    for schedule_id, instant in stored:
        won[schedule_id].add(instant)
    wanted, refused = set(), Counter[str]()
    for occurrence in mine:
        if occurrence.job_id is not None:
            if (occurrence.schedule_id, occurrence.scheduled_for) in stored:
                wanted.add(occurrence.job_id)
            else:
                refused[occurrence.schedule_id] += 1
    if refused:
        else_at = {firing.id: firing.else_at for firing in firings}
        rows = [{"id": name, "n": n, "else_at": else_at[name]} for name, n in refused.items()]
        tx.run(UNFIRE, {"batch": batch(rows)})
    chosen = [job for job in new_jobs if job.id in wanted]
    if chosen:
        for mode in set((clear or {}).values()):
            keys = {job.turn_key for job in chosen if job.turn_key and (clear or {}).get(job.schedule_id or "") == mode}
            turns.clear(tx, keys, mode, "rota")
        jobs.insert(tx, chosen)
    return won
