"""What users send: one definition for REST, the command line and Python.

Unknown fields are refused by name.  Documents that are only passed on (``args``, ``target``) stay the bytes they were.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from rota.model import Action, AfterRun, Catchup, IfParentFailed, Overlap, Role, Via

ABSENT = msgspec.Raw()
"""A document that was not given: msgspec knows no optional Raw."""


def _absent() -> msgspec.Raw:
    """As a factory, since a default that is no JSON has no place in a JSON schema."""
    return ABSENT


Duration = str | int | float
"""``500ms 30s 5m 2h 7d``; a number counts seconds."""


def given(document: msgspec.Raw) -> msgspec.Raw | None:
    """Return a document, or None where none, or ``null``, was given."""
    return None if bytes(document) in (b"", b"null") else document


class Caller(msgspec.Struct, frozen=True):
    """Who asks."""

    subject: str | None = None
    role: Role = "admin"
    origin: Via = "python"
    """From where."""
    client: str | None = None
    """From which address, where it comes over the network."""
    trace: str | None = None
    """The trace context that it sent, or that is open here (W3C ``traceparent``)."""
    starts_as: str | None = None
    """What the user service calls the subject, where it was asked."""

    @property
    def starter(self) -> str | None:
        """Who starts a job, unless it says who."""
        return self.starts_as or self.subject


class Spec(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Base of everything sent."""


class RetryErrorIn(Spec):
    """What is different for some errors: the first entry that matches holds.

    ``error`` is a code or a type of ``errorDetail`` (``ValueError``, ``timeout``, ``http-429``), and may end in ``*``.
    """

    error: str
    action: Literal["retry", "fail"] | None = None
    attempts: int | None = None
    delays: list[Duration] | None = None


class RetryIn(Spec):
    """How often, or for how long, and with which pauses a failed attempt is tried again."""

    attempts: int | None = None
    until: Duration | None = None
    delays: list[Duration] | None = None
    backoff: Literal["exponential", "linear", "fixed"] | Duration | None = None
    cap: Duration | None = None
    jitter: bool | None = None
    by_error: list[RetryErrorIn] | None = None


class JobDefaults(Spec):
    """What a job type may say for its jobs, and a job for itself."""

    queue: str | None = None
    priority: int | str | None = None
    max_attempts: int | None = None
    retry: RetryIn | None = None
    timeout: Duration | None = None
    silence: Duration | None = None
    expires_in: Duration | None = None
    concurrency_key: str | None = None
    """May take parts from the arguments: ``customer={customer.id}``."""
    order_key: str | None = None
    """Jobs with the same one run one after the other, in the order in which they were enqueued."""
    run_on: list[str] | None = None
    """Labels that a worker must have."""
    tags: list[str] | None = None
    on_lost: Literal["retry", "fail"] | None = None


class JobIn(JobDefaults):
    """A job to enqueue: of a declared type, or with a target of its own."""

    job_type: str | None = None
    target: msgspec.Raw = msgspec.field(default_factory=_absent)
    args: msgspec.Raw = msgspec.field(default_factory=_absent)
    delay_ms: int | None = None
    run_at: str | None = None
    unique_key: str | None = None
    unique_scope: str | None = None
    """``waiting``, ``active`` or ``window:<duration>``."""
    if_exists: Literal["keep", "replace", "debounce"] | None = None
    """What becomes of the waiting job that has the unique key."""
    depends_on: list[str] | None = None
    """Ids of jobs that must end first."""
    if_parent_failed: IfParentFailed | None = None
    callback_url: str | None = None
    started_by: str | None = None
    origin: Literal["enqueue", "exec"] | None = None


class BulkIn(Spec):
    """Many jobs at once."""

    jobs: list[JobIn]


class BatchIn(Spec):
    """Jobs that are enqueued together, and one that goes when all of them have ended."""

    jobs: list[JobIn]
    name: str | None = None
    callback: JobIn | None = None
    if_failed: Literal["run", "cancel"] | None = None
    """What becomes of the callback when one of the jobs does not complete."""


class TriggerIn(Spec):
    """Run a job type now, by hand."""

    job_type: str
    triggered_by: str | None = None
    args: msgspec.Raw = msgspec.field(default_factory=_absent)


class FilterIn(Spec):
    """Which jobs; every field narrows."""

    type: str | None = None
    status: str | list[str] | None = None
    queue: str | None = None
    schedule: str | None = None
    tag: str | None = None
    started_by: str | None = None
    batch: str | None = None
    concurrency_key: str | None = None
    label: str | None = None
    frequent: Literal["hide"] | None = None
    """``hide`` leaves out the runs of schedules that are due each minute or more often."""
    since: str | None = None
    until: str | None = None
    q: str | None = None
    args: dict[str, str] | None = None
    """Values of arguments by their paths: ``{"user.id": "42"}``; a number in a path is a place in a list."""


