"""What is answered about jobs, their logs and their types."""

from __future__ import annotations

from typing import Any, Literal

from rota.api.answers import Answer, JobId, Page, Time
from rota.model import IfParentFailed, Status


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


class EtaOut(Answer):
    """When a running job will have ended, by what it reported or by how long the last runs of its type took."""

    at: Time | None
    """Null where it runs for longer already than nine of ten earlier runs."""
    basis: Literal["progress", "history"]
    p50: str | None
    """How long half of the last completed runs took at most; null without any."""
    p90: str | None
    """How long nine of ten of them took at most."""
    runs: int
    """How many these are, 20 at most."""


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
    silence: str | None
    deadline_at: Time | None
    """When the time of the run is over; of one that runs."""
    silent_at: Time | None
    """By when a target that answers later must give its next sign of life."""
    awaits_answer: bool
    """It runs at a target, which answers later; no worker waits for it."""
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
    eta: EtaOut | None
    result: Any
    result_truncated: Truncated | None
    error: str | None
    error_detail: ErrorDetail | None
    reason: str | None
    cancel_requested_at: Time | None
    cancel_requested_by: str | None


class RunState(Answer):
    """How a run stands, for its target."""

    id: JobId
    attempt: int
    status: Status
    reason: str | None
    error: str | None
    cancel_requested: bool
    """The work is not wanted any more."""
    deadline_at: Time | None
    """When its time is over."""
    silent_at: Time | None
    """By when the next sign of life must come."""
    run_at: Time | None
    """When it starts again, where it waits."""


class RequestOut(Answer):
    """A request to a target, without its secrets."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    body_bytes: int
    truncated: bool


class AnswerOut(Answer):
    """The answer of a target, without secrets."""

    status: int
    reason: str
    headers: dict[str, str]
    body: str
    body_bytes: int
    truncated: bool
    duration_ms: int


class ExchangeOut(Answer):
    """What was sent to an HTTP target last, and what came back."""

    request: RequestOut
    answer: AnswerOut | None
    """None where no whole answer came."""


class JobDetail(JobOut):
    """A job with all that is known of it."""

    attempts: list[AttemptOut]
    checkpoint: Any
    """What its runs last stored for the next attempt."""
    exchange: ExchangeOut | None
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
