"""Problems: what somebody should look at now, the worst first."""

from __future__ import annotations

import msgspec

from rota.insight import conditions
from rota.insight.condition import Subject, SubjectKind
from rota.insight.monitoring import KINDS, LEAST_STANDSTILL_US, MonitorKind
from rota.model import Severity
from rota.store.database import Tx

UNTAKEN_US = KINDS["no-worker"].limit_us or 0
"""How long a job may wait without a worker that takes it."""


class Problem(msgspec.Struct, frozen=True):
    """Something that does not go as it should."""

    kind: MonitorKind
    severity: Severity
    text: str
    """One sentence."""
    since: int | None
    """µs UTC."""
    subject: Subject


def problems(tx: Tx, stall_us: int) -> list[Problem]:
    """Return all that monitors find now, told or not; the watermark stands still after ``stall_us``."""
    view = conditions.look(tx, stall_us)
    found = [
        Problem(one.kind, one.severity, one.sentence.shown(view.now), one.since, one.subject)
        for one in view.conditions
        if not one.passed
    ]
    return sorted(found, key=lambda one: (one.severity != "error", one.since or view.now))


__all__ = ["LEAST_STANDSTILL_US", "UNTAKEN_US", "Problem", "Subject", "SubjectKind", "problems"]
