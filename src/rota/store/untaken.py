"""Work that no living worker takes: of a queue, with labels, or of a type whose code none has.

Jobs that are ready stand in two indexes: the plain ones, and those with labels or a concurrency key by their ring,
``labels|key``; the ring of a job whose type is paused begins with ``!``.  Both are looked at by skip scans, one probe
for each queue, lane and set of labels that has some, however many they have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from rota.model import Job, NewJob, Worker
from rota.store import types, workers
from rota.store.database import Tx
from rota.store.sql import batch

MOST_COUNTED = 10_000
CODE_LANES = frozenset(("async", "sync"))
HOST = "host:"
"""How the name of a queue begins that belongs to one host."""


class Lane(msgspec.Struct, frozen=True):
    """Jobs of one queue and lane wait; ``type`` is that of the first of them, due since ``since`` (µs UTC)."""

    queue: str
    lane: str
    type: str | None
    since: int = 0
    labels: tuple[str, ...] = ()
    """Which all of them ask for."""
    without: str = ""
    """What no living worker does or has; empty while nobody has asked."""


class Stranded(msgspec.Struct, frozen=True):
    """Jobs that no living worker can take, due since ``since`` (µs UTC).

    Of a type whose code none has, in whatever queue; else of a queue, a lane and labels, and ``type`` is that of the
    first.
    """

    type: str | None
    queue: str | None
    lane: str | None
    count: int
    """Not above ``MOST_COUNTED``."""
    since: int
    labels: tuple[str, ...] = ()
    without: str = ""
    """What no living worker does or has."""


class Taker(msgspec.Struct, frozen=True):
    """What a living worker takes."""

    host: str
    queues: frozenset[str] | None
    lanes: frozenset[str]
    types: frozenset[str]
    labels: frozenset[str]

    def serves(self, queue: str) -> bool:
        """Tell whether it looks into a queue; into that of a host only there."""
        if queue.startswith(HOST):
            return queue == HOST + self.host
        return self.queues is None or queue in self.queues

    def runs(self, lane: str, type_: str | None) -> bool:
        """Tell whether it runs such jobs, wherever they wait."""
        return lane in self.lanes and (lane not in CODE_LANES or type_ is None or type_ in self.types)

    def takes(self, lane: Lane) -> bool:
        """Tell whether it takes such jobs."""
        return self.serves(lane.queue) and self.runs(lane.lane, lane.type) and self.labels.issuperset(lane.labels)


def lane_of(job: Job | NewJob) -> Lane:
    """Return where a job waits, or will wait."""
    return Lane(job.queue, job.lane, job.type, job.run_at or 0, tuple(msgspec.json.decode(job.run_on or "[]")))


def takers_of(living: Sequence[Worker]) -> list[Taker]:
    """Return what each of these processes takes that is a worker at work."""
    return [taker_of(worker) for worker in living if worker.role == "worker" and worker.state == "running"]


def taker_of(worker: Worker) -> Taker:
    """Return what a worker takes."""
    queues, lanes, types_, labels = (
        frozenset(msgspec.json.decode(document or "[]"))
        for document in (worker.queues, worker.lanes, worker.types, worker.labels)
    )
    return Taker(worker.host, queues if worker.queues else None, lanes, types_, labels)


EXTRA_LANES = ("rq", "celery")
"""What a worker takes only where an extra is installed."""


def lacking(takers: Sequence[Taker], wanted: Lane) -> str:
    """Say what no living worker does or has, of work that none takes."""
    if not takers:
        return "no worker lives"
    serving = [taker for taker in takers if taker.serves(wanted.queue)]
    if not serving:
        if wanted.queue.startswith(HOST):
            return f"no live worker is on host {wanted.queue.removeprefix(HOST)}"
        return f"no live worker takes queue {wanted.queue}"
    if not any(taker.runs(wanted.lane, wanted.type) for taker in serving):
        coded = wanted.lane in CODE_LANES and wanted.type is not None
        extra = f" (they need pip install 'rota[{wanted.lane}]')" if wanted.lane in EXTRA_LANES else ""
        return f"no live worker runs {f'job type {wanted.type}' if coded else f'{wanted.lane} jobs'}{extra}"
    several = "labels" if len(wanted.labels) > 1 else "label"
    return f"no live worker has the {several} {', '.join(wanted.labels)}"


OPEN = "(q.paused_at IS NULL OR q.resume_at <= rota_now())"

# Without the inner limit SQLite expects so many that it reads all jobs first, for a filter.
# From one place to the next, which a comparison of rows would not do on SQLite: that goes through the whole queue.
PLAIN = """
WITH RECURSIVE p(id) AS (
  SELECT (WAITS ORDER BY j.queue, j.lane, j.rank, j.run_at, j.id LIMIT 1)
  UNION ALL
  SELECT coalesce(
    (WAITS AND j.queue = c.queue AND j.lane > c.lane ORDER BY j.lane, j.rank, j.run_at, j.id LIMIT 1),
    (WAITS AND j.queue > c.queue ORDER BY j.queue, j.lane, j.rank, j.run_at, j.id LIMIT 1))
  FROM p JOIN rota_jobs c ON c.id = p.id {lite|LIMIT 1000}
)
SELECT c.queue, c.lane, NULL, c.type, c.run_at
FROM p JOIN rota_jobs c ON c.id = p.id JOIN rota_queues q ON q.name = c.queue WHERE OPEN LIMIT 1000
""".replace("OPEN", OPEN).replace("WAITS", "SELECT j.id FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NULL")

LABELS = "substr(c.ring, 1, {pg|strpos}{lite|instr}(c.ring, '|') - 1)"

# Of each set of labels the first ring stands for all.  `}` comes right behind `|`: so the next are behind that.
RINGS = """
WITH RECURSIVE p(id) AS (
  SELECT (WAITS ORDER BY j.queue, j.lane, j.ring, j.rank, j.run_at, j.id LIMIT 1)
  UNION ALL
  SELECT coalesce(
    (WAITS AND j.queue = c.queue AND j.lane = c.lane AND j.ring > LABELS || '}'
     ORDER BY j.ring, j.rank, j.run_at, j.id LIMIT 1),
    (WAITS AND j.queue = c.queue AND j.lane > c.lane ORDER BY j.lane, j.ring, j.rank, j.run_at, j.id LIMIT 1),
    (WAITS AND j.queue > c.queue ORDER BY j.queue, j.lane, j.ring, j.rank, j.run_at, j.id LIMIT 1))
  FROM p JOIN rota_jobs c ON c.id = p.id {lite|LIMIT 1000}
)
SELECT c.queue, c.lane, LABELS, c.type, c.run_at
FROM p JOIN rota_jobs c ON c.id = p.id JOIN rota_queues q ON q.name = c.queue
WHERE OPEN AND c.ring NOT LIKE '!%' LIMIT 1000
""".replace("WAITS", "SELECT j.id FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NOT NULL")
RINGS = RINGS.replace("OPEN", OPEN).replace("LABELS", LABELS)

NOT_PAUSED = """
NOT EXISTS (SELECT 1 FROM rota_pauses p WHERE p.kind = 'type' AND p.name = j.type
  AND HOLDS OR p.kind = 'key' AND p.name = j.concurrency_key AND p.queue IN ('', j.queue) AND HOLDS)