class EditIn(Spec):
    """What changes of a job that does not run; what is not named stays.  null goes back to none, or to the default."""

    args: msgspec.Raw = msgspec.field(default_factory=_absent)
    queue: str | None = None
    priority: int | str | None = None
    delay_ms: int | None = None
    run_at: str | None = None
    timeout: Duration | msgspec.UnsetType | None = msgspec.UNSET
    silence: Duration | msgspec.UnsetType | None = msgspec.UNSET
    max_attempts: int | None = None
    retry: RetryIn | bool | msgspec.UnsetType | None = msgspec.UNSET
    """A policy; true has a job that has ended wait again."""
    tags: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    concurrency_key: str | msgspec.UnsetType | None = msgspec.UNSET
    expires_in: Duration | msgspec.UnsetType | None = msgspec.UNSET
    note: str | None = None


class CancelIn(Spec):
    """How a job is ended; with ``force`` a running one is killed, without a chance to end in good order."""

    force: bool = False


class AnswerIn(Spec):
    """How a run ended whose target answers later, in the words of an HTTP answer.

    Without ``status`` it has completed, unless ``error``, ``errors`` or ``success`` say that the attempt failed.
    ``failed`` is for good, unless ``permanent`` is false.
    """

    attempt: int | None = None
    status: Literal["completed", "failed", "retry"] | None = None
    success: bool | None = None
    result: msgspec.Raw = msgspec.field(default_factory=_absent)
    error: str | dict[str, Any] | None = None
    errors: list[Any] | None = None
    permanent: bool | None = None
    delay_ms: int | None = None
    """When to start again: of ``retry``, and of an attempt that failed and is tried again."""


class HeartbeatIn(Spec):
    """A sign of life of a run."""

    attempt: int | None = None
    progress: float | None = None
    message: str | None = None
    extend: Duration | None = None
    """Let its time be over so much from now, where it would be over earlier."""
    checkpoint: msgspec.Raw = msgspec.field(default_factory=_absent)
    """Where the next attempt is to go on, if there is one."""


class SnoozeIn(Spec):
    """Start again after ``delay``, without using an attempt."""

    delay: Duration
    attempt: int | None = None


class RetryJobIn(Spec):
    """How a job runs again: from its last checkpoint, or ``fresh``, from the beginning."""

    fresh: bool = False


class ActionIn(Spec):
    """One action on all jobs that match; ``dryRun`` only counts them, ``force`` kills what is cancelled and runs.

    ``fresh`` jobs that are retried do not go on from their checkpoints.
    """

    action: Action
    filter: FilterIn
    dry_run: bool = False
    force: bool = False
    fresh: bool = False
    queue: str | None = None
    """Where to: of ``move``."""
    priority: int | str | None = None
    """Of ``reprioritise``."""
    note: str | None = None


class TypeIn(Spec):
    """A job type declared over the API."""

    target: msgspec.Raw
    args_schema: msgspec.Raw = msgspec.field(default_factory=_absent)
    defaults: JobDefaults | None = None


class OneRuleIn(Spec):
    """When: exactly one of ``cron``, ``every``, ``at``."""

    cron: str | None = None
    every: Duration | None = None
    at: str | None = None
    seconds: Literal["first", "last"] | None = None
    day_match: Literal["cron", "and"] | None = None
    timezone: str | None = None


class RuleIn(OneRuleIn):
    """When: exactly one of ``cron``, ``every``, ``at`` and ``rules``.

    Of several rules each may have its own zone, ``seconds`` and ``dayMatch``; else those beside ``rules`` hold.
    """

    rules: list[OneRuleIn] | None = None
    on_start: bool | None = None
    start_at: str | None = None
    end_at: str | None = None


class ScheduleIn(RuleIn):
    """A schedule: when to create jobs, and which."""

    id: str | None = None
    job_type: str | None = None
    target: msgspec.Raw = msgspec.field(default_factory=_absent)
    args: msgspec.Raw = msgspec.field(default_factory=_absent)
    max_runs: int | None = None
    after_run: AfterRun | None = None
    jitter: Duration | None = None
    overlap: Overlap | None = None
    catchup: Catchup | None = None
    catchup_window: Duration | None = None
    pause_after: int | None = None
    calendars: list[str] | None = None
    queue: str | None = None
    priority: int | str | None = None
    retry: RetryIn | None = None
    max_attempts: int | None = None
    timeout: Duration | None = None
    silence: Duration | None = None
    expires_in: Duration | None = None
    concurrency_key: str | None = None
    order_key: str | None = None
    run_on: list[str] | None = None
    on_lost: Literal["retry", "fail"] | None = None
    tags: list[str] | None = None
    paused: bool | None = None
    shadow: bool | None = None
    """Whether it only observes: its instants are accounted for, and make no job.  What is not said stays."""
    note: str | None = None
    owner: Literal["code", "file", "api"] | None = None
    source: str | None = None
    take_over: bool = False


