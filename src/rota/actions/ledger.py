"""Whether the account of a schedule has a hole, by its rule as it is now."""

from __future__ import annotations

from itertools import pairwise

from rota.actions.rules import rule_of
from rota.errors import RotaError
from rota.store import occurrences, schedules
from rota.store.database import Tx
from rota.store.invariants import MOST, Finding

LATEST = 2000
"""So many rows of each schedule are looked at, the latest."""
MOST_SCHEDULES = 100_000


def look(tx: Tx) -> Finding:
    """Find instants between two rows of a schedule's present version that no row covers."""
    holes: list[str] = []
    for schedule in schedules.listed(tx, limit=MOST_SCHEDULES):
        rows = list(reversed(occurrences.listed(tx, schedule.id, limit=LATEST)))
        pairs = [(a, b) for a, b in pairwise(rows) if a.version == b.version == schedule.version]
        if not pairs:
            continue
        try:
            rule = rule_of(schedule)
        except RotaError:  # one whose rule this version does not understand says so elsewhere
            continue
        for before, after in pairs:
            wanted = rule.next(before.until_at)
            if wanted is not None and wanted < after.scheduled_for and len(holes) < MOST:
                holes.append(f"{schedule.id} at {wanted}")
    text = f"no due instant is left out between two of the last {LATEST:,} rows of a schedule"
    return Finding("holes", text, len(holes), holes[:5])
