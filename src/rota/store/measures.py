"""The state of the system in numbers, for those who collect them: a few statements, whatever there is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rota.model import Worker
from rota.store import meta, migrate, queues, rollups, totals, vitals, workers
from rota.store.database import Tx
from rota.store.rollups import ENDED_FIRST
from rota.store.totals import Total

RETENTION_RAN = "retention_ran"
"""Under this key ``rota_meta`` says when a look at what is old ended last (µs UTC)."""
DELETED = "deleted"
"""Group of the counters of what retention deleted."""
Where = tuple[str, str]
"""Queue and status."""


class Depth(msgspec.Struct):
    """Jobs of a queue in one status."""

    count: int = 0
    """Not above ``queues.COUNT_CAP``, and less where there are very many queues."""
    retrying: int = 0
    """How many of them have been started before."""
    since: int | None = None
    """Of the counted ones: the earliest time at which one was due, or began (µs UTC)."""

    def add(self, count: int, retrying: int, since: int | None) -> None:
        """Add others."""
        self.count = min(queues.COUNT_CAP, self.count + count)
        self.retrying = min(queues.COUNT_CAP, self.retrying + retrying)
        self.since = min((one for one in (self.since, since) if one is not None), default=None)


class Slots(msgspec.Struct):
    """Places for jobs of one kind."""

    taken: int = 0
    of: int = 0


class Channel(msgspec.Struct, frozen=True):
    """A channel that alerts are told to."""

    failing: bool
    waiting: int
    """Messages that it was not given yet; not above ``queues.COUNT_CAP``."""


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the system in numbers.  Times are µs UTC by the database's clock."""

    now: int
    schema: int = 0
    accounted_to: int | None = None
    schedules_due: int = 0
    """Not above ``vitals.MOST_COUNTED``."""
    processes: dict[str, int] = {}
    """Those whose lease holds, by role."""
    slots: dict[str, Slots] = {}
    """Of all living workers, by kind."""
    lags: dict[str, float] = {}
    """How late the event loop of each living worker was at its last sign of life (s)."""
    jobs: dict[Where, Depth] = {}
    totals: dict[totals.Key, Total] = {}
    decided: dict[str, int] = {}
    """What became of due instants, by disposition."""
    deleted: dict[str, int] = {}
    """Rows that retention deleted, by kind."""
    retention_ran: int | None = None
    oldest: int | None = None
    """When the oldest job ended that is still there."""
    alerts: dict[tuple[str, str], int] = {}
    """Open ones by kind and severity."""
    channels: dict[str, Channel] = {}


MOST_COUNTED = 200_000
"""So many ready jobs are counted of all queues, so that a thousand full ones do not make the look a slow one."""
LEAST_COUNTED = 200
"""So many of each queue at least."""
FAILED_CAP = 2_000
"""So many failed jobs are counted, the latest: they lie far apart among all others."""
COUNTED_STATUSES = ("pending", "scheduled", "running", "failed")

# Three numbers in one text: a subquery in this place gives one value.  The queue's name comes from outside of it, so
# that each queue's first jobs are counted by their index, all queues in one statement; in its order, else the databases
# would look for the few of an empty queue among all jobs.
_FIRST = """
(SELECT count(*) || ',' || coalesce(sum(CASE WHEN attempt > 0 THEN 1 ELSE 0 END), 0) || ',' || coalesce(min(run_at), 0)
 FROM (SELECT attempt, run_at FROM rota_jobs WHERE status = 'pending' AND queue = q.name AND ring {}
       ORDER BY {} LIMIT :cap) j)
"""
_PLAIN = _FIRST.format("IS NULL", "queue, lane, rank, run_at, id")
_RINGED = _FIRST.format("IS NOT NULL", "queue, lane, ring, rank, run_at, id")
PENDING = f"SELECT name, {_PLAIN}, {_RINGED} FROM rota_queues q"

