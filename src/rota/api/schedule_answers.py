"""What the API answers about schedules, as far as the description tells."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from rota.actions.specs import OneRuleIn, RetryIn
from rota.api.answers import Answer, JobId, Page, Time
from rota.api.job_answers import Triggered, Why
from rota.model import AfterRun, Catchup, Disposition, Overlap, Status, VersionAction


class OccurrenceOut(Answer, omit_defaults=True):
    """A due instant and what became of it, or a range of instants with the same fate."""

    disposition: Disposition
    job_id: str | None
    reason: str | None
    version: int
    decided_at: Time
    scheduled_for: Time | None = None
    from_: Time | None = msgspec.field(name="from", default=None)
    to: Time | None = None
    count: int | None = None
    job_status: Status | None = None
    started_at: Time | None = None
    duration_ms: int | None = None


class ScheduleOut(Answer):
    """A schedule."""

    id: str
    job_type: str | None
    target: dict[str, Any] | None
    args: Any
    cron: str | None
    every: str | float | None
    at: str | None
    seconds: Literal["first", "last"] | None
    day_match: Literal["cron", "and"] | None
    rules: list[OneRuleIn] | None
    on_start: bool
    description: str | None
    timezone: str
    start_at: Time | None
    end_at: Time | None
    max_runs: int | None
    after_run: AfterRun
    jitter: str | None
    overlap: Overlap
    catchup: Catchup
    catchup_window: str | None
    pause_after: int | None
    calendars: list[str]
    queue: str | None
    priority: int | str | None
    max_attempts: int | None
    retry: RetryIn | None
    timeout: str | float | None
    silence: str | float | None
    expires_in: str | float | None
    concurrency_key: str | None
    order_key: str | None
    run_on: list[str]
    tags: list[str]
    on_lost: Literal["retry", "fail"] | None
    runs: int
    next_at: Time | None
    last_at: Time | None
    last_job_id: JobId | None
    paused: bool
    paused_at: Time | None
    paused_by: str | None
    paused_note: str | None
    resume_at: Time | None
    shadow: bool
    note: str | None
    owner: Literal["code", "file", "api"]
    source: str | None
    version: int
    created_at: Time
    updated_at: Time


class ListedSchedule(ScheduleOut, omit_defaults=True):
    """A schedule in a list."""

    recent: list[OccurrenceOut] | None = None
    """Its last occurrences, the latest first, where they were asked for."""


class ScheduleList(Page):
    """A page of schedules in the order of their ids."""

    schedules: list[ListedSchedule]


class ScheduleSaved(Answer):
    """What became of one of many schedules."""

    id: str
    action: VersionAction | None
    """None where nothing changed."""
    version: int
    next_at: Time | None


class SchedulesSaved(Answer):
    """What became of each schedule, in the order in which they were sent."""

    schedules: list[ScheduleSaved]


class SchedulesActed(Answer):
    """What became of each of some schedules."""

    action: Literal["pause", "resume", "goLive"]
    changed: list[ScheduleOut]
    same: list[str]
    """Ids of those that were so already."""
    unknown: list[str]
    """Ids that are not there."""


class FieldChange(Answer):
    """A field that would get another value."""

    field: str
    from_: Any = msgspec.field(name="from")
    to: Any


class EditOut(Answer):
    """What an edit would change."""

    id: str
    exists: bool
    changes: list[FieldChange]
    goes: list[Time]
    """Instants of the next 7 days that would be due no more, the first 100."""
    goes_count: int
    comes: list[Time]
    """Instants of the next 7 days that would be due and were not, the first 100."""
    comes_count: int
    until: Time
    """Up to when they were compared; earlier than in 7 days where there are very many."""
    warnings: list[str]
    schedule: ScheduleOut


class VersionOut(Answer, omit_defaults=True):
    """What a schedule was from a time on."""

    version: int
    action: VersionAction
    author: str | None
    note: str | None
    at: Time
    schedule: dict[str, Any] | None = None
    """What it was; null where it was deleted."""


class VersionList(Page):
    """Versions of a schedule, the latest first."""

    versions: list[VersionOut]


class BackfillOut(Answer):
    """Instants that a backfill found, and the jobs that it made for them."""

    count: int
    dry_run: bool
    instants: list[Time]
    jobs: list[JobId]


class ScheduleTriggered(Triggered):
    """A job that a person started, and what it waits for."""

    why: Why


class OccurrenceList(Page):
    """Occurrences of a schedule, the latest first."""

    occurrences: list[OccurrenceOut]


class PreviewOut(Answer):
    """What a rule means."""

    description: str
    instants: list[Time]
    warnings: list[str]
