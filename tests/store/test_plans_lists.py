"""Lists of jobs by each filter, and what failed of late, go by their indexes, whatever the statistics say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest

from rota.store import failures, reads, runs
from rota.store.database import Database, Tx
from rota.store.reads import JobFilter
from tests.store import filling
from tests.store.filling import Statistics
from tests.store.plans import recorded
from tests.store.test_plans import NEVER, missing

TOTAL = 50_000
MIDDLE = TOTAL // 2
LATER = 1 << 50
"""µs: after all that is there."""

LISTS: dict[str, tuple[JobFilter, str]] = {
    "queue": (JobFilter(queue="queue3"), "primary"),
    "unknown queue": (JobFilter(queue="none"), "primary"),
    "tag": (JobFilter(tag="none"), "primary"),
    "started by": (JobFilter(started_by="ann"), "primary"),
    "started by nobody": (JobFilter(started_by="none"), "primary"),
    "key": (JobFilter(concurrency_key="customer=1"), "primary"),
    "label": (JobFilter(label="gpu"), "primary"),
    "without what runs often": (JobFilter(hide_frequent=True), "primary"),
    "q": (JobFilter(q="type3"), "primary"),
    "q, not there": (JobFilter(q="nowhere"), "primary"),
    "args": (JobFilter(args=((("n",), "1"),)), "primary"),
    "args, not there": (JobFilter(args=((("n",), "2"),)), "primary"),
    "since": (JobFilter(since=LATER), "primary"),
    "until": (JobFilter(until=LATER), "primary"),
    "since and until": (JobFilter(since=1_000_000, until=LATER), "primary"),
    "completed": (JobFilter(statuses=("completed",)), "primary"),
    "completed of a queue": (JobFilter(statuses=("completed",), queue="queue3"), "primary"),
    "failed of a type": (JobFilter(statuses=("failed",), type="type3"), "rota_jobs_unsuccessful"),
    "failed of a queue": (JobFilter(statuses=("failed",), queue="queue3"), "rota_jobs_unsuccessful"),
    "failed with q": (JobFilter(statuses=("failed",), q="nowhere"), "rota_jobs_unsuccessful"),
    "unsuccessful": (JobFilter(statuses=("failed", "cancelled")), "rota_jobs_unsuccessful"),
    "rare type and queue": (JobFilter(type="rare", queue="queue3"), "rota_jobs_type"),
    "rare type with q": (JobFilter(type="rare", q="nowhere"), "rota_jobs_type"),
    "schedule with q": (JobFilter(schedule="schedule4", q="nowhere"), "rota_jobs_schedule"),
    "schedule and status": (JobFilter(schedule="schedule4", statuses=("completed",)), "rota_jobs_schedule"),
    "pending with q": (JobFilter(statuses=("pending",), q="nowhere"), "rota_jobs_ready"),
    "pending of a queue": (JobFilter(statuses=("pending",), queue="queue3"), "rota_jobs_ready"),
    "pending with a label": (JobFilter(statuses=("pending",), label="gpu"), "rota_jobs_ring"),
    "scheduled of a type": (JobFilter(statuses=("scheduled",), type="type3"), "rota_jobs_due"),
    "held of a queue": (JobFilter(statuses=("held",), queue="queue3"), "rota_jobs_held"),
    "running of a queue": (JobFilter(statuses=("running",), queue="queue3"), "rota_jobs_running"),
}


def listing(wanted: JobFilter, **given: Any) -> Callable[[Tx], object]:
    return lambda tx: reads.jobs(tx, wanted, limit=50, **given)


def works() -> dict[str, tuple[Callable[[Tx], object], str]]:
    """What is asked, and the index that must serve it."""
    found: dict[str, tuple[Callable[[Tx], object], str]] = {}
    for name, (wanted, index) in LISTS.items():
        found[name] = listing(wanted), index
        found[f"{name}, next"] = listing(wanted, cursor=CURSOR), index
    found["a page by its number"] = listing(JobFilter(), page=20), "primary"
    found["failures"] = (lambda tx: failures.failures(tx, 5)), "rota_jobs_finished"
    found["no failures"] = (lambda tx: failures.failures(tx, NEVER)), "rota_jobs_finished"
    found["late"] = (lambda tx: runs.undecided(tx, NEVER)), "rota_schedules_due"
    found["last runs"] = (lambda tx: runs.recent(tx, ["schedule4"])), "rota_jobs_schedule"
    found["what completed last"] = (lambda tx: runs.last_ends(tx, ["schedule4"])), "rota_jobs_schedule"
    found["what failed"] = (lambda tx: runs.failed(tx, 5)), "rota_jobs_finished"
    found["nothing that failed"] = (lambda tx: runs.failed(tx, NEVER)), "rota_jobs_finished"
    found["not started in time"] = (lambda tx: runs.unstarted(tx, NEVER)), "rota_jobs_overlap"
    found["all that may be silent"] = (lambda tx: runs.quiet(tx, 5, 9, "")), "rota_jobs_schedule"
    return found


CURSOR = f"{MIDDLE:08x}-0000-7000-8000-000000000000"


def faults(db: Database, *, generic: bool = False) -> list[str]:
    found = []
    for name, (work, index) in works().items():
        with recorded(generic=generic) as plans:
            db.read(work)
        assert plans, name
        shown = "\n".join(map(str, plans))
        if missing({index}, plans):
            found.append(f"{name} goes without {index}:\n{shown}")
        if any("rota_jobs" in plan.whole for plan in plans):
            found.append(f"{name} reads the whole table:\n{shown}")
    return found


@pytest.mark.parametrize("statistics", get_args(Statistics))
def test_on_sqlite(lite: Database, statistics: Statistics) -> None:
    filling.fill(lite, TOTAL, statistics)
    found = faults(lite)
    assert not found, "\n\n".join(found)


def test_on_postgresql(pg: Database) -> None:
    """Planned for the values, and as a prepared statement is planned for any.

    Without statistics two fifths of so small a table, which is what one look goes through, are read from its end.
    """
    filling.fill(pg, TOTAL, "fresh")
    for generic in (False, True):
        found = faults(pg, generic=generic)
        assert not found, "\n\n".join(found)


def test_each_filter_is_looked_at() -> None:
    """By itself, here or beside what runs often."""
    alone = {name for wanted, _ in LISTS.values() for name in msgspec.to_builtins(wanted)}
    assert alone >= set(JobFilter.__struct_fields__) - {"batch"}
