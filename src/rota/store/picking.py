"""Picking: which of the waiting jobs a claim takes, where queues have limits, or jobs have keys or ask for labels.

By rank first.  Within a rank the keys have their turns, beginning after the key that was served last; a job without a
key stands in line by its time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import merge
from math import ceil

import msgspec

from rota.store import floors, lines, rings
from rota.store import limits as limit_store
from rota.store.database import Row, Tx
from rota.store.limits import Limits, Pauses, Rate, Room
from rota.store.lines import Job
from rota.store.rings import Key, Place
from rota.store.sql import batch

MOST_KEYS = 1000
"""How many rings a claim looks at; the next one goes on behind them."""
MORE_KEYS = 16
EVEN_FOR_S = 0.25
EVEN_PART = 10
"""While a look at so many rings that is not older found one rank only, a claim looks at no more than it needs; and for
so many times as long as that look took, where it took long."""
MOST_PARKED = 2000
UNPARK = 1000

# FOREIGN is there only when other applications declare types in this database; see Request.foreign.
READY = """
SELECT id, rank, run_at, type FROM rota_jobs WHERE status = 'pending' AND ring RING AND queue = QUEUE
  AND lane = 'LANE' AND (expires_at IS NULL OR expires_at > rota_now()) FOREIGN FLOOR
ORDER BY rank, run_at, id LIMIT COUNT {pg|FOR UPDATE SKIP LOCKED}
"""

FOREIGN = "AND coalesce(type, '') NOT IN (SELECT f.name FROM {rows|f|foreign|name text})"

PICK_PLAIN = """
(SELECT 'LANE', q.name, j.id, j.rank, j.run_at, j.type
 FROM (SELECT * FROM {rows|w|open_LANE|name text, room bigint, place bigint} ORDER BY place) q
 CROSS JOIN LATERAL (READY) j LIMIT :free_LANE)
