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
IfParentFailed = Literal["cancel", "run", "wait"]
"""What becomes of a job when one that it depends on ends without completing."""
AfterRun = Literal["keep", "delete"]
VersionAction = Literal["created", "edited", "paused", "resumed", "takenOver", "rolledBack", "deleted"]
NoticeKind = Literal["opened", "again", "over", "test", "canary-lost"]
Severity = Literal["error", "warning"]
Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
Via = Literal["api", "ui", "cli", "python", "file", "scheduler"]
"""From where somebody changes something: over the network by a token or in the browser, by the command line on its own
database, by code of an application, by a file that is applied, or by Rota itself."""

ANY_TYPE_LANES: frozenset[str] = frozenset(("async", "sync"))
"""Lanes whose jobs need a worker that has the type's code loaded."""


ORDER = "order:"
"""Begins the turn key of a job that has an order key."""


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
    silence_us: int | None = None
    """The longest silence that a run may keep."""
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
    unique_for_us: int | None = None
    """For how long it holds its unique key, whatever becomes of it."""
    depends_on: str | None = None
    """The ids of the jobs that it waits for (JSON); it is held."""
    if_parent_failed: IfParentFailed | None = None
    batch_id: str | None = None
    awaited: int = 0
    """1 when another job waits for its end."""
    trace: str | None = None
    """The trace context in which it was enqueued (W3C ``traceparent``)."""
    if_exists: Literal["keep", "replace", "reschedule"] = "keep"
    """What becomes of the waiting job that has its unique key: ``reschedule`` takes over the due time too."""


class Job(msgspec.Struct, kw_only=True):
    """A job as it is read."""

    id: str
    type: str | None
    lane: str
    target: str | None
    queue: str
    rank: int
    priority: int | None
    """Where its queue lets jobs age; else it is the negated rank: see ``priority_of``."""
    ring: str | None
    status: State
    run_at: int
    attempt: int
    attempts_used: int
    lost_count: int
    max_attempts: int
    retry: str | None
    timeout_us: int | None
    silence_us: int | None
    answer_by: int | None
    """When the time of this run is over, where that was told: by who answers later, or asked for more time."""
    silent_by: int | None
    """By when it must give its next sign of life, where that is not its worker's to know."""
    on_lost: str
    args: str
    result: str | None
    result_truncated: int | None
    error: str | None
    error_detail: str | None
    reason: str | None
    unique_key: str | None
    unique_scope: str | None
    unique_until: int | None
    concurrency_key: str | None
    callback_url: str | None
    tags: str | None
    run_on: str | None
    depends_on: str | None
    if_parent_failed: IfParentFailed | None
    awaited: int
    batch_id: str | None
    origin: Origin
    started_by: str | None
    schedule_id: str | None
    scheduled_for: int | None
    expires_at: int | None
    worker_id: str | None
    log_lines: int
    progress: float | None
    progress_note: str | None
    checkpoint: str | None
    exchange: str | None
    """The request to the target and its answer, secrets masked (JSON)."""
    trace: str | None
    """The trace context in which it was enqueued."""
    cancel_requested_at: int | None
    cancel_requested_by: str | None
    cancel_mode: str | None
    turn_key: str | None
    created_at: int
    started_at: int | None
    completed_at: int | None
    updated_at: int

    @property
    def awaits_answer(self) -> bool:
        """Whether it runs without a worker: its target has taken it, and answers later."""
        return self.status == "running" and self.worker_id is None and self.answer_by is not None


def priority_of(rank: int, priority: int | None) -> int:
    """Return the priority of a job as a person gave it: higher runs first."""
    return -rank if priority is None else priority


class Batch(msgspec.Struct, kw_only=True):
    """Jobs that were stored together."""

    id: str
    name: str | None = None
    total: int
    callback_id: str | None = None
    """The job that goes when all of them have ended."""
    created_by: str | None = None
    created_at: int = 0


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
    resolved: str | None = None
    """What its defaults come to (JSON), for jobs that are enqueued by SQL."""
    links: str | None = None
    owner: str
    version: int = 1
    created_at: int = 0
    updated_at: int = 0


class Queue(msgspec.Struct, kw_only=True):
    """A named lane with limits."""

    name: str
    concurrency: int | None = None
    """Most jobs at once, over all machines."""
    worker_concurrency: int | None = None
    """Most jobs at once on one worker."""
    key_concurrency: int | None = None
    """Most jobs at once of one concurrency key, over all machines."""
    rate_limits: str | None = None
    """``[{limit, per, scope}]`` (JSON), ``per`` in µs, ``scope`` queue or key: most starts within any ``per``."""
    ageing_us: int | None = None
    """A job that waited so long is worth one priority more."""
    defaults: str | None = None
    retention: str | None = None
    """``{completed, failed, cancelled}`` (JSON), in µs, null for ever; what is missing is as the settings say."""
    paused_at: int | None = None
    paused_by: str | None = None
    paused_note: str | None = None
    resume_at: int | None = None
    slowed_until: int | None = None
    """Until then no HTTP job of it starts: a target asked for a pause."""
    slowed_by: str | None = None
    created_at: int = 0


class Pause(msgspec.Struct, kw_only=True):
    """A job type or a concurrency key of which nothing starts."""

    kind: Literal["type", "key"]
    queue: str = ""
    """Of a key: in which queue; empty for all."""
    name: str
    note: str | None = None
    author: str | None = None
    at: int = 0
    resume_at: int | None = None


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
    shadow: int = 0
    """1 where it only observes: its instants are accounted for, and make no job."""
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


class Secret(msgspec.Struct):
    """A named secret: its value sealed in ``box``, by the key ``key_id`` of the settings."""

    name: str
    box: str
    key_id: str
    version: int
    note: str | None
    created_at: int
    created_by: str | None
    updated_at: int
    updated_by: str | None
    used_at: int | None


class AuditEntry(msgspec.Struct):
    """Who changed what, from where; ``before`` and ``after`` (JSON) hold what differs, without secrets."""

    id: str
    at: int
    actor: str | None
    role: str | None
    origin: str | None
    action: str
    noun: str
    name: str
    note: str | None
    before: str | None
    after: str | None
    client: str | None
    """The address that it came from, where it came over the network."""


Action = Literal["retry", "cancel", "delete", "move", "reprioritise"]


class Operation(msgspec.Struct):
    """One action on all jobs that a filter wants, done batch by batch."""

    id: str
    action: Action
    filter: str
    """As it was asked (JSON)."""
    params: str
    """What else the action takes (JSON): ``queue``, ``rank``, ``force``."""
    status: Literal["running", "completed", "cancelled", "failed"]
    newest: str | None
    """Only jobs up to this id are meant: those that were there at its beginning."""
    position: str | None
    """The id of the last job that was looked at."""
    total: int
    looked_at: int
    changed: int
    author: str | None
    error: str | None
    busy_until: int | None
    created_at: int
    updated_at: int
    completed_at: int | None


class Notice(msgspec.Struct, frozen=True):
    """One message to the people who look after the system."""

    id: str
    kind: NoticeKind
    severity: Severity
    title: str
    """One line."""
    text: str
    """A few plain lines: the reason, since when, how often."""
    path: str
    """Of the page that shows more, such as ``/schedules/digest``."""
    alert_ids: tuple[str, ...] = ()


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
