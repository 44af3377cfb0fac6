"""Lines: in which order the jobs stand that a claim may take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec


class Job(msgspec.Struct, frozen=True, gc=False):
    """A job that may be taken; it is locked."""

    id: str
    queue: str
    lane: str
    rank: int
    run_at: int
    type: str | None
    ring: str = ""
    key: str = ""
    turn: int = 1
    place: int = 0
    """Where its key stands in this round."""


def numbered(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs of a key with their turns, in order."""
    return [msgspec.structs.replace(job, turn=turn) for turn, job in enumerate(sorted(jobs, key=by_time), 1)]


def by_time(job: Job) -> tuple[int, int, str]:
    """Return what comes first within a queue."""
    return job.rank, job.run_at, job.id


def deeper(
    found: Mapping[str, Sequence[Job]],
    asked: Mapping[str, int],
    rooms: Mapping[str, int],
    chosen: Sequence[Job],
    want: int,
) -> dict[str, int]:
    """Return of which keys more must be looked at: all that was found of one is chosen, and its next might be too."""
    if not chosen:
        return {}
    taken = Counter(job.ring for job in chosen)
    last = chosen[-1]
    return {
        ring: min(rooms[ring], 4 * asked[ring])
        for ring, jobs in found.items()
        if len(jobs) == asked[ring] == taken[ring]
        and asked[ring] < rooms[ring]
        and (len(chosen) < want or (jobs[-1].rank, len(jobs) + 1) < (last.rank, last.turn))
    }


def laid_together(alone: Sequence[Job], keyed: Sequence[Job]) -> Iterator[Job]:
    """Return two lines as one: by rank, then by turn, where who has no key always has the first; then by time."""
    a, k = 0, 0
    while a < len(alone) or k < len(keyed):
        if k == len(keyed) or (a < len(alone) and _before(alone[a], keyed[k])):
            yield alone[a]
            a += 1
        else:
            yield keyed[k]
            k += 1


def _before(alone: Job, keyed: Job) -> bool:
    return (alone.rank, 1, alone.run_at, alone.id) <= (keyed.rank, keyed.turn, keyed.run_at, keyed.id)