"""

PICK_RINGS = """
SELECT w.ring, j.id, j.rank, j.run_at, j.type FROM {rows|w|asked|ring text, room bigint} CROSS JOIN LATERAL (READY) j
"""


def ready(lane: str, queue: str, count: str, *, ring: str = "IS NULL", foreign: bool, low: bool = False) -> str:
    """Return the statement that finds what is ready, in order, and locks it."""
    text = READY.replace("FLOOR", floors.FLOOR if low else "")
    text = text.replace("LANE", lane).replace("QUEUE", queue).replace("COUNT", count).replace("RING", ring)
    return text.replace("FOREIGN", FOREIGN if foreign else "")


class Rounds:
    """What a worker remembers of its claims: after which key to go on, and where all keys were alike.

    It is only a memory: who begins anew begins at the first key.
    """

    def __init__(self) -> None:
        self.after: dict[Place, str] = {}
        self.large: set[Place] = set()
        self.deep: set[Place] = set()
        """Where the keys had many jobs each the last time."""
        self.even_until: dict[Place, float] = {}
        self.in_turn = False
        """Whether the last claim found limits, rings or pauses, so that the next one will."""
        self.ringed = False
        """Whether it found rings."""
        self.floors = floors.Floors()
        self.idle = False
        """Whether the last claim took nothing, so that the next one asks first whether anything waits at all."""


class Seen(msgspec.Struct):
    """The rings of a place from where its round goes on, as far as they were looked at."""

    keys: list[Key]
    whole: bool
    """Whether these are all."""


class Foreseen:
    """The scan with which a claim will probably begin, asked ahead together with the lock, and behind it.

    Where the claim begins with another one after all, since the limits are others now, nobody looks at this one.
    """

    def __init__(self) -> None:
        self.scan: rings.Scan | None = None
        self.rows: Callable[[], list[Row]] = list

    def ask(self, tx: Tx, rounds: Rounds, limits: Limits, place: Place, want: int, now: int) -> None:
        """Ask for it."""
        self.scan = _scan(tx, rounds, place, _asked(limits, now), *_first_span(rounds, place, want))
        self.rows = tx.ahead(self.scan.sql, self.scan.params)


def _enough(want: int) -> int:
    return min(MOST_KEYS, 2 * want + MORE_KEYS)


def _first_span(rounds: Rounds, place: Place, want: int) -> tuple[str, str, int]:
    """Return after which ring a look at a place begins, to which it goes, and how many it wants."""
    if place not in rounds.large:
        return place.begin, place.end, _enough(want)
    even = time.monotonic() < rounds.even_until.get(place, 0.0)
    return rounds.after.get(place, place.begin), place.end, min(_enough(want), want + MORE_KEYS) if even else MOST_KEYS


def _asked(limits: Limits, now: int) -> rings.Asked:
    since = [now - rate.window for rate in limits.key_rates]
    return rings.Asked(running=limits.key_concurrency is not None, since=since)


def _scan(tx: Tx, rounds: Rounds, place: Place, asked: rings.Asked, after: str, upto: str, count: int) -> rings.Scan:
    return rings.scan(tx.dialect, place, asked, after, upto, count, deep=place in rounds.deep)


class Picker:
    """Picks the jobs of one claim."""

    def __init__(
        self,
        tx: Tx,
        *,
        lanes: Mapping[str, int],
        queues: Sequence[tuple[Limits, Room, int | None]],
        places: Sequence[Place],
        pauses: Pauses,
        params: Mapping[str, object],
        now: int,
        rounds: Rounds,
        plain: bool,
        foreseen: Foreseen,
    ) -> None:
        """``queues``: those served, in order, with what is left of their limits and until when they are slowed.

        ``plain``: whether there are jobs that stand in no ring.
        """
        self._tx = tx
        self._foreseen = foreseen
        self._free = dict(lanes)
        self._queues = queues
        self._places = places
        self._held = {limits.name for limits, _, _ in queues if limits.shared}
        self._pauses = pauses
        self._params = params
        self._foreign = "foreign" in params
        self._now = now
        self._rounds = rounds
        self._has_plain = plain
        self._parked = 0
        self._of_key: Counter[tuple[str, str]] = Counter()
        """How many of a key were picked in this claim."""
        self._most_of_key: dict[tuple[str, str], int] = {}
        self._locked: set[str] = set()
        """Jobs locked here that other claims, which pass them by, might have taken."""
        self.picked: list[Job] = []
        self.full_keys: set[str] = set()
        """Queues of which a key was left waiting since as many of it run as may."""
        self.limited_keys: dict[tuple[str, Rate], list[str]] = {}
        """Keys left waiting for a rate limit."""
        self.unseen = False
        """Whether there may be more than was looked at, so that it is worth to look again at once."""

    def run(self) -> None:
        """Pick lane after lane, so that what a queue has left is shared by its lanes."""
        plain = self._plain() if self._has_plain else {}
        for lane in self._free:
            for limits, room, slowed_until in self._queues:
                if lane == "http" and slowed_until is not None:
                    continue
                want = self._free[lane] if room.left is None else min(self._free[lane], room.left)
                found = plain.get((lane, limits.name), [])
                served = [place for place in self._places if place.queue == limits.name and place.lane == lane]
                if want > 0 and (found or served):
                    self._take(limits, room, lane, self._merged(limits, found, served, want), want)

    @property
    def left(self) -> bool:
        """Whether others may have passed by a job that was locked here and not taken."""
        return not self._locked.issubset(job.id for job in self.picked)

    def _take(self, limits: Limits, room: Room, lane: str, merged: Iterator[Job], want: int) -> None:
        taken = 0
        for job in merged:
            if job.key:
                of_key = (limits.name, job.key)
                if self._of_key[of_key] >= self._most_of_key[of_key]:  # its room is used by jobs with other labels
                    continue
                self._of_key[of_key] += 1
                prefix = job.ring[: len(job.ring) - len(job.key) - 1]
                self._rounds.after[Place(limits.name, lane, prefix)] = job.ring
            self.picked.append(job)
            taken += 1
            if taken == want:
                break
        room.take(taken)
        self._free[lane] -= taken

    def _merged(self, limits: Limits, plain: list[Job], places: Sequence[Place], want: int) -> Iterator[Job]:
        """Return jobs without a key and those of keys in one line."""
        rows, keyed = [sorted(plain, key=lines.by_time)], list[Job]()
        for number, place in enumerate(places):
            alone, of_keys = self._ring(limits, place, want, number * MOST_KEYS)
            rows.append(alone)
            keyed += of_keys
        keyed.sort(key=lambda job: (job.rank, job.turn, job.place))
        # Keys among themselves have their own order, so the two lines are laid into one by hand.
        return lines.laid_together(list(merge(*rows, key=lines.by_time)), keyed)

    # -- jobs without a key and labels --------------------------------------------------------------------------------

    def _plain(self) -> dict[tuple[str, str], list[Job]]:
        """Return the next of each (lane, queue), those of paused types left out."""
        extra = 0
        while True:
            found = self._plain_once(extra)
            aside = self._park([job for jobs in found.values() for job in jobs])
            if not aside:
                return found
            if self._parked >= MOST_PARKED:
                self.unseen = True
                return {where: [job for job in jobs if job.id not in aside] for where, jobs in found.items()}
            extra = min(UNPARK, 2 * extra + len(aside))

    def _plain_once(self, extra: int) -> dict[tuple[str, str], list[Job]]:
        found: dict[tuple[str, str], list[Job]] = {}
        open_queues = {lane: self._open(lane) for lane in self._free}
        open_queues = {lane: rows for lane, rows in open_queues.items() if rows}
        rows = self._plain_postgres(open_queues, extra) if self._tx.dialect == "postgresql" else None
        for lane, queue, *job in rows if rows is not None else self._plain_sqlite(open_queues, extra):
            found.setdefault((lane, queue), []).append(Job(job[0], queue, lane, job[1], job[2], job[3]))
        self._note_locked([job for jobs in found.values() for job in jobs])
        return found

    def _note_locked(self, jobs: Sequence[Job]) -> None:
        self._locked.update(job.id for job in jobs if job.queue not in self._held)

    def _open(self, lane: str) -> list[dict[str, object]]:
        free = self._free[lane]
        return [
            {"name": limits.name, "room": free if room.left is None else min(free, room.left), "place": place}
            for place, (limits, room, slowed_until) in enumerate(self._queues)
            if (room.left is None or room.left > 0) and not (lane == "http" and slowed_until is not None)
        ]

    def _plain_postgres(self, open_queues: Mapping[str, list[dict[str, object]]], extra: int) -> list[Row]:
        if not open_queues:
            return []
        parts, params = [], dict(self._params)
        for lane, rows in open_queues.items():
            one = ready(lane, "q.name", f"q.room + {extra}" if extra else "q.room", foreign=self._foreign)
            parts.append(PICK_PLAIN.replace("READY", one).replace("LANE", lane))
            params |= {f"open_{lane}": batch(rows), f"free_{lane}": self._free[lane] + extra}
        return self._tx.rows(" UNION ALL ".join(parts), params)

    def _plain_sqlite(self, open_queues: Mapping[str, list[dict[str, object]]], extra: int) -> list[Row]:
        found: list[Row] = []
        for lane, rows in open_queues.items():
            text, free = ready(lane, ":queue", ":count", foreign=self._foreign), self._free[lane] + extra
            for row in rows:
                count = min(int(str(row["room"])) + extra, free)
                if count <= 0:
                    break
                given = {**self._params, "queue": row["name"], "count": count}
                got = [(lane, row["name"], *job) for job in self._tx.rows(text, given)]
                found += got
                free -= len(got)
        return found

    def _park(self, jobs: Sequence[Job]) -> set[str]:
        """Set those of paused types aside."""
        aside = {job.id for job in jobs if job.type in self._pauses.types}
        if aside:
            limit_store.park(self._tx, sorted(aside))
            self._locked -= aside
            self._parked += len(aside)
        return aside

    # -- rings --------------------------------------------------------------------------------------------------------

    def _ring(self, limits: Limits, place: Place, want: int, offset: int) -> tuple[list[Job], list[Job]]:
        """Return the next jobs of a place: those without a key by time, and those of its keys."""
        seen = self._look(limits, place, want)
        rooms: dict[str, int] = {}
        alone: list[Job] = []
        for number, key in enumerate(seen.keys):
            if not key.key:
                alone = self._fetch(place, {key.ring: want}, {key.ring: ("", 0)}).get(key.ring, [])
            elif not self._pauses.covers(limits.name, key.key) and (room := self._room(limits, key, want)) > 0:
                rooms[key.ring] = room
                key.place = number
        keyed = self._by_turns(place, [key for key in seen.keys if key.ring in rooms], rooms, want, offset)
        if len(keyed) < want and not seen.whole:
            self.unseen = True
            self._rounds.after[place] = seen.keys[-1].ring
        return sorted(alone, key=lines.by_time), keyed

    def _room(self, limits: Limits, key: Key, want: int) -> int:
        """Return how many more of a key may start; note why it is none."""
        of_key = (limits.name, key.key)
        picked, most = self._of_key[of_key], self._of_key[of_key] + want
        if limits.key_concurrency is not None:
            most = min(most, limits.key_concurrency - key.running)
            if most <= picked:
                self.full_keys.add(limits.name)
        for rate, started in zip(limits.key_rates, key.started, strict=True):
            most = min(most, rate.limit - started)
            if rate.limit - started <= picked:
                self.limited_keys.setdefault((limits.name, rate), []).append(key.key)
        self._most_of_key[of_key] = most
        return most - picked

    def _look(self, limits: Limits, place: Place, want: int) -> Seen:
        """Return rings from where the last claim ended; as few as will do while all are of one rank."""
        asked, enough = _asked(limits, self._now), _enough(want)
        after = self._rounds.after.get(place, place.begin)
        if place not in self._rounds.large:
            found = self._scan(place, asked, *_first_span(self._rounds, place, want))
            if len(found) < enough:
                cut = next((at for at, key in enumerate(found) if key.ring > after), 0)
                return Seen(found[cut:] + found[:cut], whole=True)
            self._rounds.large.add(place)
        began = time.monotonic()
        even = began < self._rounds.even_until.get(place, 0.0)
        _, _, count = span = _first_span(self._rounds, place, want)
        found = self._scan(place, asked, *span)
        if len(found) < count and after != place.begin:
            found += self._scan(place, asked, place.begin, after, count - len(found))
        whole = len(found) < count
        if not even and len({key.rank for key in found}) == 1:
            now = time.monotonic()
            self._rounds.even_until[place] = now + max(EVEN_FOR_S, EVEN_PART * (now - began))
        if whole and len(found) < enough:
            self._rounds.large.discard(place)
        return Seen(found, whole)

    def _scan(self, place: Place, asked: rings.Asked, after: str, upto: str, count: int) -> list[Key]:
        deep, scan = self._rounds.deep, _scan(self._tx, self._rounds, place, asked, after, upto, count)
        foreseen = self._foreseen
        found = scan.keys(foreseen.rows() if foreseen.scan == scan else self._tx.rows(scan.sql, scan.params))
        if rings.are_deep(found):
            deep.add(place)
        else:
            deep.discard(place)
        return found

    def _by_turns(
        self, place: Place, keys: Sequence[Key], rooms: Mapping[str, int], want: int, offset: int
    ) -> list[Job]:
        """Return the next ``want`` jobs of keys, and perhaps more: by rank, then by turns."""
        line = sorted(keys, key=lambda key: (key.rank, key.place))
        names = {key.ring: (key.key, offset + key.place) for key in line}
        looked, chosen = 0, list[Job]()
        found: dict[str, list[Job]] = {}
        asked: dict[str, int] = {}
        while True:
            deeper = lines.deeper(found, asked, rooms, chosen, want)
            if not deeper and len(chosen) < want and looked < len(line):
                more = line[looked : looked + want - len(chosen)]
                looked += len(more)
                depth = ceil((want - len(chosen)) / len(more))
                deeper = {key.ring: min(rooms[key.ring], depth) for key in more}
            if not deeper:
                return chosen
            asked |= deeper
            found |= {ring: [] for ring in deeper} | self._fetch(place, deeper, names)
            chosen = sorted(
                (job for jobs in found.values() for job in jobs), key=lambda job: (job.rank, job.turn, job.place)
            )[:want]

    def _fetch(
        self, place: Place, asked: Mapping[str, int], names: Mapping[str, tuple[str, int]]
    ) -> dict[str, list[Job]]:
        """Return the first jobs of rings, so many of each; those of paused types are set aside."""
        extra = 0
        while True:
            found: dict[str, list[Job]] = {}
            for ring, job_id, rank, run_at, type_name in self._rings(
                {ring: n + extra for ring, n in asked.items()}, place
            ):
                key, position = names[ring]
                found.setdefault(ring, []).append(
                    Job(job_id, place.queue, place.lane, rank, run_at, type_name, ring, key, 1, position)
                )
            self._note_locked([job for jobs in found.values() for job in jobs])
            aside = self._park([job for jobs in found.values() for job in jobs])
            if not aside or self._parked >= MOST_PARKED:
                self.unseen = self.unseen or bool(aside)
                return {
                    ring: lines.numbered([job for job in jobs if job.id not in aside][: asked[ring]])
                    for ring, jobs in found.items()
                }
            extra = min(UNPARK, 2 * extra + len(aside))

    def _rings(self, asked: Mapping[str, int], place: Place) -> list[Row]:
        given = {**self._params, "queue": place.queue}
        if self._tx.dialect == "postgresql":
            text = ready(place.lane, ":queue", "w.room", ring="= w.ring", foreign=self._foreign)
            rows = [{"ring": ring, "room": room} for ring, room in asked.items()]
            return self._tx.rows(PICK_RINGS.replace("READY", text), {**given, "asked": batch(rows)})
        text = ready(place.lane, ":queue", ":count", ring="= :ring", foreign=self._foreign)
        return [
            (ring, *row)
            for ring, room in asked.items()
            for row in self._tx.rows(text, {**given, "ring": ring, "count": room})
        ]
