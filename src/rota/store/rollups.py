"""Rollups: what has ended, summed up by time, queue, type and outcome.

The rows of jobs and attempts are the truth.  Whoever sums them up does so from where the last one stopped, and moves
that place on in the same transaction: each end is counted once, whoever wrote it and whatever is killed when.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import get_args

import msgspec

from rota.model import FINAL, Origin
from rota.store import meta, totals
from rota.store.database import Tx
from rota.store.sql import batch
from rota.store.totals import Histogram, Total

PLACE = "rolled_up_to"
"""Under this key ``rota_meta`` says up to when everything that ended is summed up (µs UTC)."""
DECISIONS = "occurrences"
"""Group of the counters of what became of due instants."""
SECOND_US = 1_000_000
STEPS = (60, 300, 900, 7200, 21_600)
"""Lengths of stretches of time, in seconds."""
LATEST_US = 5_000_000
"""What ended so short a time ago may not be committed yet."""
MOST_AT_ONCE_US = 60_000_000
"""Of so much time at most the ends are summed up in one transaction."""
FIRST_US = 2 * 86_400_000_000
"""How far back the first one goes, in a database that has had none."""

BOUNDS = tuple(round(1000 * 2 ** (n / 2)) for n in range(54))
"""Between which durations (µs) are told apart: from 1 ms to 26 h, each √2 times the one before."""

OUTCOMES: dict[str, str] = {"failed": "retried", "timeout": "retried"}
"""How ends of attempts are called whose name says something else of a job."""


def bucket(duration_us: int) -> int:
    """Return between which bounds a duration is: 0 for less than the first."""
    return bisect_right(BOUNDS, duration_us)


def _bucket(value: str, low: int = 0, high: int = len(BOUNDS)) -> str:
    """Return SQL that does the same: both databases can compare, and not both know logarithms."""
    if low == high:
        return str(low)
    middle = (low + high) // 2
    below, above = _bucket(value, low, middle), _bucket(value, middle + 1, high)
    return f"CASE WHEN {value} < {BOUNDS[middle]} THEN {below} ELSE {above} END"


# Each status and origin by itself, so that the index of ended jobs serves: the time of the end is its last column.
_BRANCH = """
  FROM rota_jobs WHERE status = '{status}' AND origin = '{origin}' AND completed_at > :after AND completed_at <= :until
    AND status IN ('completed', 'failed', 'cancelled')
"""
_BRANCHES = [(status, origin) for status in sorted(FINAL) for origin in get_args(Origin)]

NEXT = " UNION ALL ".join(
    [
        f"""
SELECT * FROM (SELECT completed_at AS at {_BRANCH.format(status=status, origin=origin)}
  ORDER BY completed_at LIMIT 1) {status}_{origin}"""
        for status, origin in _BRANCHES
    ]
    + [
        """
SELECT * FROM (SELECT ended_at AS at FROM rota_attempts WHERE ended_at > :after AND ended_at <= :until
  ORDER BY ended_at LIMIT 1) attempts""",
        """
SELECT * FROM (SELECT decided_at AS at FROM rota_occurrences WHERE decided_at > :after AND decided_at <= :until
  ORDER BY decided_at LIMIT 1) occurrences""",
    ]
)

ENDED_FIRST = " UNION ALL ".join(
    f"""
