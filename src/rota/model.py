"""The nouns of Rota as plain records.

Times are microseconds UTC, durations microseconds, JSON documents are text, kept byte for byte.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["scheduled", "pending", "running", "completed", "failed", "cancelled"]
STATUSES: tuple[Status, ...] = ("scheduled", "pending", "running", "completed", "failed", "cancelled")
"""Of a job, as it is shown."""

State = Literal["scheduled", "pending", "held", "running", "completed", "failed", "cancelled"]
STATES: tuple[State, ...] = ("scheduled", "pending", "held", "running", "completed", "failed", "cancelled")
"""As it is stored: a job that waits for its turn is held, which is shown as pending; ``why`` tells the rest."""


def shown_as(state: State) -> Status:
    """Return the status of a job in the given state, as it is shown."""
    return "pending" if state == "held" else state


FINAL: frozenset[str] = frozenset(("completed", "failed", "cancelled"))

Origin = Literal["enqueue", "schedule", "trigger", "exec", "backfill"]
Overlap = Literal["skip", "queueOne", "queueAll", "cancel", "kill", "allow"]
Catchup = Literal["none", "latest", "all"]
Disposition = Literal["fired", "skipped", "paused", "blackout", "coalesced", "missed", "caughtUp"]
AfterRun = Literal["keep", "delete"]
VersionAction = Literal["created", "edited", "paused", "resumed", "takenOver", "rolledBack", "deleted"]
Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")

ANY_TYPE_LANES: frozenset[str] = frozenset(("async", "sync"))
"""Lanes whose jobs need a worker that has the type's code loaded."""


class NewJob(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A job as it is inserted.  ``run_at`` None means now, plus ``delay_us``, by the database's clock.

    Defaults are left out of the JSON that goes to the database, which saves it a fifth (PostgreSQL) to nearly a half
    (SQLite) of its time; the statement has them.
    """

    id: str
    type: str | None
    lane: str
    target: str | None
    queue: str
    rank: int
    args: str
    max_attempts: int
    origin: Origin = "enqueue"
    run_at: int | None = None
    delay_us: int = 0
    retry: str | None = None
    timeout_us: int | None = None
    on_lost: Literal["retry", "fail"] = "retry"
    unique_key: str | None = None
    unique_scope: str | None = None
    concurrency_key: str | None = None
    callback_url: str | None = None
    tags: str | None = None
    run_on: str | None = None
    started_by: str | None = None
    schedule_id: str | None = None
    scheduled_for: int | None = None
    expires_us: int | None = None
    """Duration after which a job that still waits is cancelled."""
    turn_key: str | None = None
    """Of the jobs with the same key one at a time is ready or runs; the others are held, in the order of their ids."""


class Job(msgspec.Struct, kw_only=True):
    """A job as it is read."""

    id: str
    type: str | None
    lane: str
    target: str | None
    queue: str
    rank: int
    status: State
    run_at: int
    attempt: int
    attempts_used: int
    lost_count: int
    max_attempts: int
    retry: str | None
    timeout_us: int | None
    on_lost: str
    args: str
    result: str | None
    result_truncated: int | None
    error: str | None
    error_detail: str | None
    reason: str | None
    unique_key: str | None
    unique_scope: str | None
    concurrency_key: str | None
    callback_url: str | None
    tags: str | None
    run_on: str | None
    origin: Origin
    started_by: str | None
    schedule_id: str | None
    scheduled_for: int | None
    expires_at: int | None
    worker_id: str | None
    log_lines: int
    progress: float | None
    progress_note: str | None
    cancel_requested_at: int | None
    cancel_requested_by: str | None
    cancel_mode: str | None
    turn_key: str | None
    created_at: int
    started_at: int | None
    completed_at: int | None
    updated_at: int


class Attempt(msgspec.Struct):
    """One start of a job that did not end it; the last start is in the job itself."""

    job_id: str
    attempt: int
    outcome: str
    worker_id: str | None
    started_at: int | None
    ended_at: int | None
    error: str | None
    error_detail: str | None


class JobType(msgspec.Struct, kw_only=True):
    """A named definition of work."""

    name: str
    lane: str
    target: str | None
    args_schema: str | None
    defaults: str
    links: str | None = None
    owner: str
    version: int = 1
    created_at: int = 0
    updated_at: int = 0


class Queue(msgspec.Struct, kw_only=True):
    """A named lane with limits."""

    name: str
    concurrency: int | None = None
    key_concurrency: int | None = None
    rate_limits: str | None = None
    defaults: str | None = None
    retention: str | None = None
    paused_at: int | None = None
    paused_by: str | None = None
    paused_note: str | None = None
    created_at: int = 0


class Schedule(msgspec.Struct, kw_only=True):
    """When to create jobs of a type.  ``job`` holds what its jobs get beside target and arguments (JSON)."""

    id: str
    type: str | None
    lane: str
    target: str | None
    args: str
    rule: str
    timezone: str
    job: str
    overlap: Overlap = "skip"
    catchup: Catchup = "latest"
    catchup_window_us: int | None = None
    start_at: int | None = None
    end_at: int | None = None
    max_runs: int | None = None
    jitter_us: int = 0
    calendars: str | None = None
    anchor_at: int
    next_at: int | None
    last_at: int | None = None
    last_job_id: str | None = None
    runs: int = 0
    paused_at: int | None = None
    paused_by: str | None = None
    paused_note: str | None = None
    resume_at: int | None = None
    note: str | None = None
    owner: str
    source: str | None = None
    """Which application or file declared it, where the owner is code or file."""
    after_run: AfterRun = "keep"
    """What becomes of it when its last instant has run."""
    pause_after: int | None = None
    """Failures in a row after which it is paused; those of jobs made before ``resumed_at`` do not count."""
    resumed_at: int | None = None
    version: int = 1
    created_at: int = 0
    updated_at: int = 0


class ScheduleVersion(msgspec.Struct, kw_only=True):
    """What a schedule was from ``at`` on, until its next version.  ``definition`` is None where it was deleted."""

    schedule_id: str
    version: int
    action: VersionAction
    author: str | None = None
    note: str | None = None
    definition: str | None = None
    at: int = 0


class Calendar(msgspec.Struct, kw_only=True):
    """Times at which schedules that name it do not fire; ``document`` says which (JSON)."""

    name: str
    document: str
    note: str | None = None
    version: int = 1
    author: str | None = None
    created_at: int = 0
    updated_at: int = 0


class Occurrence(msgspec.Struct, kw_only=True):
    """One due instant that made a job, or a run of instants with the same other disposition and cause."""

    schedule_id: str
    scheduled_for: int
    until_at: int
    disposition: Disposition
    job_id: str | None = None
    reason: str | None = None
    cause: str | None = None
    version: int = 1
    decided_at: int = 0


class Worker(msgspec.Struct, kw_only=True):
    """A process that holds a lease: a worker, a scheduler or an api."""

    id: str
    role: str
    host: str
    pid: int
    version: str
    state: str
    queues: str | None = None
    lanes: str | None = None
    types: str | None = None
    labels: str | None = None
    detail: str | None = None
    running: int = 0
    started_at: int = 0
    seen_at: int = 0
    claimed_at: int | None = None
    lease_until: int = 0


class LogChunk(msgspec.Struct, frozen=True):
    """Some lines of an attempt's log; ``body`` is a JSON array of ``[at, stream, text]``."""

    job_id: str
    attempt: int
    first_line: int
    lines: int
    at: int
    body: str