class SchedulesIn(Spec):
    """Many schedules at once, each with its ``id``."""

    schedules: list[ScheduleIn]


class RollbackIn(Spec):
    """The version to go back to."""

    version: int
    take_over: bool = False


class BackfillIn(Spec):
    """Which of the instants that made no job make one now: those from ``from`` up to and with ``to``."""

    from_: str = msgspec.field(name="from")
    to: str
    overlap: Literal["queueAll", "allow"] = "queueAll"
    dry_run: bool = False
    limit: int = 100


class PreviewIn(RuleIn):
    """A rule to look at."""

    id: str | None = None
    after: str | None = None
    count: int = 10


class PauseIn(Spec):
    """Why, and until when."""

    note: str | None = None
    until: str | None = None


class NoteIn(Spec):
    """Why."""

    note: str | None = None


class RateLimitIn(Spec):
    """Most starts within any time of this length: of the whole queue, or of each concurrency key in it."""

    limit: int
    per: Duration
    scope: Literal["queue", "key"] = "queue"


class RetentionIn(Spec):
    """How long ended jobs are kept, ``never`` deletes none; what is missing is as the settings say.

    ``mostCompleted`` and its like: so many of these are kept, those that ended last.  ``mostBytes`` (``500MB``): about
    so much ended jobs of the queue take with their logs.  What is reached first decides.
    """

    completed: Duration | None = None
    failed: Duration | None = None
    cancelled: Duration | None = None
    most_completed: int | None = None
    most_failed: int | None = None
    most_cancelled: int | None = None
    most_bytes: int | str | None = None


class QueueIn(Spec):
    """Limits of a queue; null removes one."""

    concurrency: int | msgspec.UnsetType | None = msgspec.UNSET
    worker_concurrency: int | msgspec.UnsetType | None = msgspec.UNSET
    key_concurrency: int | msgspec.UnsetType | None = msgspec.UNSET
    rate_limits: list[RateLimitIn] | msgspec.UnsetType | None = msgspec.UNSET
    ageing: Duration | msgspec.UnsetType | None = msgspec.UNSET
    defaults: JobDefaults | msgspec.UnsetType | None = msgspec.UNSET
    retention: RetentionIn | msgspec.UnsetType | None = msgspec.UNSET


class RangeIn(Spec):
    """Days, both included, or a time from one instant up to, but without, another."""

    from_: str = msgspec.field(name="from")
    to: str


class CalendarIn(Spec):
    """Times at which schedules do not fire: all that is said together."""

    dates: list[str] | None = None
    ranges: list[RangeIn] | None = None
    yearly: list[str] | None = None
    weekdays: list[str] | None = None
    country: str | None = None
    subdivision: str | None = None
    ics: str | None = None
    note: str | None = None


class CheckIn(Spec):
    """A job that Rota does not run: when a ping of it is expected, and how much later it may come."""

    name: str | None = None
    every: Duration | None = None
    cron: str | None = None
    timezone: str | None = None
    grace: Duration | None = None
    longest: Duration | None = None
    """How long a run may take, from its start to its end."""
    tags: list[str] | None = None
    note: str | None = None


class StatusPageIn(Spec):
    """What is shown to anybody of the schedules and checks with a tag.  What is left out stays as it is."""

    page: bool | None = None
    badge: bool | None = None
    slug: str | None = None
    """The last part of the address; else 22 random characters."""
    title: str | None = None
    names: dict[str, str] | msgspec.UnsetType | None = msgspec.UNSET
    """What schedules and checks are called there, by ``schedule:ID`` and ``check:ID``."""


class SecretIn(Spec):
    """A named secret: its value, which is never given out, and what it is for.  What is left out stays as it is."""

    value: Annotated[str, msgspec.Meta(extra_json_schema={"writeOnly": True})] | msgspec.UnsetType = msgspec.UNSET
    note: str | msgspec.UnsetType | None = msgspec.UNSET


class TokenIn(Spec):
    """An API token to make."""

    role: Role
    name: str = ""
    expires_in: Duration | None = None
