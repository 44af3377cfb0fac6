"""What is answered about monitors and alerts."""

from __future__ import annotations

from typing import Literal

import msgspec

from rota.api.answers import Answer, JobId, Page, Time
from rota.api.stat_answers import SubjectOut
from rota.model import Severity


class QuietHoursOut(Answer):
    """When nobody is told."""

    timezone: str
    from_: str = msgspec.field(name="from")
    to: str
    days: list[str]
    """Those on which they begin; empty for all."""


class MuteOut(Answer):
    """Somebody does not want to hear of it."""

    at: Time
    until: Time | None
    by: str | None
    note: str | None
    monitor: str
    """Of which that was said: this one, or all of the kind."""


class SaidOut(Answer):
    """What somebody said of a monitor; null is as it is by default."""

    enabled: bool | None
    limit: str | None
    count: int | None
    grace: str | None
    realert: str | None
    quiet_hours: QuietHoursOut | None
    depends_on: list[str] | None
    note: str | None


class WatchedOut(Answer):
    """What a monitor watches; `*` stands for all."""

    kind: Literal["system", "queue", "schedule", "type", "check", "*"]
    id: str


class MonitorOut(Answer):
    """A monitor: what it looks for, when it tells, and what it has found."""

    id: str
    kind: str
    subject: WatchedOut
    meaning: str
    """When something is wrong."""
    state: Literal["ok", "open", "held", "off"]
    """`open`: it tells of something; `held`: it has found something that is not told."""
    enabled: bool
    limit: str | None
    """Null where its history says so, or there is none."""
    count: int | None
    grace: str
    """How long beyond the limit it must be so before it is told."""
    realert: str
    """After this it is told again; or `never`."""
    quiet_hours: QuietHoursOut | None
    depends_on: list[str]
    """While one of these tells something, this one tells nothing."""
    note: str | None
    mute: MuteOut | None
    said: SaidOut | None
    """What somebody said of this very monitor; as a whole it can be sent again."""
    alert_id: str | None
    since: Time | None
    text: str | None
    """What it has found."""
    held_by: str | None
    """Why that is not told: `muted`, `quiet hours`, or the monitor that tells the cause."""
    version: int
    updated_at: Time | None


class MonitorList(Page):
    """Monitors: of the system, of checks, queues, job types and schedules."""

    monitors: list[MonitorOut]


class ProposalOut(Answer):
    """A limit that history suggests."""

    monitor_id: str
    limit: str
    text: str
    """Why, in one sentence."""
    runs: int
    """On how many runs it stands."""


class ProposalList(Page):
    """Limits that history suggests, where nobody has set one."""

    proposals: list[ProposalOut]


class AlertOut(Answer):
    """One incident: from when a monitor found something until it was over."""

    id: str
    monitor_id: str
    kind: str
    severity: Severity
    subject: SubjectOut
    text: str
    job_id: JobId | None
    open: bool
    since: Time
    """Since when it was so."""
    opened_at: Time
    """When it was found."""
    seen_at: Time
    """When it was seen last, to the minute."""
    gone_at: Time | None
    """Since when it is not so any more."""
    told_at: Time | None
    """When the channels were told last."""
    tellings: int
    held_by: str | None
    """Why they are not told: `muted`, `quiet hours`, or the monitor that tells the cause."""
    closed_at: Time | None
    closing: str | None


class AlertList(Page):
    """Incidents, the latest first."""

    alerts: list[AlertOut]
