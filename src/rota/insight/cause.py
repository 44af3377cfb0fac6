"""Causes: the parts of an answer to why, and the words that they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.actions import present
from rota.insight.eta import usual_of
from rota.store.database import Tx
from rota.store.waiting import Run

SECOND_US = 1_000_000


class Cause(msgspec.Struct, frozen=True):
    """One thing that a job waits for, or how it is; ``until`` is when that ends (µs UTC), where it is known."""

    code: str
    text: str
    until: int | None = None


def at(instant_us: int | None) -> str:
    """Return an instant in words."""
    return present.instant(instant_us) or "an unknown time"


def by(who: str | None) -> str:
    """Return who did something, where it is known."""
    return f" by {who}" if who else ""


def listed(names: Sequence[str], total: int | None = None) -> str:
    """Return names with a last "and"; ``total`` where there are more than are named."""
    more = (total or len(names)) - len(names)
    parts = [*names, f"{more} more"] if more > 0 else list(names)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def about(duration_us: int) -> str:
    """Return a duration as roughly as it is known."""
    seconds = max(1, round(duration_us / SECOND_US))
    if seconds < 90:
        return f"about {seconds} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {round(seconds / 3600)} h"


def left_of(tx: Tx, run: Run, now: int) -> str | None:
    """Return about how long a run goes on, by how long the last ones of its type took; None where none did."""
    usual = usual_of(tx, run)
    if usual is None:
        return None
    left = usual.p50 - (now - run.started_at)
    return about(left) if left > 0 else "any moment now"