# As `queues.stats` counts them, but for fewer failed ones.
_OTHER = """
SELECT queue, '{shown}', count(*), sum(CASE WHEN attempt > 0 THEN 1 ELSE 0 END), min({since})
FROM (SELECT queue, attempt, run_at, started_at FROM rota_jobs WHERE status = '{status}' {which}
      LIMIT {cap}) {status}_jobs GROUP BY queue
"""
OTHERS = " UNION ALL ".join(
    _OTHER.format(shown=shown, status=status, which=which, since=since, cap=cap)
    for shown, status, which, since, cap in (
        ("pending", "held", "", "run_at", queues.COUNT_CAP),
        ("scheduled", "scheduled", "ORDER BY run_at", "run_at", queues.COUNT_CAP),
        ("running", "running", "", "started_at", queues.COUNT_CAP),
        ("failed", "failed", "ORDER BY id DESC", "run_at", FAILED_CAP),
    )
)

ALERTS = "SELECT kind, severity, count(*) FROM rota_alerts WHERE closed_at IS NULL GROUP BY kind, severity"

SEEN_US = 600_000_000
"""A channel that no process has named for so long is none any more."""
CHANNELS = f"""
SELECT c.name, CASE WHEN c.failing_since IS NULL THEN 0 ELSE 1 END,
  (SELECT count(*) FROM (SELECT 1 FROM rota_deliveries d WHERE d.channel = c.name AND d.state = 'pending'
                         LIMIT {queues.COUNT_CAP}) w)
FROM rota_channels c WHERE c.seen_at > (SELECT rota_now()) - {SEEN_US}
"""


class _Detail(msgspec.Struct, rename="camel"):
    """What a worker says of itself, as ``engine.worker`` gives to its lease."""

    slots: dict[str, Slots] = {}
    loop_lag_ms: float | None = None


_detail = msgspec.json.Decoder(_Detail)


def measure(tx: Tx) -> Measures:
    """Return the state of the system in numbers."""
    living = workers.living(tx)
    slots, lags = _of_workers(living)
    ran = meta.get(tx, RETENTION_RAN)
    return Measures(
        now=tx.now(),
        schema=migrate.version(tx),
        accounted_to=meta.accounted_to(tx),
        schedules_due=int(tx.value(vitals.COUNT_DUE)),
        processes={role: sum(one.role == role for one in living) for role in ("api", "scheduler", "worker")},
        slots=slots,
        lags=lags,
        jobs=_jobs(tx),
        totals=totals.read(tx),
        decided=totals.counted(tx, rollups.DECISIONS),
        deleted=totals.counted(tx, DELETED),
        retention_ran=None if ran is None else int(ran),
        oldest=min((row[0] for row in tx.rows(ENDED_FIRST)), default=None),
        alerts={(kind, severity): count for kind, severity, count in tx.rows(ALERTS)},
        channels={name: Channel(bool(failing), waiting) for name, failing, waiting in tx.rows(CHANNELS)},
    )


def _jobs(tx: Tx) -> dict[Where, Depth]:
    found: dict[Where, Depth] = {}
    shared = MOST_COUNTED // max(1, tx.value("SELECT count(*) FROM rota_queues"))
    for name, *packed in tx.rows(PENDING, {"cap": max(LEAST_COUNTED, min(queues.COUNT_CAP, shared))}):
        for status in COUNTED_STATUSES:
            found[name, status] = Depth()
        for count, retrying, since in (map(int, one.split(",")) for one in packed):
            found[name, "pending"].add(count, retrying, since if count else None)
    for name, status, count, retrying, since in tx.rows(OTHERS):
        found.setdefault((name, status), Depth()).add(int(count), int(retrying), since)
    return found


def _of_workers(living: Iterable[Worker]) -> tuple[dict[str, Slots], dict[str, float]]:
    slots: dict[str, Slots] = {}
    lags: dict[str, float] = {}
    for worker in living:
        if worker.role != "worker" or worker.detail is None:
            continue
        try:
            detail = _detail.decode(worker.detail)
        except msgspec.MsgspecError:  # of another version
            continue
        for kind, those in detail.slots.items():
            sums = slots.setdefault(kind, Slots())
            sums.taken, sums.of = sums.taken + those.taken, sums.of + those.of
        if detail.loop_lag_ms is not None:
            lags[f"{worker.host}:{worker.pid}"] = detail.loop_lag_ms / 1000
    return slots, lags
