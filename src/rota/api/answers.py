"""What the API answers, as far as the description tells; the values themselves are made by ``rota.actions.present``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from rota.model import IfParentFailed, Role, Status

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
    replaced: bool = False
    """True when that one waited, and became what was sent, as `ifExists` asked."""


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
    unique_scope: str | None
    depends_on: list[str]
    if_parent_failed: IfParentFailed | None
    batch_id: JobId | None
    concurrency_key: str | None
    order_key: str | None
    run_on: list[str]
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
    until: Time | None


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


class RateLimitOut(Answer):
    """Most starts within any time of this length."""

    limit: int
    per: str
    scope: Literal["queue", "key"]


class QueueOut(Answer):
    """A queue."""

    name: str
    concurrency: int | None
    worker_concurrency: int | None
    key_concurrency: int | None
    rate_limits: list[RateLimitOut]
    ageing: str | None
    defaults: dict[str, Any] | None
    retention: dict[str, str] | None
    paused: bool
    paused_at: Time | None
    paused_by: str | None
    paused_note: str | None
    resume_at: Time | None
    slowed_until: Time | None
    slowed_by: str | None
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
    """False when the time for one request was over: the service goes on with the operation."""
    operation: str
    """Id of the operation."""


class KeyOut(Answer):
    """A key of a queue, with what waits and runs of it."""

    key: str
    kind: Literal["concurrency", "order"]
    waiting: int
    running: int
    oldest_at: Time | None
    paused: bool
    paused_at: Time | None
    paused_by: str | None
    paused_note: str | None
    resume_at: Time | None
    active_job_id: JobId | None
    blocked: bool


class KeyList(Page):
    """Keys of a queue: the concurrency keys by name, then the order keys."""

    keys: list[KeyOut]


class KeyPause(Answer):
    """How a concurrency key is paused: in one queue, or in all of them."""

    queue: str | None
    key: str
    paused: bool
    paused_at: Time | None
    paused_by: str | None
    paused_note: str | None
    resume_at: Time | None


class JobTypeOut(Answer):
    """A job type."""

    name: str
    kind: str
    target: dict[str, Any] | None
    args_schema: Any
    defaults: dict[str, Any]
    owner: str
    version: int
    paused: bool
    paused_at: Time | None
    paused_by: str | None
    paused_note: str | None
    resume_at: Time | None
    created_at: Time
    updated_at: Time


class JobTypeList(Page):
    """All job types by name."""

    job_types: list[JobTypeOut]


class Slots(Answer):
    """Places for jobs of one kind."""

    taken: int
    of: int


class LoopOut(Answer):
    """A loop of a process."""

    name: str
    state: str
    """`running` or `sleeping`."""
    sleeps_until: Time | None
    turned_ms_ago: int
    """How long before the last heartbeat it last ended a turn."""
    error: str | None


class Sleeping(Answer):
    """Why a worker takes no jobs of a queue."""

    reason: Literal["empty", "full", "worker-full", "keys-full", "rate-limited", "slowed", "paused", "contended"]
    until: Time | None
    """When that ends by itself, where it is known."""


class ConsumerOut(Answer):
    """A worker and a queue that it serves."""

    queue: str
    num_running_loops: int
    """How many jobs of the queue it runs."""
    sleeping: Sleeping | None
    """Why it takes no more of them; null while it does."""


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
    slots: dict[str, Slots] | None
    """By kind of job; as its last heartbeat told."""
    loops: list[LoopOut]
    """What each loop of the process does, as its last heartbeat told."""
    loop_lag_ms: int | None
    """How late its event loop was then."""
    consumers: list[ConsumerOut]
    """Of a worker: what it does with each queue that it serves, those without jobs and limits left out among many."""
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