""".replace("HOLDS", "(p.resume_at IS NULL OR p.resume_at > rota_now())")

ANY_PAUSE = "SELECT 1 FROM rota_pauses LIMIT 1"

IN_LANE = {
    False: "j.status = 'pending' AND j.ring IS NULL AND j.queue = :queue AND j.lane = :lane",
    True: """j.status = 'pending' AND j.ring IS NOT NULL AND j.queue = :queue AND j.lane = :lane
      AND j.ring >= :labels || '|' AND j.ring < :labels || '}'""",
}

# The first that may start, where types or keys are paused.
FIRST = f"""
SELECT j.type, j.run_at FROM (
  SELECT j.queue, j.type, j.concurrency_key, j.run_at FROM rota_jobs j WHERE IN_LANE ORDER BY ORDERED
  LIMIT {MOST_COUNTED}
) j WHERE {NOT_PAUSED} LIMIT 1
"""

COUNT = f"""
SELECT count(*) FROM (SELECT 1 FROM rota_jobs j WHERE IN_LANE AND ALLOWED LIMIT {MOST_COUNTED}) w
"""

# Only asked when there are such types; a bound keeps a backlog of millions from being read again and again.
WITHOUT_CODE = f"""
SELECT w.type, count(*), min(w.run_at) FROM (
  SELECT j.type, j.run_at FROM rota_jobs j JOIN rota_queues q ON q.name = j.queue
  WHERE j.status = 'pending' AND j.ring IS NULL AND j.lane IN ('async', 'sync') AND {OPEN}
    AND j.type IN (SELECT n.name FROM {{rows|n|names|name text}}) AND ALLOWED LIMIT {MOST_COUNTED}
) w GROUP BY w.type ORDER BY w.type
"""

# In the order of an index, or the databases would look for the first one from the beginning of the table.
ANYTHING = """
SELECT rota_now(), coalesce(
  (SELECT 1 FROM rota_jobs {lite|INDEXED BY rota_jobs_ready} WHERE status = 'pending' AND ring IS NULL
   ORDER BY queue LIMIT 1),
  (SELECT 1 FROM rota_jobs {lite|INDEXED BY rota_jobs_ring} WHERE status = 'pending' AND ring IS NOT NULL
   ORDER BY queue LIMIT 1))
