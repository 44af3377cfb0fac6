"""Sums that only grow: what monitoring counts must not go backwards when rows are deleted."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rota.store.database import Tx
from rota.store.sql import batch

MOST_PAIRS = 100
"""Pairs of queue and type with sums of their own: labels of a user's making must not flood who collects them."""
OTHERS = "(others)"
IDLE_US = 14 * 86_400_000_000
"""A pair of which nothing has ended for so long gives way where another needs its place."""

Histogram = dict[int, int]
"""How many durations are between which of ``rollups.BOUNDS``."""
Pair = tuple[str, str]
"""Queue and type."""
Key = tuple[str, str, str]
"""Queue, type and outcome."""


class Total(msgspec.Struct):
    """Ends of one kind: how many, and how long those of them that were measured waited and ran."""

    ends: int = 0
    timed: int = 0
    waiting_us: int = 0
    running_us: int = 0
    waiting: Histogram = {}
    running: Histogram = {}
    whole: Histogram = {}
    """Waiting and running together."""

    def add(self, other: Total) -> None:
        """Add others."""
        self.ends += other.ends
        self.timed += other.timed
        self.waiting_us += other.waiting_us
        self.running_us += other.running_us
        for own, more in (
            (self.waiting, other.waiting), (self.running, other.running), (self.whole, other.whole),
        ):  # fmt: skip
            for place, count in more.items():
                own[place] = own.get(place, 0) + count


READ = """
SELECT queue, type, outcome, at, ends, timed, waiting_us, running_us, waiting, running, whole FROM rota_totals
"""

PUT = """
INSERT INTO rota_totals (queue, type, outcome, at, ends, timed, waiting_us, running_us, waiting, running, whole)
SELECT u.queue, u.type, u.outcome, rota_now(), u.ends, u.timed, u.waiting_us, u.running_us, u.waiting, u.running,
  u.whole
FROM {rows|u|batch|queue text, type text, outcome text, ends bigint, timed bigint, waiting_us bigint,
  running_us bigint, waiting text, running text, whole text}
WHERE true
ON CONFLICT (queue, type, outcome) DO UPDATE SET at = excluded.at, ends = excluded.ends, timed = excluded.timed,
  waiting_us = excluded.waiting_us, running_us = excluded.running_us, waiting = excluded.waiting,
  running = excluded.running, whole = excluded.whole
"""
_histogram = msgspec.json.Decoder(Histogram)


class _Stored(msgspec.Struct):
    """All sums, and when each pair was added to last (µs UTC)."""

    sums: dict[Key, Total]
    used: dict[Pair, int]


def _read(tx: Tx) -> _Stored:
    found = _Stored({}, {})
    for queue, kind, outcome, at, ends, timed, waiting_us, running_us, *histograms in tx.rows(READ):
        waiting, running, whole = map(_histogram.decode, histograms)
        found.sums[queue, kind, outcome] = Total(ends, timed, waiting_us, running_us, waiting, running, whole)
        found.used[queue, kind] = max(at, found.used.get((queue, kind), at))
    return found


def read(tx: Tx) -> dict[Key, Total]:
    """Return all sums; there are few."""
    return _read(tx).sums


def add(tx: Tx, more: Mapping[Key, Total]) -> None:
    """Add to the sums.  Nobody else may do so at the same time: see ``rollups.store``."""
    if not more:
        return
    stored = _read(tx)
    places = _places(tx, stored, more)
    changed: dict[Key, Total] = {}
    for (queue, kind, outcome), one in more.items():
        key = (*places[queue, kind], outcome)
        total = changed.setdefault(key, stored.sums.get(key) or Total())
        total.add(one)
    tx.run(PUT, {"batch": batch([_row(key, one) for key, one in changed.items()])})


def _row(key: Key, one: Total) -> dict[str, object]:
    row = dict(zip(("queue", "type", "outcome"), key, strict=True)) | msgspec.structs.asdict(one)
    for name in ("waiting", "running", "whole"):
        row[name] = msgspec.json.encode(row[name]).decode()
    return row


def _places(tx: Tx, stored: _Stored, more: Mapping[Key, Total]) -> dict[Pair, Pair]:
    """Return under which pair each pair is summed up: what once has a place keeps it, the busiest new ones come first.

    A pair whose ends were moved to the others' later would make their sum jump, which reads as many ends at once.
    """
    ends: dict[Pair, int] = {}
    for (queue, kind, _), one in more.items():
        ends[queue, kind] = ends.get((queue, kind), 0) + one.ends
    known = {pair for pair in stored.used if pair != (OTHERS, OTHERS)}
    places: dict[Pair, Pair] = {}
    for pair in sorted(ends, key=lambda pair: (pair not in known, -ends[pair], pair)):
        if pair not in known and len(known) >= MOST_PAIRS and (idle := _idle(tx, stored, known - ends.keys())):
            tx.run("DELETE FROM rota_totals WHERE queue = :queue AND type = :type", dict(zip(_PAIR, idle, strict=True)))
            known.remove(idle)
        if pair not in known and len(known) >= MOST_PAIRS:
            places[pair] = (OTHERS, OTHERS)
        else:
            known.add(pair)
            places[pair] = pair
    return places


_PAIR = ("queue", "type")


def _idle(tx: Tx, stored: _Stored, pairs: set[Pair]) -> Pair | None:
    """Return the pair that was idle for the longest time, where that is long enough."""
    oldest = min(pairs & stored.used.keys(), key=lambda pair: stored.used[pair], default=None)
    return oldest if oldest is not None and stored.used[oldest] < tx.now() - IDLE_US else None


COUNT = """
INSERT INTO rota_counters (name, value) SELECT u.name, u.more FROM {rows|u|batch|name text, more bigint} WHERE true
ON CONFLICT (name) DO UPDATE SET value = rota_counters.value + excluded.value
"""


def count(tx: Tx, more: Mapping[str, int]) -> None:
    """Add to counters by name, in the order of their names, so that two who do so do not deadlock."""
    rows = [{"name": name, "more": number} for name, number in sorted(more.items()) if number]
    if rows:
        tx.run(COUNT, {"batch": batch(rows)})


def counted(tx: Tx, group: str) -> dict[str, int]:
    """Return the counters of a group, such as ``deleted``, without its name."""
    found = tx.rows("SELECT name, value FROM rota_counters")  # there are a few
    parted = [(*name.partition("/"), value) for name, value in found]
    return {name: value for of, _, name, value in parted if of == group}
