"""What the API answers, as far as the description tells; the values themselves are made by ``rota.actions.present``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from rota.model import Role

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


class Counts(Answer):
    """Jobs by status, each at most 10,000."""

    pending: int
    scheduled: int
    running: int
    failed: int


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
    warnings: list[str] | None = None
    """What does not work as it should, but keeps no job from running."""


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


class LoggedIn(Answer):
    """Who has logged in."""

    subject: str
    role: Role
    source: str


class Me(LoggedIn):
    """Who asks."""

    permissions: list[str]
    """The operations that it may call, by their ids; the body of a request may take more than the operation."""
