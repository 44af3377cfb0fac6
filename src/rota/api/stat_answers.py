"""What is answered about how much ended, what failed, and what does not go as it should."""

from __future__ import annotations

from rota.api.answers import Answer, JobId, Page, Time
from rota.insight.condition import SubjectKind
from rota.insight.monitoring import MonitorKind
from rota.insight.series import Spread
from rota.model import Severity


class PointOut(Answer):
    """What ended."""

    completed: int
    failed: int
    cancelled: int
    retried: int
    """Attempts that failed and after which the job waits for the next."""
    lost: int
    """Attempts whose worker was lost, and after which the job starts again."""
    interrupted: int
    """Attempts that were given back, since their worker stopped."""
    snoozed: int
    """Attempts that asked for a later one."""
    waiting_ms: Spread | None
    """How long jobs that completed or failed had waited for their last start, since they were due."""
    running_ms: Spread | None
    """How long their last attempt ran."""


class PointAt(PointOut):
    """What ended in the stretch of time that begins at `at`."""

    at: Time


class SeriesGroup(Answer):
    """The points of a queue or a type; of all where nothing is grouped."""

    name: str | None
    totals: PointOut
    points: list[PointAt]


class SeriesOut(Answer):
    """What ended over a window of time."""

    since: Time
    until: Time
    step_ms: int
    """How far apart the points are."""
    groups: list[SeriesGroup]


class ErrorGroup(Answer):
    """Failures with errors alike: but for numbers, ids and what is quoted."""

    fingerprint: str
    message: str
    """The error of the last one."""
    job_type: str | None
    queue: str
    count: int
    first_at: Time
    last_at: Time
    last_job_id: JobId


class ErrorList(Page):
    """Failures, grouped."""

    errors: list[ErrorGroup]


class SubjectOut(Answer):
    """What a problem is about."""

    kind: SubjectKind
    id: str


class ProblemOut(Answer):
    """Something that does not go as it should."""

    kind: MonitorKind
    severity: Severity
    text: str
    """One sentence that says it all."""
    since: Time | None
    subject: SubjectOut


class ProblemList(Page):
    """All problems, the worst first."""

    problems: list[ProblemOut]
