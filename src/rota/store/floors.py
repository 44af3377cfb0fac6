"""Floors: behind which key claims begin while much lies dead at the front of the index of ready jobs.

A transaction that somebody left open keeps all that has run since from being tidied up, and each claim walks over it:
after 20,000 jobs twenty times as long.  After a claim that took long, the next ones begin behind the last key that was
taken, for a second; then one begins at the front again.  So a job that comes before that key waits so long at most.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rota.store.database import Row

LANE, QUEUE = 4, 5
"""Where these stand in the rows of a claim, which begin with the key."""
LASTS_S = 1.0
SLOW_S = 0.010
SLOW_EACH_S = 50e-6
"""A claim is slow that takes longer than this, and as much more for each job as one takes where nothing lies dead."""
VAIN_S = 30.0
"""How long nobody tries again after a claim that began behind a floor and was hardly quicker."""
ENOUGH = 50
"""A claim of fewer jobs is none of a long queue, for which alone a floor is worth the waiting."""

FLOOR = """AND (rank, run_at, id) > (CASE WHEN QUEUE = CAST(:floor_queue_LANE AS text)
  THEN CAST(:floor_rank_LANE AS bigint) ELSE CAST('-9223372036854775808' AS bigint) END,
  CAST(:floor_run_at_LANE AS bigint), CAST(:floor_id_LANE AS uuid))"""


class Floor(msgspec.Struct, frozen=True):
    """The last key that was taken from a queue."""

    queue: str
    rank: int
    run_at: int
    id: str


class Floors:
    """The floors of a worker, by lane."""

    def __init__(self) -> None:
        self._by_lane: dict[str, Floor] = {}
        self._until = 0.0
        self._vain_until = 0.0
        self._each_s = 0.0
        """How long the slow claim took for each job."""

    def now(self) -> dict[str, Floor]:
        """Return the floors that hold; none when a claim is to begin at the front."""
        return self._by_lane if time.monotonic() < self._until else {}

    def begun_at_front(self, rows: Sequence[Row], asked: Mapping[str, int], took_s: float) -> None:
        """Note what a claim that began at the front took, in order, and how long that was."""
        now = time.monotonic()
        if len(rows) >= ENOUGH and took_s > SLOW_S + SLOW_EACH_S * len(rows) and now >= self._vain_until:
            self._until, self._each_s = now + LASTS_S, took_s / len(rows)
            self._by_lane = _floors(rows, asked)

    def begun_behind(self, rows: Sequence[Row], asked: Mapping[str, int], took_s: float) -> bool:
        """Note what another claim took; tell whether it filled the lanes that have a floor."""
        before, self._by_lane = self._by_lane, _floors(rows, asked)
        filled = before.keys() <= self._by_lane.keys()
        if filled and took_s > len(rows) * self._each_s / 2:  # what was slow is not what lies dead
            self._vain_until = time.monotonic() + VAIN_S
        if not filled or time.monotonic() < self._vain_until:
            self._until = 0.0
        return filled


def _floors(rows: Sequence[Row], asked: Mapping[str, int]) -> dict[str, Floor]:
    """Return the last key of each lane that was filled from one queue."""
    found = {}
    for lane, free in asked.items():
        those = [row for row in rows if row[LANE] == lane]
        if len(those) >= free and len({row[QUEUE] for row in those}) == 1:
            found[lane] = Floor(those[-1][QUEUE], *those[-1][:3])
    return found


def params(floors: Mapping[str, Floor]) -> dict[str, Any]:
    """Return the parameters of that condition."""
    return {
        f"floor_{name}_{lane}": value
        for lane, floor in floors.items()
        for name, value in msgspec.structs.asdict(floor).items()
    }
