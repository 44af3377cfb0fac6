"""How long runs usually take, looked up now and then: whoever looks each few seconds need not read it each time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rota.durations import MINUTE
from rota.store import history, waiting
from rota.store.database import Tx
from rota.store.waiting import Run

LEAST_RUNS = 5
"""Of fewer completed runs nobody can say what is usual."""
KEPT_US = 10 * MINUTE
MOST_KEPT = 20_000
MOST_TYPES = 25


class Usual(msgspec.Struct, frozen=True):
    """How long the last completed runs took (µs)."""

    shortest: int
    p95: int
    longest: int
    runs: int

    @property
    def is_known(self) -> bool:
        """Whether these are enough to tell from."""
        return self.runs >= LEAST_RUNS


def usual(took: Sequence[int]) -> Usual:
    """Return what durations come to."""
    if not took:
        return Usual(0, 0, 0, 0)
    found = sorted(took)
    return Usual(found[0], found[-(-len(found) * 95 // 100) - 1], found[-1], len(found))


class Memory:
    """What was looked up of schedules and types, for ten minutes."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[int, Usual]] = {}
        self.quiet_after = ""
        """The schedule behind which the next look goes on where all may be silent for no longer than so."""

    def of_schedules(self, tx: Tx, ids: Iterable[str], now: int) -> Mapping[str, Usual]:
        """Return what is usual of the runs of each schedule."""
        wanted = set(ids)
        found = {name: self._known["schedule", name][1] for name in wanted if self._has(("schedule", name), now)}
        missing = sorted(wanted - found.keys())
        took = history.durations(tx, missing) if missing else {}
        for name in missing:
            found[name] = usual(took.get(name, ()))
            self._keep(("schedule", name), found[name], now)
        return found

    def of_types(self, tx: Tx, newest: Mapping[str, Run], now: int) -> Mapping[str, Usual]:
        """Return what is usual of each type, of which a run that goes on is given."""
        found = {}
        looked_up = 0
        for name, run in newest.items():
            if not self._has(("type", name), now):
                if looked_up == MOST_TYPES:
                    continue
                looked_up += 1
                self._keep(("type", name), usual(waiting.durations(tx, run)), now)
            found[name] = self._known["type", name][1]
        return found

    def _has(self, key: tuple[str, str], now: int) -> bool:
        known = self._known.get(key)
        return known is not None and known[0] <= now < known[0] + KEPT_US

    def _keep(self, key: tuple[str, str], value: Usual, now: int) -> None:
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        self._known[key] = (now, value)
