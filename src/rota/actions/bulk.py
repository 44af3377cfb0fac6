"""Many jobs at once: the database stores a part of them while the next one is checked."""

from __future__ import annotations

from collections.abc import Sequence

from rota.actions import jobs
from rota.actions.jobs import MAX_BULK, Enqueued
from rota.actions.specs import Caller, JobIn
from rota.model import JobType, NewJob
from rota.settings import Settings
from rota.store import jobs as store
from rota.store.database import Tx

PART = 500


def enqueue(
    tx: Tx,
    specs: Sequence[JobIn],
    caller: Caller,
    settings: Settings,
    known: dict[str, JobType | None],
    prepared: list[NewJob],
    *,
    fitting: bool = False,
) -> list[Enqueued]:
    """Check and store jobs, all or none, as `jobs.prepare` and `jobs.store` do.

    ``prepared`` keeps those that were checked, for the same call in another transaction where this one is lost.
    """
    if len(specs) > MAX_BULK or len(specs) <= PART or any(_names_others(spec) for spec in specs):
        if not prepared:
            prepared.extend(jobs.prepare(tx, specs, caller, settings, known, fitting=fitting))
        return jobs.store(tx, prepared)
    answers, rest = [], list[NewJob]()
    for first in range(0, len(specs), PART):
        if first >= len(prepared):
            part = specs[first : first + PART]
            prepared.extend(jobs.prepare(tx, part, caller, settings, known, fitting=fitting, first=first))
        alone = [job for job in prepared[first : first + PART] if store.stands_alone(job)]
        rest += [job for job in prepared[first : first + PART] if not store.stands_alone(job)]
        if alone:
            answers.append(store.insert_ahead(tx, alone))
    tx.hint(store.topic_of(prepared))
    stored: set[str] = set().union(*(answer() for answer in answers))
    # Those that other jobs may be in the way of go together, in one order; as do those that are there already.
    rest += [job for job in prepared if store.stands_alone(job) and job.id not in stored]
    others = {job.id: one for job, one in zip(rest, jobs.store(tx, rest), strict=True)} if rest else {}
    return [others.get(job.id) or Enqueued(job.id) for job in prepared]


def _names_others(spec: JobIn) -> bool:
    """Tell whether a job waits for others, perhaps for such of the same request."""
    return spec.depends_on is not None or spec.if_parent_failed is not None
