"""The history of another system: its jobs that have ended, kept under ids that stay the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from rota.actions.specs import ABSENT, Caller, Spec, given
from rota.errors import Invalid
from rota.ids import least_id
from rota.jsontext import check_json, check_text, check_type
from rota.model import JobType
from rota.settings import Settings
from rota.store import audit, past, types
from rota.store.database import Tx
from rota.store.past import PastJob
from rota.timetable import parse_instant

MOST_TOGETHER = 1000
TAG = "imported"
LANE = "sync"
"""Of a type that nobody has declared: should such a job be retried, it waits for code that has it."""


class PastJobIn(Spec, kw_only=True):
    """A job that has ended, as the other system knew it."""

    id: str
    job_type: str
    status: Literal["completed", "failed", "cancelled"]
    created_at: str
    completed_at: str
    started_at: str | None = None
    started_by: str | None = None
    error: str | None = None
    result: msgspec.Raw = msgspec.field(default_factory=lambda: ABSENT)


class PastIn(Spec):
    """Jobs that have ended."""

    jobs: list[PastJobIn]


def read(spec: PastIn, settings: Settings) -> list[PastJobIn]:
    """Check what can be checked without the database; raises Invalid as ``jobs.3.status``."""
    if len(spec.jobs) > MOST_TOGETHER:
        raise Invalid("jobs", f"{len(spec.jobs)} are too many at once", hint=f"at most {MOST_TOGETHER}")
    for place, one in enumerate(spec.jobs):
        try:
            _check(one, settings)
        except Invalid as error:
            raise type(error)(f"jobs.{place}.{error.field}", error.reason, hint=error.hint) from None
    return spec.jobs


def _check(one: PastJobIn, settings: Settings) -> None:
    check_text(one.id, "id", max_length=200)
    check_type(one.job_type)
    _times(one)
    if one.error is not None:
        check_text(one.error, "error", max_length=10_000, lines=True)
    if one.started_by is not None:
        check_text(one.started_by, "startedBy", max_length=500)
    if (result := given(one.result)) is not None:
        check_json(bytes(result), "result", max_bytes=settings.limit_result)


def store(tx: Tx, jobs: Sequence[PastJobIn], caller: Caller) -> int:
    """Store jobs; return how many were not there before."""
    known = types.named(tx, {one.job_type for one in jobs})
    new = past.insert(tx, [_job(one, known.get(one.job_type)) for one in jobs])
    if new:
        audit.record(tx, caller, "imported", "jobs", f"{new} of the past")
    return new


def _job(one: PastJobIn, job_type: JobType | None) -> PastJob:
    created, started, completed = _times(one)
    result = given(one.result)
    return PastJob(
        id=past_id(one.id, created),
        type=one.job_type,
        lane=job_type.lane if job_type else LANE,
        target=job_type.target if job_type else None,
        status=one.status,
        args=msgspec.json.encode({"importedId": one.id}).decode(),
        tags=msgspec.json.encode([TAG]).decode(),
        result=bytes(result).decode() if result is not None else None,
        error=" ".join(one.error.split()) if one.error else None,
        started_by=one.started_by,
        created_at=created,
        started_at=started,
        completed_at=completed,
        updated_at=completed,
    )


def _times(one: PastJobIn) -> tuple[int, int | None, int]:
    created = parse_instant(one.created_at, "createdAt")
    started = parse_instant(one.started_at, "startedAt") if one.started_at is not None else None
    return created, started, parse_instant(one.completed_at, "completedAt")


def past_id(foreign: str, created_us: int) -> str:
    """Return the id of a job of another system: by its time, as lists are in the order of ids, and always the same."""
    digest = hashlib.blake2b(foreign.encode(), digest_size=10).hexdigest()
    return f"{least_id(created_us)[:14]}7{digest[:3]}-8{digest[3:6]}-{digest[6:18]}"
