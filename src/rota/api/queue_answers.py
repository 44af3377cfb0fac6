"""What is answered about queues and their keys."""

from __future__ import annotations

from typing import Any, Literal

from rota.api.answers import Answer, Counts, JobId, Page, Time


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
    retention: dict[str, str | int] | None
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
