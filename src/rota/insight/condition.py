"""A condition: something that does not go as it should, in words."""

from __future__ import annotations

from typing import Literal

import msgspec

from rota.actions import present
from rota.durations import DAY, HOUR, MINUTE, SECOND, format_duration
from rota.insight.monitoring import MonitorKind, monitor_id
from rota.model import Severity

SubjectKind = Literal["schedule", "queue", "worker", "job", "system", "type", "check"]


class Subject(msgspec.Struct, frozen=True):
    """What a condition is about."""

    kind: SubjectKind
    id: str


class Sentence(msgspec.Struct, frozen=True):
    """One sentence, with an instant (µs UTC) in it."""

    head: str
    at: int | None = None
    tail: str = "."

    def told(self) -> str:
        """Return it as it is stored: it is true tomorrow too."""
        return self.head + (f" {present.instant(self.at)}" if self.at is not None else "") + self.tail

    def shown(self, now: int) -> str:
        """Return it for who reads it now: with how long ago that was."""
        return self.head + (f" {ago(self.at, now)}" if self.at is not None else "") + self.tail


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor has found."""

    kind: MonitorKind
    subject: Subject
    severity: Severity
    sentence: Sentence
    since: int | None
    """µs UTC."""
    true_at: int | None = None
    """Since when it is wrong (µs UTC), where that was not so from the beginning: the limit was passed then."""
    missed_at: int | None = None
    """When the last word was due that did not come (µs UTC): where nobody could hear it then, that means nothing."""
    job_id: str | None = None
    watched: tuple[str, str] | None = None
    """What the monitor watches, where that is not the subject: the role of a lost process."""
    explained_by: tuple[str, ...] = ()
    """Monitors: while one of them tells something, this follows from it."""
    passed: bool = False
    """It is over already; who has not told of it yet does."""

    @property
    def monitor(self) -> str:
        """The id of the monitor."""
        return monitor_id(self.kind, *(self.watched or (self.subject.kind, self.subject.id)))


def ago(instant_us: int, now: int) -> str:
    """Return an instant in words, with how long ago it was."""
    past = max(0, now - instant_us)
    unit = SECOND if past < HOUR else MINUTE if past < 2 * DAY else HOUR
    return f"{present.instant(instant_us)}, {format_duration(past // unit * unit) if past >= unit else '0s'} ago"


def length(duration_us: int) -> str:
    """Return a duration in few words: to the second, above an hour to the minute."""
    unit = SECOND if duration_us < HOUR else MINUTE
    return format_duration(duration_us // unit * unit) if duration_us >= unit else format_duration(duration_us)
