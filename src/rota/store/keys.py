"""The keys of a queue: what waits and runs of each concurrency key, and who is first of each order key.

One probe of the index for each key, however many jobs wait for it.
"""

from __future__ import annotations

import msgspec

from rota.model import ORDER
from rota.store import rings, turns
from rota.store.database import Tx
from rota.store.sql import batch

COUNT_CAP = 1000
"""Jobs of one key are counted up to here."""
MOST_PARKED_RINGS = 2000


class KeyState(msgspec.Struct):
    """A concurrency key with something waiting or running."""

    key: str
    waiting: int = 0
    running: int = 0
    oldest_at: int | None = None
    """Since when the first of those that were counted is due."""


class OrderState(msgspec.Struct):
    """An order key: the job whose turn it is, and how many are held behind it."""

    key: str
    job_id: str
    status: str
    attempt: int
    run_at: int
    waiting: int

    @property
    def blocked(self) -> bool:
        """Tell whether the one whose turn it is waits for its next attempt."""
        return self.status == "scheduled" and self.attempt > 0


_RING = """FROM (SELECT j.run_at FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NOT NULL
  AND j.queue = :queue AND j.lane = u.lane AND j.ring = u.ring ORDER BY j.rank LIMIT :cap) w"""

WAITING = f"""
SELECT u.place, (SELECT count(*) {_RING}), (SELECT min(w.run_at) {_RING})
FROM {{rows|u|batch|place bigint, lane text, ring text}}
"""

RUNNING = """
SELECT concurrency_key, count(*) FROM rota_jobs
WHERE status = 'running' AND queue = :queue AND concurrency_key IS NOT NULL GROUP BY concurrency_key
"""


def concurrency(tx: Tx, queue: str, after: str, limit: int) -> list[KeyState]:
    """Return the concurrency keys behind ``after`` with something that waits or runs, in their order."""
    found: dict[str, KeyState] = {}
    for name, running in tx.rows(RUNNING, {"queue": queue}):
        if name > after:
            found[name] = KeyState(name, running=running)
    places = [(place, key, ring) for place in rings.places(tx) if place.queue == queue
              for key, ring in _rings(tx, place, after, limit)]  # fmt: skip
    wanted = set(sorted({*found, *(key for _, key, _ in places)})[:limit])
    places = [one for one in places if one[1] in wanted]
    given = [{"place": number, "lane": place.lane, "ring": ring} for number, (place, _, ring) in enumerate(places)]
    for number, waiting, oldest in tx.rows(WAITING, {"queue": queue, "cap": COUNT_CAP, "batch": batch(given)}):
        state = found.setdefault(places[number][1], KeyState(places[number][1]))
        state.waiting += waiting
        state.oldest_at = min((at for at in (oldest, state.oldest_at) if at is not None), default=None)
    return [found[name] for name in sorted(wanted)]


def _rings(tx: Tx, place: rings.Place, after: str, limit: int) -> list[tuple[str, str]]:
    """Return (key, ring) of the next keys that wait in a place; of those that are parked all that are looked at."""
    parked = place.prefix.startswith("!")
    begin = place.begin if parked or not after else f"{place.prefix}|{after}"
    count = MOST_PARKED_RINGS if parked else limit + 1
    scan = rings.scan(tx.dialect, place, rings.Asked(running=False), begin, place.end, count)
    found = scan.keys(tx.rows(scan.sql, scan.params))
    named = [(one.key.partition("|")[2] if parked else one.key, one.ring) for one in found]
    return [(key, ring) for key, ring in named if key > after]


ORDERED = f"""
SELECT j.turn_key, j.id, j.status, j.attempt, j.run_at, (SELECT count(*) FROM (SELECT 1 FROM rota_jobs h
    WHERE h.status = 'held' AND h.turn_key = j.turn_key LIMIT :cap) w)
FROM rota_jobs j WHERE j.turn_key IS NOT NULL AND j.status IN {turns.ACTIVE} AND j.turn_key > :after
  AND j.turn_key LIKE '{ORDER}%' AND {{lite|+}}j.queue = :queue ORDER BY j.turn_key LIMIT :limit
"""


def ordered(tx: Tx, queue: str, after: str, limit: int) -> list[OrderState]:
    """Return the order keys behind ``after`` of which it is the turn of a job of the queue."""
    given = {"queue": queue, "after": ORDER + after, "limit": limit, "cap": COUNT_CAP}
    return [OrderState(row[0].removeprefix(ORDER), *row[1:]) for row in tx.rows(ORDERED, given)]
