"""Rings: the jobs of a queue that have a concurrency key or ask for labels, by key.

A ring is ``labels|key``; see the column.  What is here goes from one ring to the next by the index, one probe for each
however many jobs wait in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rota.store.database import Row, Tx
from rota.store.sql import Dialect

MOST_PLACES = 2_000

_PREFIX = "substr(j.ring, 1, {pg|strpos}{lite|instr}(j.ring, '|') - 1)"
_WAITS = "FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NOT NULL"
_FIRST = f"{_WAITS} ORDER BY j.queue, j.lane, j.ring LIMIT 1"

# From one (queue, lane, prefix) to the next: whatever begins with the prefix is less than the prefix with a brace,
# since that comes right after the bar.
PLACES = f"""p(queue, lane, prefix) AS (
  (SELECT j.queue, j.lane, {_PREFIX} {_FIRST})
  UNION ALL
  SELECT n.queue, n.lane, n.prefix FROM p CROSS JOIN LATERAL (
    SELECT j.queue, j.lane, {_PREFIX} AS prefix {_WAITS}
    AND (j.queue, j.lane, j.ring) > (p.queue, p.lane, p.prefix || '}}') ORDER BY j.queue, j.lane, j.ring LIMIT 1) n
)"""
PLACES_PG = f"WITH RECURSIVE {PLACES} SELECT queue, lane, prefix FROM p LIMIT {MOST_PLACES}"

# SQLite joins nothing laterally, and would go through the whole queue for one comparison of rows.
PLACES_LITE = f"""
WITH RECURSIVE p(id) AS (
  SELECT (SELECT j.id {_FIRST})
  UNION ALL
  SELECT coalesce(
    (SELECT j.id {_WAITS} AND j.queue = c.queue AND j.lane = c.lane
     AND j.ring > {_PREFIX.replace("j.ring", "c.ring")} || '}}' ORDER BY j.ring LIMIT 1),
    (SELECT j.id {_WAITS} AND j.queue = c.queue AND j.lane > c.lane ORDER BY j.lane, j.ring LIMIT 1),
    (SELECT j.id {_WAITS} AND j.queue > c.queue ORDER BY j.queue, j.lane, j.ring LIMIT 1))
  FROM p JOIN rota_jobs c ON c.id = p.id
)
SELECT j.queue, j.lane, {_PREFIX} FROM p JOIN rota_jobs j ON j.id = p.id LIMIT {MOST_PLACES}
"""


class Place(msgspec.Struct, frozen=True):
    """Where jobs with the same labels wait."""

    queue: str
    lane: str
    prefix: str

    def served_by(self, labels: frozenset[str]) -> bool:
        """Tell whether a worker with these labels may take jobs from here."""
        if not self.prefix:
            return True
        try:
            return labels.issuperset(msgspec.json.decode(self.prefix, type=list[str]))
        except msgspec.DecodeError:  # those of a paused type, which nobody serves
            return False

    @property
    def begin(self) -> str:
        """What comes before all its rings."""
        return self.prefix + "{"

    @property
    def end(self) -> str:
        """What comes after all its rings."""
        return self.prefix + "}"


def places(tx: Tx) -> list[Place]:
    """Return every place in which something waits."""
    return [Place(*row) for row in tx.rows(PLACES_PG if tx.dialect == "postgresql" else PLACES_LITE)]


_OF_PLACE = "j.status = 'pending' AND j.ring IS NOT NULL AND j.queue = :queue AND j.lane = :lane"
_AFTER = f"FROM rota_jobs j WHERE {_OF_PLACE} AND j.ring > AFTER AND j.ring <= :upto ORDER BY j.ring, j.rank LIMIT"

NEAR = 16
"""So many entries of the index for each ring wanted are read one after the other, before rings are skipped to: a probe
costs as much as some dozens of entries, and most rings hold few jobs.  Where they hold more, only this many are read in
all, to see when that changes."""

SCAN_PG = f"""
WITH RECURSIVE near(ring, rank, depth) AS MATERIALIZED (
  SELECT e.ring, min(e.rank), count(*)
  FROM (SELECT j.ring, j.rank {_AFTER.replace("AFTER", ":after")} :near) e GROUP BY e.ring
), k(ring, rank, depth, n) AS (
  SELECT * FROM (SELECT ring, rank, depth, row_number() OVER (ORDER BY ring) FROM near) f
  UNION ALL
  SELECT s.ring, s.rank, 0, l.n + 1
  FROM (SELECT k.ring, k.n FROM k ORDER BY k.n DESC LIMIT 1) l
  CROSS JOIN LATERAL (SELECT j.ring, j.rank {_AFTER.replace("AFTER", "l.ring")} 1) s WHERE l.n < CAST(:count AS bigint)
)
SELECT k.ring, k.rank, k.depth, USED FROM k ORDER BY k.n LIMIT :count
"""

SCAN_LITE = f"""
WITH RECURSIVE k(ring, n) AS (
  SELECT (SELECT j.ring {_AFTER.replace("AFTER", ":after")} 1), 1
  UNION ALL
  SELECT (SELECT j.ring {_AFTER.replace("AFTER", "k.ring")} 1), k.n + 1 FROM k WHERE k.ring IS NOT NULL AND k.n < :count
)
SELECT k.ring, (SELECT j.rank FROM rota_jobs j WHERE {_OF_PLACE} AND j.ring = k.ring ORDER BY j.rank LIMIT 1),
  0, USED
