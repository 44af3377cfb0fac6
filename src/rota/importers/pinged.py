"""What jobs of the old system told by their pings, compared with their schedules in the shadow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rota.importers.parity import Kept, Log, Parity, Run, compare, names
from rota.timetable import parse_instant


def check_of(schedule: Mapping[str, Any], checks: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the id of the check that watches the job of a schedule: by its id, else by its name."""
    known = dict.fromkeys(names(schedule))
    for field in ("id", "name"):
        found = {str(one[field]): str(one["id"]) for one in checks}
        here = next((found[name] for name in known if name in found), None)
        if here is not None:
            return here
    return None


def began(pings: Iterable[Mapping[str, Any]]) -> list[int]:
    """Return when runs began (µs UTC), from the pings of a check, the first ping first.

    An end without a start is a run of its own; where it says how long the run took, it began so much earlier.
    """
    found: list[int] = []
    open_ones: set[str | None] = set()
    for ping in pings:
        at, run = parse_instant(ping["at"], "at"), ping["rid"]
        if ping["kind"] == "start":
            open_ones.add(run)
            found.append(at)
        elif ping["kind"] in ("success", "fail"):
            if run in open_ones:
                open_ones.remove(run)
            else:
                found.append(at - (ping["durationMs"] or 0) * 1000)
    return found


def compared(told: Iterable[tuple[Kept, list[int]]], first: int | None, last: int, slack: int) -> Parity:
    """Compare schedules with their runs, each from its own first run on: only so much of the pings is kept."""
    whole = Parity([], {}, [], last, last)
    for kept, runs in told:
        begin = first if first is not None else min(runs) - slack
        log = Log([Run(str(kept.schedule["id"]), at) for at in runs], [])
        whole.schedules += compare([kept], log, begin, last, slack).schedules
        whole.first = min(whole.first, begin)
    return whole
