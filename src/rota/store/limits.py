"""Limits of queues: what is used of them, counted from rows whenever it is asked; and what a pause takes out.

Nothing here keeps a count.  Who runs is what the rows say, and who started lately is what ``rota_starts`` says, to
which every claim from a queue with rate limits adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from rota.model import Pause, Queue
from rota.store import rings
from rota.store.database import Row, Tx
from rota.store.sql import batch

GUARD_US = 50_000
MOST_GUARD_US = 500_000
GUARD_PART = 10
"""A target sees a start some milliseconds after its claim, and one later than the other: two starts that are ``per``
apart here may be less than that apart there.  So each window is longer by a tenth, within these bounds."""

Reason = Literal["full", "worker-full", "keys-full", "rate-limited", "slowed", "contended"]


class Rate(msgspec.Struct, frozen=True):
    """At most so many starts within any ``per`` (µs): of the queue, or of each key in it."""

    limit: int
    per: int
    scope: Literal["queue", "key"] = "queue"

    @property
    def window(self) -> int:
        """For how long a start counts (µs)."""
        return self.per + max(GUARD_US, min(self.per // GUARD_PART, MOST_GUARD_US))


class Wait(msgspec.Struct, frozen=True):
    """Why a worker with free slots leaves jobs of a queue waiting."""

    reason: Reason
    until: int | None = None
    """When that ends by itself (µs, by the database's clock), where that is known."""
    rate: Rate | None = None


class Limits(msgspec.Struct, frozen=True):
    """What a queue allows."""

    name: str
    concurrency: int | None = None
    worker_concurrency: int | None = None
    key_concurrency: int | None = None
    rates: tuple[Rate, ...] = ()

    @property
    def frees(self) -> bool:
        """Whether the end of a job makes room for another."""
        return not (self.concurrency is None and self.worker_concurrency is None and self.key_concurrency is None)

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return self != Limits(self.name)

    @property
    def shared(self) -> bool:
        """Whether claims of several workers must take turns, for what they all count."""
        return not (self.concurrency is None and self.key_concurrency is None and not self.rates)

    @property
    def queue_rates(self) -> list[Rate]:
        return [rate for rate in self.rates if rate.scope == "queue"]

    @property
    def key_rates(self) -> list[Rate]:
        return [rate for rate in self.rates if rate.scope == "key"]


@lru_cache(maxsize=1000)
def _rates(text: str) -> tuple[Rate, ...]:
    return msgspec.json.decode(text, type=tuple[Rate, ...] | None) or ()


COLUMNS = "concurrency, worker_concurrency, key_concurrency, rate_limits"
SHARED = "(concurrency IS NOT NULL OR key_concurrency IS NOT NULL OR rate_limits IS NOT NULL)"
ANY = f"(worker_concurrency IS NOT NULL OR {SHARED})"


def read(name: str, row: Row) -> Limits:
    """Return the limits of a queue from its ``COLUMNS``."""
    concurrency, worker_concurrency, key_concurrency, rates = row
    return Limits(name, concurrency, worker_concurrency, key_concurrency, _rates(rates) if rates else ())


def of(queue: Queue) -> Limits:
    """Return the limits of a queue."""
    row = (queue.concurrency, queue.worker_concurrency, queue.key_concurrency, queue.rate_limits)
    return read(queue.name, row)


class Room:
    """How many more jobs of a queue may start, and what allows no more than that."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.wait: Wait | None = None

    def bound(self, left: int, wait: Wait) -> None:
        """Allow at most ``left``."""
        if self.left is None or left < self.left:
            self.left, self.wait = max(0, left), wait

    def take(self, count: int) -> None:
        """Let some start."""
        if self.left is not None:
            self.left -= count


RUNNING = """
SELECT queue, count(*), sum(CASE WHEN worker_id = :worker THEN 1 ELSE 0 END) FROM rota_jobs
WHERE status = 'running' AND queue {in|SELECT u.name FROM {rows|u|batch|name text}} GROUP BY queue
"""

STARTED = """
SELECT u.queue, u.place, (SELECT coalesce(sum(s.starts), 0) FROM rota_starts s WHERE s.queue = u.queue
  AND s.at > u.since) FROM {rows|u|batch|queue text, place bigint, since bigint}
"""


def rooms(tx: Tx, worker: str, now: int, found: Iterable[Limits]) -> dict[str, Room]:
    """Return what is left of each queue's own limits; those of its keys are asked with the keys."""
    limited = list(found)
    answer = {limits.name: Room() for limits in limited}
    counted = [one for one in limited if one.concurrency is not None or one.worker_concurrency is not None]
    if counted:
        those = {"worker": worker, "batch": batch([{"name": one.name} for one in counted])}
        running: dict[str, Row] = {row[0]: row for row in tx.rows(RUNNING, those)}
        for one in counted:
            _, everywhere, here = running.get(one.name, (one.name, 0, 0))
            if one.concurrency is not None:
                answer[one.name].bound(one.concurrency - everywhere, Wait("full"))
            if one.worker_concurrency is not None:
                answer[one.name].bound(one.worker_concurrency - int(here), Wait("worker-full"))
    for limits, rate, used in _started(tx, now, limited):
        answer[limits.name].bound(rate.limit - used, Wait("rate-limited", rate=rate))
    return answer


def _started(tx: Tx, now: int, limited: Sequence[Limits]) -> list[tuple[Limits, Rate, int]]:
    asked = [(limits, rate) for limits in limited for rate in limits.queue_rates]
    if not asked:
        return []
    rows = [
        {"queue": limits.name, "place": place, "since": now - rate.window} for place, (limits, rate) in enumerate(asked)
    ]
    used = {row[1]: int(row[2]) for row in tx.rows(STARTED, {"batch": batch(rows)})}
    return [(limits, rate, used[place]) for place, (limits, rate) in enumerate(asked)]


# When enough of the starts in a window have left it, the oldest first.
FREES = """
SELECT min((SELECT s.at FROM (SELECT t.at AS at, sum(t.starts) OVER (ORDER BY t.at) AS gone FROM rota_starts t
    WHERE t.queue = :queue AND T_OF_KEY AND t.at > :since) s
  WHERE s.gone > (SELECT sum(a.starts) FROM rota_starts a WHERE a.queue = :queue AND A_OF_KEY AND a.at > :since)
    - :limit
  ORDER BY s.at LIMIT 1)) FROM {rows|u|keys|key text}
"""
_FREES_QUEUE = FREES.replace("A_OF_KEY", "true").replace("T_OF_KEY", "true")
_FREES_KEYS = FREES.replace("A_OF_KEY AND a.at", "a.key = u.key AND a.at + 0").replace(
    "T_OF_KEY AND t.at", "t.key = u.key AND t.at + 0"
)


def frees_at(tx: Tx, queue: str, rate: Rate, now: int, keys: Sequence[str] = ()) -> int | None:
    """Return when the next job may start under a rate limit that is used up; of several keys, of the first of them."""
    if rate.limit <= 0:
        return None
    params = {
        "queue": queue, "since": now - rate.window, "limit": rate.limit,
        "keys": batch([{"key": key} for key in keys or ("",)]),
    }  # fmt: skip
    at = tx.value(_FREES_KEYS if rate.scope == "key" else _FREES_QUEUE, params)
    return None if at is None else int(at) + rate.window


STARTS = """
INSERT INTO rota_starts (queue, key, at, starts)
SELECT u.queue, u.key, n.now, u.starts FROM (SELECT rota_now() AS now) n
CROSS JOIN {rows|u|batch|queue text, key text, starts bigint}
"""


def record(tx: Tx, starts: Mapping[tuple[str, str | None], int]) -> None:
    """Store how many jobs of (queue, key) start in this transaction."""
    if starts:
        rows = [{"queue": queue, "key": key, "starts": count} for (queue, key), count in starts.items()]
        tx.run(STARTS, {"batch": batch(rows)})


MINUTE_US = 60_000_000
STEPS = (
    (MINUTE_US, 1_000_000),
    (10 * MINUTE_US, 10_000_000),
    (60 * MINUTE_US, MINUTE_US),
    (1440 * MINUTE_US, 900_000_000),
)
"""Starts so long ago are kept to the next full so much (µs): a sixtieth of their age, later and never earlier."""

# A clock that was turned back would let no job start until the old time has come again.
TURNED_BACK = "UPDATE rota_starts SET at = :now WHERE queue = :queue AND at > :now"
GONE = "DELETE FROM rota_starts WHERE queue = :queue AND at <= :before"
ROUNDED = """
DELETE FROM rota_starts WHERE queue = :queue AND at <= :before AND at % :step <> 0 RETURNING key, at, starts
"""
AT = """
INSERT INTO rota_starts (queue, key, at, starts)
SELECT :queue, u.key, u.at, u.starts FROM {rows|u|batch|key text, at bigint, starts bigint}
"""
STARTED_QUEUES = """
WITH RECURSIVE s(queue) AS (
  SELECT (SELECT t.queue FROM rota_starts t ORDER BY t.queue LIMIT 1)
  UNION ALL
  SELECT (SELECT t.queue FROM rota_starts t WHERE t.queue > s.queue ORDER BY t.queue LIMIT 1)
  FROM s WHERE s.queue IS NOT NULL
)
SELECT s.queue, q.rate_limits FROM s LEFT JOIN rota_queues q ON q.name = s.queue WHERE s.queue IS NOT NULL
"""


def any_starts(tx: Tx) -> bool:
    """Tell whether starts are kept."""
    return tx.row("SELECT 1 FROM rota_starts LIMIT 1") is not None


def prune(tx: Tx) -> int:
    """Forget the starts that no window reaches any more, and make few rows of many old ones; return how many went.

    A row is only ever moved later, so that no limit is exceeded for it.
    """
    now, gone = tx.now(), 0
    for queue, text in tx.rows(STARTED_QUEUES):
        tx.run(TURNED_BACK, {"queue": queue, "now": now})
        reach = max((rate.window for rate in _rates(text or "null")), default=0)
        gone += tx.run(GONE, {"queue": queue, "before": now - reach})
        for age, step in STEPS:
            if age < reach:
                gone += _round_up(tx, queue, now - age, step)
    return gone


def _round_up(tx: Tx, queue: str, before: int, step: int) -> int:
    rows = tx.rows(ROUNDED, {"queue": queue, "before": before, "step": step})
    sums: dict[tuple[str | None, int], int] = {}
    for key, at, starts in rows:
        place = (key, -(-at // step) * step)
        sums[place] = sums.get(place, 0) + starts
    if rows:
        kept = [{"key": key, "at": at, "starts": starts} for (key, at), starts in sums.items()]
        tx.run(AT, {"queue": queue, "batch": batch(kept)})
    return len(rows) - len(sums)


# -- pauses of types and keys -----------------------------------------------------------------------------------------

PAUSED = "SELECT kind, queue, name FROM rota_pauses WHERE resume_at IS NULL OR resume_at > rota_now()"


class Pauses(msgspec.Struct, frozen=True):
    """What of all queues does not start."""

    types: frozenset[str] = frozenset()
    keys: frozenset[tuple[str, str]] = frozenset()
    """(queue, key); in all queues where the queue is empty."""

    def covers(self, queue: str, key: str) -> bool:
        """Tell whether a key is paused."""
        return bool(self.keys) and ((queue, key) in self.keys or ("", key) in self.keys)


def pauses(tx: Tx) -> Pauses:
    """Return the pauses of types and keys that are not over."""
    rows = tx.rows(PAUSED)
    types = frozenset(name for kind, _, name in rows if kind == "type")
    return Pauses(types, frozenset((queue, name) for kind, queue, name in rows if kind == "key"))


PARK = """
UPDATE rota_jobs SET ring = '!' || type || '|' || coalesce(ring, '')
WHERE id {in|SELECT u.id FROM {rows|u|batch|id uuid}} AND {lite|+}status{pg| || ''} = 'pending'
"""

UNPARK = """
UPDATE rota_jobs SET ring = nullif(substr(ring, {pg|strpos}{lite|instr}(ring, '|') + 1), '')
WHERE id {in|SELECT j.id FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NOT NULL AND j.queue = :queue
    AND j.lane = :lane AND j.ring >= :first AND j.ring < :end ORDER BY j.ring, j.rank LIMIT :limit
    {pg|FOR UPDATE SKIP LOCKED}} AND {lite|+}status{pg| || ''} = 'pending'
"""


def park(tx: Tx, ids: Sequence[str]) -> None:
    """Set jobs of paused types aside, each once, so that however many wait they are in nobody's way."""
    if ids:
        tx.run(PARK, {"batch": batch([{"id": job_id} for job_id in ids])})


def unpark(tx: Tx, type_name: str, limit: int) -> int:
    """Let at most ``limit`` parked jobs of a type wait with the others again; return how many.

    A claim does the same for types that are not paused, so nothing is lost if this was not called to the end.
    """
    done = 0
    for place in rings.places(tx):
        if place.prefix == parked(type_name) and done < limit:
            done += unpark_place(tx, place, limit - done)
    if done:
        tx.hint("jobs")
    return done


def unpark_place(tx: Tx, place: rings.Place, limit: int) -> int:
    """As ``unpark``, in one place."""
    span = {"first": place.prefix + "|", "end": place.prefix + "}"}
    return tx.run(UNPARK, {"queue": place.queue, "lane": place.lane, "limit": limit, **span})


def parked(type_name: str) -> str:
    """Return the prefix of the rings in which jobs of a paused type are parked."""
    return "!" + type_name


# -- what `why` tells -------------------------------------------------------------------------------------------------


class RateUse(msgspec.Struct, frozen=True):
    """How much of a rate limit is used."""

    rate: Rate
    used: int
    frees_at: int | None
    """When the next start is allowed (µs), where none is now; None also where none ever is."""

    @property
    def full(self) -> bool:
        return self.used >= self.rate.limit


class Usage(msgspec.Struct, frozen=True):
    """What is used of the limits of a queue, and of those of one key in it."""

    limits: Limits
    running: int
    key_running: list[tuple[str, int]]
    """(job, started_at) of those that run with the key, the oldest first."""
    rates: list[RateUse]


KEY_RUNNING = """
SELECT id, started_at FROM rota_jobs WHERE status = 'running' AND queue = :queue AND concurrency_key = :key
ORDER BY started_at, id LIMIT 100
"""
QUEUE_STARTED = "SELECT coalesce(sum(s.starts), 0) FROM rota_starts s WHERE s.queue = :queue AND s.at > :since"
KEY_STARTED = QUEUE_STARTED.replace("s.at > :since", "s.key = :key AND s.at + 0 > :since")


def usage(tx: Tx, queue: Queue, key: str | None = None) -> Usage:
    """Return what is used of a queue's limits now, for people."""
    limits, now = of(queue), tx.now()
    count = "SELECT count(*) FROM rota_jobs WHERE status = 'running' AND queue = :queue"
    running = int(tx.value(count, {"queue": queue.name}))
    mine = tx.rows(KEY_RUNNING, {"queue": queue.name, "key": key}) if key is not None else []
    rates = [
        _rate_use(tx, queue.name, rate, now, key) for rate in limits.rates if rate.scope == "queue" or key is not None
    ]
    return Usage(limits, running, [(row[0], row[1]) for row in mine], rates)


def _rate_use(tx: Tx, queue: str, rate: Rate, now: int, key: str | None) -> RateUse:
    params: dict[str, Any] = {"queue": queue, "since": now - rate.window}
    sql = QUEUE_STARTED
    if rate.scope == "key":
        sql, params["key"] = KEY_STARTED, key
    used = int(tx.value(sql, params))
    full = used >= rate.limit
    return RateUse(rate, used, frees_at(tx, queue, rate, now, [key or ""]) if full else None)


def is_over(pause: Pause, now: int) -> bool:
    """Tell whether a pause has ended by itself."""
    return pause.resume_at is not None and pause.resume_at <= now