"""


def lanes(tx: Tx, takers: Sequence[Taker]) -> list[Lane]:
    """Return what waits in queues that are not paused, though none of these takes it."""
    return [lane for lane, _ in _untaken(tx, takers)]


def stranded(tx: Tx) -> tuple[int, list[Stranded]]:
    """Return the time (µs UTC) and all jobs that wait although no living worker can take them."""
    now, waiting = tx.rows(ANYTHING)[0]
    if not waiting:
        return now, []
    takers = takers_of(workers.living(tx))
    code = frozenset(types.code_names(tx))
    without = sorted(code.difference(*(taker.types for taker in takers)))
    allowed = NOT_PAUSED if _pauses(tx) else "true"
    found = _without_code(tx, without, allowed) if without else []
    for lane, labels in _untaken(tx, takers):
        if lane.type not in without:
            sql = COUNT.replace("IN_LANE", IN_LANE[labels is not None]).replace("ALLOWED", allowed)
            count = tx.value(sql, {"queue": lane.queue, "lane": lane.lane, "labels": labels})
            found.append(Stranded(lane.type, lane.queue, lane.lane, count, lane.since, lane.labels, lane.without))
    return now, found


def _pauses(tx: Tx) -> bool:
    return tx.row(ANY_PAUSE) is not None


def _without_code(tx: Tx, names: Sequence[str], allowed: str) -> list[Stranded]:
    params = {"names": batch([{"name": name} for name in names])}
    counts: dict[str, int] = {}
    oldest: dict[str, int] = {}
    for ring in ("ring IS NULL", "ring IS NOT NULL"):
        for name, count, since in tx.rows(
            WITHOUT_CODE.replace("ring IS NULL", ring).replace("ALLOWED", allowed), params
        ):
            counts[name] = min(counts.get(name, 0) + count, MOST_COUNTED)
            oldest[name] = min(oldest.get(name, since), since)
    return [
        Stranded(name, None, None, counts[name], oldest[name], without=f"no live worker runs job type {name}")
        for name in sorted(counts)
    ]


def _untaken(tx: Tx, takers: Sequence[Taker]) -> Iterator[tuple[Lane, str | None]]:
    """Yield what none of these takes, with its labels as they stand in the ring."""
    rows = [
        row for sql in (PLAIN, RINGS) for row in sorted(tx.rows(sql), key=lambda row: (row[0], row[1], row[2] or ""))
    ]
    pauses: bool | None = None
    for queue, lane_name, labels, type_, since in rows:
        lane = Lane(queue, lane_name, type_, since, tuple(msgspec.json.decode(labels or "[]")))
        if _taken(lane, takers):
            continue
        if pauses is None:
            pauses = _pauses(tx)
        found = _first_allowed(tx, lane, labels) if pauses else lane
        if found is not None and not _taken(found, takers):
            yield msgspec.structs.replace(found, without=lacking(takers, found)), labels


def _taken(lane: Lane, takers: Sequence[Taker]) -> bool:
    return any(taker.takes(lane) for taker in takers)


def _first_allowed(tx: Tx, lane: Lane, labels: str | None) -> Lane | None:
    order = "j.rank, j.run_at, j.id" if labels is None else "j.ring, j.rank, j.run_at, j.id"
    sql = FIRST.replace("IN_LANE", IN_LANE[labels is not None]).replace("ORDERED", order)
    row = tx.row(sql, {"queue": lane.queue, "lane": lane.lane, "labels": labels})
    return None if row is None else msgspec.structs.replace(lane, type=row[0], since=row[1])
