"""The state of the system in numbers."""

from __future__ import annotations

from typing import Any

from rota.actions import present
from rota.store import history, meta, queues, schedules, types, workers
from rota.store.database import Tx

DAY_US = 86_400_000_000


def numbers(tx: Tx) -> dict[str, Any]:
    """Return the state of the system in numbers; those of jobs are capped as ``store.queues.stats`` caps them."""
    rows = queues.stats(tx)
    counts = dict.fromkeys(("pending", "scheduled", "running", "failed"), 0)
    for row in rows:
        counts[row["status"]] += row["n"]
    living = workers.living(tx)
    return {
        "jobs": counts,
        "queues": len(queues.listed(tx)),
        "jobTypes": len(types.listed(tx)),
        "schedules": schedules.count(tx),
        "workers": sum(one.role == "worker" for one in living),
        "schedulers": sum(one.role == "scheduler" for one in living),
        "oldestPendingAt": present.instant(
            min((row["oldest"] for row in rows if row["status"] == "pending"), default=None)
        ),
        "failedLastDay": history.failed_since(tx, tx.now() - DAY_US),
        "accountedTo": present.instant(meta.accounted_to(tx)),
    }
