"""Serving: what a worker asks for, which queues may serve it, and the hold on those that have limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from rota.store import limits, rings
from rota.store.database import Tx
from rota.store.limits import Limits, Wait
from rota.store.rings import Place
from rota.store.sql import batch
from rota.store.untaken import HOST

OPEN = "(q.paused_at IS NULL OR q.resume_at <= rota_now())"

# A queue that belongs to one host is served there only, whatever a worker lists.
HERE = "(substr(q.name, 1, 5) <> 'host:' OR q.name = :host)"

# Names before the start queue come last: workers that start at different queues share them out.
ALL_QUEUES = f"rota_queues q WHERE {OPEN} AND {HERE} AND LIMITS ORDER BY q.name < :start, q.name"

LISTED_QUEUES = f"""
{{rows|w|queues|name text, place bigint}} JOIN rota_queues q ON q.name = w.name
WHERE {OPEN} AND {HERE} AND LIMITS ORDER BY w.place
"""

UNLIMITED = """q.concurrency IS NULL AND q.worker_concurrency IS NULL AND q.key_concurrency IS NULL
  AND q.rate_limits IS NULL"""

# What makes a claim take the long way.  The first ring is asked for in order, else PostgreSQL, which expects one soon,
# would go through the whole table; and SQLite where much waits: from its beginning, where all has ended.
RINGED = """(SELECT queue FROM rota_jobs {lite|INDEXED BY rota_jobs_ring} WHERE status = 'pending'
   AND ring IS NOT NULL ORDER BY queue, lane, ring LIMIT 1) IS NOT NULL"""

SERVED = f"""
SELECT q.name, {limits.COLUMNS}, CASE WHEN q.slowed_until > n.now THEN q.slowed_until END,
  coalesce(PLAIN, 0), CASE WHEN q.slowed_until > n.now OR {limits.ANY} THEN coalesce(RINGS, 0) ELSE 0 END,
  n.now, n.ringed, n.paused