SELECT * FROM (SELECT completed_at FROM rota_jobs WHERE status = '{status}' AND origin = '{origin}'
  AND status IN ('completed', 'failed', 'cancelled') ORDER BY completed_at LIMIT 1) {status}_{origin}"""
    for status, origin in _BRANCHES
)
"""When the first of each kind ended that is still there."""

# How long a job waited and ran is told of its last start.  One that ended without, or after an earlier one, has none.
ENDED = f"""
SELECT minute, queue, type, status, timed, waited, ran, took, count(*), sum(waiting), sum(running) FROM (
  SELECT minute, queue, type, status, timed, waiting, running, {_bucket("waiting")} AS waited, {
    _bucket("running")
} AS ran, {_bucket("(waiting + running)")} AS took
  FROM (
    SELECT completed_at / 60000000 AS minute, queue, coalesce(type, '') AS type, status,
      CASE WHEN timed THEN 1 ELSE 0 END AS timed,
      CASE WHEN timed AND started_at > began THEN started_at - began ELSE 0 END AS waiting,
      CASE WHEN timed AND completed_at > started_at THEN completed_at - started_at ELSE 0 END AS running
    FROM (
      SELECT *, CASE WHEN run_at > created_at THEN run_at ELSE created_at END AS began,
        status <> 'cancelled' AND started_at IS NOT NULL AND started_at >= run_at AS timed
      FROM ({
    " UNION ALL ".join(
        "SELECT completed_at, queue, type, status, started_at, run_at, created_at "
        + _BRANCH.format(status=status, origin=origin)
        for status, origin in _BRANCHES
    )
}) e
    ) b
  ) d
) c GROUP BY minute, queue, type, status, timed, waited, ran, took
"""

ATTEMPTS = """
SELECT a.ended_at / 60000000 AS minute, j.queue, coalesce(j.type, '') AS type, a.outcome, count(*)
FROM rota_attempts a JOIN rota_jobs j ON j.id = a.job_id
WHERE a.ended_at > :after AND a.ended_at <= :until GROUP BY minute, j.queue, j.type, a.outcome
"""

# A run of instants decided alike in one go counts once, and again when it became longer.
DECIDED = """
SELECT disposition, count(*) FROM rota_occurrences WHERE decided_at > :after AND decided_at <= :until
GROUP BY disposition
"""

Key = tuple[int, int, str, str, str]
"""Step (s), begin (µs UTC), queue, type, outcome."""


class Rollup(msgspec.Struct):
    """Ends of one kind: how many, and how long those of them that were measured waited and ran."""

    ends: int = 0
    timed: int = 0
    waiting_us: int = 0
    running_us: int = 0
    waiting: Histogram = {}
    running: Histogram = {}

    def add(self, other: Rollup | Total) -> None:
        """Add others."""
        self.ends += other.ends
        self.timed += other.timed
        self.waiting_us += other.waiting_us
        self.running_us += other.running_us
        for own, more in ((self.waiting, other.waiting), (self.running, other.running)):
            for place, count in more.items():
                own[place] = own.get(place, 0) + count


class Ended(msgspec.Struct, frozen=True):
    """What ended after a moment and up to another (µs UTC), summed up but not stored."""

    after: int
    until: int
    sums: dict[Key, Rollup]
    totals: dict[totals.Key, Total]
    """The same, whenever it ended."""
    decided: dict[str, int]
    """Occurrences that were decided about, by disposition."""
    more: bool
    """Whether more may have ended since."""


def ended(tx: Tx) -> Ended | None:
    """Sum up what ended next, of a minute at most; None where nothing did."""
    now = tx.now()
    until = now - LATEST_US
    after = _place(tx, now)
    if after > max(now, until):  # the clock was set back: sum up from here, not from when the old time has come again
        return Ended(until, until, {}, {}, {}, more=False)
    first = min((row[0] for row in tx.rows(NEXT, {"after": after, "until": until})), default=None)
    if first is None:
        return None
    until = min(until, first + MOST_AT_ONCE_US)
    found: dict[Key, Rollup] = {}
    whole: dict[totals.Key, Total] = {}
    for at, key, one in _ended(tx, after, until):
        whole.setdefault(key, Total()).add(one)
        for step in STEPS:
            length = step * SECOND_US
            found.setdefault((step, at // length * length, *key), Rollup()).add(one)
    decided: dict[str, int] = dict(tx.rows(DECIDED, {"after": after, "until": until}))
    return Ended(after, until, found, whole, decided, bool(until < now - LATEST_US))


def store(tx: Tx, found: Ended) -> bool:
    """Add sums to what is stored; False where somebody else has done so meanwhile."""
    if _hold_place(tx) > found.after:
        return False
    _write(tx, found.sums)
    totals.add(tx, found.totals)
    totals.count(tx, {f"{DECISIONS}/{disposition}": number for disposition, number in found.decided.items()})
    meta.put(tx, PLACE, str(found.until))
    return True


def _place(tx: Tx, now: int) -> int:
    """Return up to when all is summed up."""
    held = meta.get(tx, PLACE)
    return now - FIRST_US if held is None else int(held)


def _hold_place(tx: Tx) -> int:
    """Return up to when all is summed up, and keep others from moving it until the transaction ends."""
    now = tx.now()
    sql = "INSERT INTO rota_meta (key, value) VALUES (:key, '0') ON CONFLICT DO NOTHING"
    tx.run(sql, {"key": PLACE})
    held = tx.value("SELECT value FROM rota_meta WHERE key = :key {pg|FOR UPDATE}", {"key": PLACE})
    return 0 if int(held) > now else int(held)  # the clock may have been set back


def _ended(tx: Tx, after: int, until: int) -> Iterable[tuple[int, totals.Key, Total]]:
    params = {"after": after, "until": until}
    for minute, queue, kind, status, timed, waited, ran, took, count, waiting, running in tx.rows(ENDED, params):
        one = Total(count)
        if timed:
            one = Total(count, count, int(waiting), int(running), {waited: count}, {ran: count}, {took: count})
        yield minute * 60 * SECOND_US, (queue, kind, status), one
    for minute, queue, kind, outcome, count in tx.rows(ATTEMPTS, params):
        called = OUTCOMES.get(outcome, str(outcome))
        yield minute * 60 * SECOND_US, (queue, kind, called), Total(count)


THOSE = """
SELECT r.step, r.at, r.queue, r.type, r.outcome, r.ends, r.timed, r.waiting_us, r.running_us, r.waiting, r.running
FROM {rows|u|batch|step bigint, at bigint, queue text, type text, outcome text}
JOIN rota_rollups r ON r.step = u.step AND r.at = u.at AND r.queue = u.queue AND r.type = u.type
  AND r.outcome = u.outcome
