"""What the API answers, as far as the description tells; the values themselves are made by ``rota.actions.present``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from rota.model import Role, Status

Time = Annotated[
    str,
    msgspec.Meta(description="RFC 3339 in UTC with milliseconds", extra_json_schema={"format": "date-time"}),
]
JobId = Annotated[str, msgspec.Meta(description="UUIDv7", extra_json_schema={"format": "uuid"})]


class Answer(msgspec.Struct, rename="camel", kw_only=True):
    """Base of everything answered."""


class Page(Answer):
    """What every list says beside its items."""

    total: int
    page: int | None
    limit: int
    next_cursor: str | None
    total_is_estimate: bool


class Enqueued(Answer):
    """A job that was accepted."""

    id: JobId
    existing: bool = False
    """True when a job with this unique key was there already; that one is meant."""


class EnqueuedMany(Answer):
    """Jobs that were accepted, in the order in which they were sent."""

    jobs: list[Enqueued]


class Triggered(Answer):
    """A job that a person started."""

    id: JobId
    job_id: JobId
    job_type: str | None
    status: Status
    started_at: Time | None
    created_at: Time


class Progress(Answer):
    """How far a running job has come, by its own words."""

    value: float | None
    message: str | None


class ErrorDetail(Answer, omit_defaults=True):
    """What is known of a failure beside its one line."""

    code: str
    type: str | None = None
    message: str | None = None
    trace: str | None = None


class AttemptOut(Answer):
    """One start of a job."""

    attempt: int
    outcome: str
    started_at: Time | None
    ended_at: Time | None
    duration_ms: int | None
    worker_id: str | None
    error: str | None
    error_detail: ErrorDetail | None


class Truncated(Answer):
    """A result that was too large; its head is kept."""

    bytes: int


class JobOut(Answer):
    """A job."""

    id: JobId
    job_type: str | None
    kind: str
    status: Status
    queue: str
    priority: int
    args: Any
    target: dict[str, Any] | None
    attempt: int
    attempts_used: int
    max_attempts: int
    created_at: Time
    run_at: Time
    started_at: Time | None
    completed_at: Time | None
    updated_at: Time
    duration_ms: int | None
    started_by: str | None
    origin: str
    schedule_id: str | None
    scheduled_for: Time | None
    timeout: str | None
    unique_key: str | None
    concurrency_key: str | None
    callback_url: str | None
    tags: list[str]
    on_lost: str
    expires_at: Time | None
    worker_id: str | None
    progress: Progress | None
    result: Any
    result_truncated: Truncated | None
    error: str | None
    error_detail: ErrorDetail | None
    reason: str | None
    cancel_requested_at: Time | None
    cancel_requested_by: str | None


class JobDetail(JobOut):
    """A job with all that is known of it."""

    attempts: list[AttemptOut]
    eta: None
    why: Why


class Cause(Answer):
    """One reason why a job waits."""

    code: str
    text: str


class Why(Answer):
    """What a job waits for, or how it ended."""

    text: str
    until: Time | None
    causes: list[Cause]


class JobList(Page):
    """A page of jobs, the latest first."""

    jobs: list[JobOut]


class LogLine(Answer):
    """A line of a job's log."""

    n: int
    at: Time
    stream: str
    attempt: int
    text: str


class LogPage(Answer):
    """Lines of a job's log."""

    lines: list[LogLine]
    status: Status
    last_line: int
    """The number of the last line stored."""
    next_after: int | None
    """Ask with ``after`` this for more; None at the end of a job that has ended."""


class ActionDone(Answer):
    """What an action on many jobs did."""

    action: str
    dry_run: bool
    matched: int
    changed: int
    done: bool
    """False when the time for one request was over: send it again for the rest."""


class Counts(Answer):
    """Jobs by status, each at most 10,000."""

    pending: int
    scheduled: int
    running: int
    failed: int


class QueueStat(Answer):
    """Jobs of one status and priority."""

    status: str
    priority: int
    count: int
    oldest_at: Time | None


class QueueOut(Answer):
    """A queue."""

    name: str
    concurrency: int | None
    paused: bool
    paused_at: Time | None
    paused_by: str | None
    paused_note: str | None
    counts: Counts
    oldest_pending_at: Time | None
    stats: list[QueueStat]
    created_at: Time


class QueueList(Page):
    """All queues by name."""

    queues: list[QueueOut]


class Changed(Answer):
    """How many jobs were changed."""

    matched: int
    changed: int
    done: bool


class JobTypeOut(Answer):
    """A job type."""

    name: str
    kind: str
    target: dict[str, Any] | None
    args_schema: Any
    defaults: dict[str, Any]
    owner: str
    version: int
    created_at: Time
    updated_at: Time


class JobTypeList(Page):
    """All job types by name."""

    job_types: list[JobTypeOut]


class WorkerOut(Answer):
    """A process: a worker, a scheduler or an api."""

    id: str
    role: str
    host: str
    pid: int
    version: str
    state: str
    queues: list[str] | None
    lanes: Any
    job_types: list[str] | None
    labels: list[str]
    running: int
    loops: Any
    started_at: Time
    last_heartbeat: Time
    last_claim: Time | None
    lease_until: Time


class WorkerList(Page):
    """All processes, the living first."""

    workers: list[WorkerOut]


class TokenOut(Answer):
    """An API token, without what it is."""

    id: str
    name: str
    role: Role
    created_by: str | None
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    revoked_at: Time | None


class TokenMade(Answer):
    """A new API token; ``token`` is shown this once."""

    id: str
    name: str
    role: Role
    token: str | None
    created_at: Time
    expires_at: Time | None


class TokenList(Page):
    """All API tokens."""

    tokens: list[TokenOut]


class Stats(Answer):
    """The state of the system in numbers."""

    jobs: Counts
    queues: int
    job_types: int
    schedules: int
    workers: int
    schedulers: int
    oldest_pending_at: Time | None
    failed_last_day: int
    """Jobs that failed in the last 24 hours, at most 10,000."""
    accounted_to: Time | None


class Health(Answer, omit_defaults=True):
    """The truth about the system.  Who shows no token gets status and times only."""

    status: Literal["healthy", "unhealthy"]
    service: str
    timestamp: Time
    accounted_to: Time | None
    lag_ms: int | None
    """How far `accountedTo` is behind the clock of the database."""
    scheduler_seen_at: Time | None
    worker_seen_at: Time | None
    problems: list[str] | None = None


class Alive(Answer):
    """This process answers."""

    status: Literal["ok"]
    service: str
    timestamp: Time


class Ready(Alive):
    """This process can do its work."""

    accounted_to: Time | None


class Greeting(Answer):
    """A friendly word."""

    message: str
    service: str
    version: str


class Me(Answer):
    """Who asks."""

    subject: str
    role: Role
    source: str