FROM (SELECT rota_now() AS now, {RINGED} AS ringed, EXISTS (SELECT 1 FROM rota_pauses) AS paused) n
CROSS JOIN QUEUES
"""

# The first of a lane in either index, in order for the same reason.
PLAIN_IN = """(SELECT 1 FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NULL AND j.queue = q.name
  AND j.lane = 'LANE' ORDER BY j.rank, j.run_at LIMIT 1)"""
RINGS_IN = """(SELECT 1 FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NOT NULL AND j.queue = q.name
  AND j.lane = 'LANE' ORDER BY j.ring LIMIT 1)"""

# The row of a queue with a limit is the lock that claims from it take in turn; whoever finds it taken lets it be.
# What is counted afterwards is counted with all that was claimed before, and the limits are those of this moment.
LOCK = f"""
SELECT name, {limits.COLUMNS} FROM rota_queues
WHERE {limits.SHARED} AND name {{in|SELECT u.name FROM {{rows|u|batch|name text}}}}
ORDER BY name FOR NO KEY UPDATE SKIP LOCKED
"""


class Request(msgspec.Struct, frozen=True):
    """What a worker asks for."""

    worker: str
    lanes: Mapping[str, int]
    """Free slots of each lane, all above zero."""
    queues: tuple[str, ...] | None = None
    """These in that order of preference; None for all, also new ones."""
    foreign: tuple[str, ...] = ()
    """Declared types whose code this worker does not have."""
    start: str = ""
    """Which queue to look at first when all are served."""
    labels: frozenset[str] = frozenset()
    """What the worker has of what jobs ask for."""
    host: str = ""
    """Where the worker runs: it serves the queue of that host too."""
    answer_key: str = ""
    """Of what the worker makes the tokens of targets that answer later; nobody else knows it."""


def queues(request: Request) -> str:
    """Return which queues serve, in order, as SQL; LIMITS is what is asked of them."""
    return ALL_QUEUES if request.queues is None else LISTED_QUEUES


def params_of(request: Request) -> dict[str, object]:
    """Return the parameters of the statements of a claim."""
    params: dict[str, object] = {"worker": request.worker, "start": request.start, "host": HOST + request.host}
    params["answer_key"] = request.answer_key
    params.update({f"n_{lane}": free for lane, free in request.lanes.items()})
    if request.queues is not None:
        listed = dict.fromkeys(request.queues)  # a name given twice counts once
        params["queues"] = batch([{"name": name, "place": place} for place, name in enumerate(listed)])
    if request.foreign:
        params["foreign"] = batch([{"name": name} for name in request.foreign])
    return params


class Served(msgspec.Struct):
    """A queue that a claim may take from."""

    limits: Limits
    slowed_until: int | None
    plain: bool
    """Whether a job that stands in no ring waits in it."""
    ringed: bool
    """Whether one in a ring does; asked only of those that have limits."""

    @property
    def waiting(self) -> bool:
        return self.plain or self.ringed


class State(msgspec.Struct):
    """What a claim sees first."""

    served: list[Served]
    """In the order of the worker."""
    now: int = 0
    ringed: bool = False
    """Whether anything waits in a ring, in whatever queue."""
    paused: bool = False
    """Whether a type or key is paused."""

    @property
    def plain(self) -> bool:
        """Whether the next claim may be one statement."""
        return not (
            self.ringed or self.paused or any(one.limits.any or one.slowed_until is not None for one in self.served)
        )


def _question(request: Request) -> str:
    plain, ringed = (", ".join(part.replace("LANE", lane) for lane in request.lanes) for part in (PLAIN_IN, RINGS_IN))
    sql = SERVED.replace("PLAIN", plain).replace("RINGS", ringed).replace("QUEUES", queues(request))
    return sql.replace("LIMITS", "true")


class Sight:
    """A look at the queues that a worker serves, and at where rings wait, without a lock.

    The questions may go to the server with what comes before the claim; what that makes ready has it look again.
    """

    def __init__(self, tx: Tx, request: Request, *, ringed: bool) -> None:
        """``ringed``: whether rings probably wait, so that it is worth to ask at once where."""
        self.params = params_of(request)
        self._tx = tx
        self._question = _question(request)
        self._with_places = ringed and tx.dialect == "postgresql"
        self._ask()

    def _ask(self) -> None:
        self._told = self._tx.told["jobs"]
        self._rows = self._tx.ahead(self._question, self.params)
        self._places = self._tx.ahead(rings.PLACES_PG) if self._with_places else None

    def state(self) -> State:
        """Return what is to be seen now."""
        if self._tx.told["jobs"] != self._told:  # whoever makes a job ready says so
            self._ask()
        rows = self._rows()
        served = [Served(limits.read(row[0], row[1:5]), row[5], bool(row[6]), bool(row[7])) for row in rows]
        return State(served, rows[0][8], bool(rows[0][9]), bool(rows[0][10])) if rows else State(served)

    def places(self) -> list[Place]:
        """Return where rings wait."""
        return [Place(*row) for row in self._places()] if self._places is not None else rings.places(self._tx)


def hold(tx: Tx, state: State, meanwhile: Callable[[], None] = lambda: None) -> dict[str, Wait]:
    """Lock the queues with limits in which something waits; leave out those that another claim holds.

    Returns those.  What ``meanwhile`` asks for goes with the lock, and is run behind it.
    """
    # With nothing waiting in it when it was looked at, a queue with limits is not counted and not served.
    state.served[:] = [one for one in state.served if one.waiting or not one.limits.any]
    shared = [one.limits.name for one in state.served if one.limits.shared]
    if not shared or tx.dialect == "sqlite":
        return {}
    rows = tx.ahead(LOCK, {"batch": batch([{"name": name} for name in shared])})
    meanwhile()
    held = {row[0]: limits.read(row[0], row[1:5]) for row in rows()}
    for one in state.served:
        one.limits = held.get(one.limits.name, one.limits)
    state.served[:] = [one for one in state.served if not one.limits.shared or one.limits.name in held]
    return {name: Wait("contended") for name in shared if name not in held}