"""

PUT = """
INSERT INTO rota_rollups (step, at, queue, type, outcome, ends, timed, waiting_us, running_us, waiting, running)
SELECT u.step, u.at, u.queue, u.type, u.outcome, u.ends, u.timed, u.waiting_us, u.running_us, u.waiting, u.running
FROM {rows|u|batch|step bigint, at bigint, queue text, type text, outcome text, ends bigint, timed bigint,
  waiting_us bigint, running_us bigint, waiting text, running text}
WHERE true
ON CONFLICT (step, at, queue, type, outcome) DO UPDATE SET ends = excluded.ends, timed = excluded.timed,
  waiting_us = excluded.waiting_us, running_us = excluded.running_us, waiting = excluded.waiting,
  running = excluded.running
"""
_KEYS = ("step", "at", "queue", "type", "outcome")
_histogram = msgspec.json.Decoder(Histogram)


def _read(ends: int, timed: int, waiting_us: int, running_us: int, waiting: str, running: str) -> Rollup:
    return Rollup(ends, timed, waiting_us, running_us, _histogram.decode(waiting), _histogram.decode(running))


def _write(tx: Tx, found: dict[Key, Rollup]) -> None:
    """Add to what is stored.  Nobody else does at the same time: the place is held."""
    keys = [dict(zip(_KEYS, key, strict=True)) for key in found]
    stored = {tuple(row[:5]): _read(*row[5:]) for row in tx.rows(THOSE, {"batch": batch(keys)})}
    for key, one in found.items():
        stored.setdefault(key, Rollup()).add(one)  # what was found stays as it is: this may be done again
    rows = [
        {
            **dict(zip(_KEYS, key, strict=True)), "ends": one.ends, "timed": one.timed, "waiting_us": one.waiting_us,
            "running_us": one.running_us, "waiting": msgspec.json.encode(one.waiting).decode(),
            "running": msgspec.json.encode(one.running).decode(),
        }
        for key, one in stored.items()
    ]  # fmt: skip
    tx.run(PUT, {"batch": batch(rows)})


def between(
    tx: Tx, step: int, since_us: int, until_us: int, *, queue: str | None = None, type_name: str | None = None
) -> list[tuple[int, str, str, str, Rollup]]:
    """Return (begin, queue, type, outcome, rollup) of the stretches of ``step`` seconds that begin in this time."""
    sql = """
    SELECT at, queue, type, outcome, ends, timed, waiting_us, running_us, waiting, running FROM rota_rollups
    WHERE step = :step AND at >= :since AND at < :until
    """
    params: dict[str, object] = {"step": step, "since": since_us, "until": until_us}
    for name, value in (("queue", queue), ("type", type_name)):
        if value is not None:
            sql += f" AND {name} = :{name}"
            params[name] = value
    return [(row[0], row[1], row[2], row[3], _read(*row[4:])) for row in tx.rows(sql, params)]


FORGET = """
DELETE FROM rota_rollups WHERE (step, at, queue, type, outcome) IN (
  SELECT step, at, queue, type, outcome FROM rota_rollups WHERE step = :step AND at < :before ORDER BY at LIMIT :limit)
"""

KEPT_US = {60: 2 * 86_400_000_000, 300: 2 * 86_400_000_000, 900: 8 * 86_400_000_000}
"""How long the stretches of these lengths are kept; the longer ones as it is set."""


def forget(tx: Tx, age_us: int | None, limit: int) -> int:
    """Delete the short stretches that longer ones stand for by now, and all that began longer ago than ``age_us``.

    Return how many rows went; at most ``limit`` of each length do.
    """
    now, gone = tx.now(), 0
    for step in STEPS:
        ages = [age for age in (age_us, KEPT_US.get(step)) if age is not None]
        if ages:
            gone += tx.run(FORGET, {"step": step, "before": now - min(ages), "limit": limit})
    return gone
