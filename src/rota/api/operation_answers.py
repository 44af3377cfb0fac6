"""What the API answers of operations on many jobs, and of the audit."""

from __future__ import annotations

from typing import Any, Literal

from rota.api.answers import Answer, Page, Time
from rota.model import Action


class ActionDone(Answer):
    """What an action on many jobs has done so far."""

    action: Action
    dry_run: bool
    matched: int
    """Counted at the beginning."""
    matched_is_estimate: bool
    """There are more than these."""
    changed: int
    done: bool
    """False when the time for one request was over: the service goes on with the operation."""
    operation: str | None
    """Id of the operation."""


class OperationOut(Answer):
    """One action on all jobs that match a filter."""

    id: str
    action: Action
    status: Literal["running", "completed", "cancelled", "failed"]
    done: bool
    filter: dict[str, Any]
    queue: str | None
    priority: int | None
    force: bool
    matched: int
    matched_is_estimate: bool
    looked_at: int
    """How many of them it has come to so far."""
    changed: int
    skipped: int
    """Those that could not be changed, or no longer: one runs, say, or another holds its unique key."""
    started_by: str | None
    error: str | None
    created_at: Time
    updated_at: Time
    completed_at: Time | None


class OperationList(Page):
    """Operations, the latest first."""

    operations: list[OperationOut]


class AuditEntryOut(Answer):
    """Who changed what."""

    id: str
    at: Time
    text: str
    """The whole entry in words."""
    actor: str | None
    role: str | None
    origin: str | None
    """`api`, `ui`, `cli`, `python`, `file` or `scheduler`."""
    client: str | None
    """The address that it came from; null where it did not come over the network."""
    action: str
    noun: str
    name: str
    note: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    """Of what is changed only the fields that differ."""


class AuditList(Page):
    """What was changed, the latest first."""

    entries: list[AuditEntryOut]