FROM k WHERE k.ring IS NOT NULL ORDER BY k.n
"""

# As the indexes have it; the ring itself is compared byte by byte.
KEY = 'substr(k.ring, :skip){pg| COLLATE "default"}'

RUNNING = f"""
(SELECT count(*) FROM rota_jobs r WHERE r.status = 'running' AND r.queue = :queue AND r.concurrency_key = {KEY})
"""

# By the index of the key: that of the time would have each key go through the starts of all.
STARTED = f"""
(SELECT coalesce(sum(s.starts), 0) FROM rota_starts s WHERE s.queue = :queue AND s.key = {KEY}
  AND s.at + 0 > :since_NUMBER)
"""


class Key(msgspec.Struct):
    """A ring of jobs with one key, and what its queue's limits count of it."""

    ring: str
    key: str
    rank: int
    depth: int
    """How many jobs were seen in it while going from one to the next; 0 where it was skipped to."""
    running: int
    started: tuple[int, ...]
    place: int = 0
    """Where it stands in the round."""


class Asked(msgspec.Struct, frozen=True):
    """What is to be counted of each key."""

    running: bool
    since: Sequence[int] = ()
    """For each rate limit by key, from when on starts count (µs)."""


class Scan(msgspec.Struct, frozen=True):
    """The statement that finds the next ``count`` rings of a place after one, up to another, in order."""

    place: Place
    sql: str
    params: Mapping[str, object]

    def keys(self, rows: Sequence[Row]) -> list[Key]:
        """Return what it found."""
        skip = len(self.place.prefix) + 1
        return [Key(row[0], row[0][skip:], row[1], row[2], row[3], tuple(int(one) for one in row[4:])) for row in rows]


def scan(
    dialect: Dialect, place: Place, asked: Asked, after: str, upto: str, count: int, *, deep: bool = False
) -> Scan:
    """Return the look at the next ``count`` rings after one, up to another; ``deep`` where most hold many jobs."""
    used = [RUNNING if asked.running else "0"]
    used += [STARTED.replace("NUMBER", str(number)) for number in range(len(asked.since))]
    params = {f"since_{number}": since for number, since in enumerate(asked.since)}
    sql = SCAN_PG if dialect == "postgresql" else SCAN_LITE
    return Scan(
        place,
        sql.replace("USED", ", ".join(used)),
        {
            "queue": place.queue, "lane": place.lane, "after": after, "upto": upto, "count": count,
            "near": NEAR if deep else NEAR * count, "skip": len(place.prefix) + 2, **params,
        },
    )  # fmt: skip


def are_deep(keys: Sequence[Key]) -> bool:
    """Tell whether the rings that were seen hold so many jobs that it is better to skip from one to the next."""
    seen = [key.depth for key in keys if key.depth]
    return sum(seen) >= NEAR * max(1, len(seen))
