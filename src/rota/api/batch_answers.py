"""What the API answers about batches; the values themselves are made by ``rota.actions.batches``."""

from __future__ import annotations

from rota.api.answers import Answer, JobId, Page, Time


class BatchCounts(Answer):
    """How many jobs of a batch are in which status; ``deleted`` are those that retention or a person has deleted."""

    scheduled: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    deleted: int


class BatchOut(Answer):
    """Jobs that were enqueued together."""

    id: JobId
    name: str | None
    total: int
    done: bool
    """Whether all its jobs have ended; its callback is not one of them."""
    counts: BatchCounts
    callback_id: JobId | None
    created_by: str | None
    created_at: Time


class BatchMade(Answer):
    """A batch that was accepted, with the ids of its jobs in the order in which they were sent."""

    id: JobId
    total: int
    callback_id: JobId | None
    jobs: list[JobId]


class BatchCancelled(Answer):
    """How many jobs of a batch were cancelled."""

    id: JobId
    changed: int


class BatchList(Page):
    """A page of batches, the latest first."""

    batches: list[BatchOut]
