"""Monitors: which kinds there are, what each is like by default, and what people said of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

import msgspec

from rota.durations import HOUR, MINUTE, SECOND
from rota.errors import NotFound, meant
from rota.insight.quiet import QuietHours
from rota.store.monitors import Said

V = TypeVar("V")
SubjectKind = Literal["system", "queue", "schedule", "type", "check"]
MonitorKind = Literal[
    "no-scheduler", "standstill", "lost", "no-worker", "backlog", "late", "never-run", "failing", "silent", "too-long",
    "too-short", "stuck", "check", "channel", "canary",
]  # fmt: skip
ALL = "*"
"""In place of a subject: all of a kind; in place of all three: every monitor."""
EVERY_MONITOR = "*:*:*"
REALERT_US = 4 * HOUR
LEAST_STANDSTILL_US = 10 * SECOND
"""The watermark is written each 5 s: before twice that time nobody can say that it stands still."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor looks for, and from when on that is wrong; None where its history says so, or nothing can."""

    name: MonitorKind
    subjects: tuple[SubjectKind, ...]
    meaning: str
    limit_us: int | None = None
    limit_count: int | None = None
    takes_limit: bool = False
    takes_count: bool = False
    grace_us: int = 0
    settles: bool = False
    """Whether it is passing where the service has just been started."""


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="no-scheduler", subjects=("system",), grace_us=20 * SECOND, settles=True,
            meaning="No scheduler lives, so that nothing that is due is started.",
        ),
        Kind(
            name="standstill", subjects=("system",), takes_limit=True, grace_us=30 * SECOND, settles=True,
            meaning="Due instants are accounted for up to longer ago than `limit` only.",
        ),
        Kind(name="lost", subjects=("system",), meaning="A process was lost: it ended without a farewell."),
        Kind(
            name="no-worker", subjects=("queue",), limit_us=10 * SECOND, takes_limit=True, grace_us=20 * SECOND,
            settles=True, meaning="Jobs of the queue wait for longer than `limit`, and no live worker takes them.",
        ),
        Kind(
            name="backlog", subjects=("queue",), limit_us=5 * MINUTE, limit_count=10_000, takes_limit=True,
            takes_count=True, settles=True,
            meaning="The oldest ready job of the queue waits for longer than `limit`, or `count` jobs and more wait, "
            "the oldest for a minute and longer.",
        ),
        Kind(
            name="late", subjects=("schedule",), limit_us=30 * SECOND, takes_limit=True, settles=True,
            meaning="The schedule was due longer than `limit` ago and has not been decided upon, or its run is not "
            "started.",
        ),
        Kind(
            name="never-run", subjects=("schedule",), limit_us=30 * SECOND, takes_limit=True, settles=True,
            meaning="The schedule was due for the first time longer than `limit` ago, and has never run.",
        ),
        Kind(
            name="failing", subjects=("schedule",), limit_count=3, takes_count=True,
            meaning="The last `count` runs of the schedule failed.",
        ),
        Kind(
            name="silent", subjects=("schedule",), takes_limit=True, settles=True,
            meaning="No run of the schedule has completed for `limit`; without one, for two of its intervals and 15 "
            "minutes, or twice as long as its runs take.",
        ),
        Kind(
            name="too-long", subjects=("schedule", "type"), takes_limit=True,
            meaning="A run goes on for longer than `limit`; without one, for three times what 19 of 20 of the last "
            "runs took, and a minute at least.",
        ),
        Kind(
            name="too-short", subjects=("schedule",), takes_limit=True,
            meaning="The last run completed in less than `limit`; without one, in less than a tenth of the shortest of "
            "those before, where these took 10 seconds and longer.",
        ),
        Kind(
            name="stuck", subjects=("schedule", "type", "queue"), limit_us=HOUR, takes_limit=True,
            meaning="A run has neither reported progress nor written a line for `limit`, and goes on for longer than "
            "such runs do; or its time-out is over for a minute.",
        ),
        Kind(
            name="channel", subjects=("system",), grace_us=MINUTE,
            meaning="A channel for notices takes no messages; the others are told.",
        ),
        Kind(
            name="canary", subjects=("system",), grace_us=MINUTE, settles=True,
            meaning="The outside monitor of `ROTA_CANARY_URL` is not told, or not reached.",
        ),
        Kind(name="check", subjects=("check",), meaning="A job that Rota does not run is late, or failed."),
    )
}  # fmt: skip


def monitor_id(kind: str, subject_kind: str, subject: str) -> str:
    """Return the id of a monitor; the ``/`` that names of types may have is a ``~`` there, which none has."""
    return f"{kind}:{subject_kind}:{subject.replace('/', '~')}"


def parse_id(text: str) -> tuple[str, str, str]:
    """Return kind, kind of the subject, and subject; raises NotFound for what names no monitor."""
    kind, _, rest = text.partition(":")
    subject_kind, _, subject = rest.partition(":")
    if text == EVERY_MONITOR:
        return ALL, ALL, ALL
    known = KINDS.get(kind)
    if known is None or subject_kind not in known.subjects or not subject:
        hint = meant(kind, KINDS, "kind:subject kind:subject, such as failing:schedule:digest or *:*:*")
        raise NotFound(f"there is no monitor {text[:100]}", hint=hint)
    return kind, subject_kind, subject.replace("~", "/")


class Mute(msgspec.Struct, frozen=True):
    """Somebody does not want to hear of it; times are µs UTC."""

    at: int
    until: int | None
    by: str | None
    note: str | None
    monitor: str
    """Of which that was said: this one, or all of the kind."""


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor is like."""

    enabled: bool
    limit_us: int | None
    limit_count: int | None
    grace_us: int
    realert_us: int | None
    """After this it is told again; None for never."""
    quiet: QuietHours | None
    depends_on: tuple[str, ...]
    mute: Mute | None


_quiet = msgspec.json.Decoder(QuietHours)
_names = msgspec.json.Decoder(tuple[str, ...])


class Sayings:
    """All that people said; of one monitor counts what was said of itself, then of its kind, then of all."""

    def __init__(self, said: Iterable[Said], *, now: int, stall_us: int) -> None:
        self.by_id = {one.id: one for one in said}
        self._now = now
        self._stall_us = max(stall_us, LEAST_STANDSTILL_US)
        self._known: dict[str, Effective] = {}

    def of(self, monitor: str) -> Effective:
        """Return what a monitor is like."""
        found = self._known.get(monitor)
        if found is None:
            found = self._known[monitor] = self._effective(monitor)
        return found

    def least(self, kind: str) -> int:
        """Return the least limit (µs) of any monitor of a kind."""
        given = [one.limit_us for one in self.by_id.values() if one.id.startswith(f"{kind}:") and one.limit_us]
        default = KINDS[kind].limit_us
        return min([*given, *([default] if default is not None else [])], default=0)

    def limited(self, kind: str, subject_kind: str) -> list[str]:
        """Return the subjects of a kind whose limit somebody has set."""
        prefix = f"{kind}:{subject_kind}:"
        return [
            one.id.removeprefix(prefix)
            for one in self.by_id.values()
            if one.id.startswith(prefix) and one.limit_us is not None and one.id != prefix + ALL
        ]

    def _effective(self, monitor: str) -> Effective:
        kind, _, rest = monitor.partition(":")
        names = dict.fromkeys((monitor, f"{kind}:{rest.partition(':')[0]}:{ALL}", EVERY_MONITOR))
        said = [self.by_id[name] for name in names if name in self.by_id]
        default = KINDS.get(kind)
        limit = default.limit_us if default is not None else None
        enabled = _first([one.enabled for one in said], 1)
        realert = _first([one.realert_us for one in said], REALERT_US)
        quiet = _first([one.quiet_hours for one in said], None)
        depends = _first([one.depends_on for one in said], None)
        return Effective(
            enabled=bool(enabled),
            limit_us=_first([one.limit_us for one in said], self._stall_us if kind == "standstill" else limit),
            limit_count=_first([one.limit_count for one in said], default.limit_count if default else None),
            grace_us=_first([one.grace_us for one in said], default.grace_us if default else 0) or 0,
            realert_us=realert or None,
            quiet=_quiet.decode(quiet) if quiet else None,
            depends_on=_names.decode(depends) if depends else (),
            mute=next((mute for one in said if (mute := self._mute(one)) is not None), None),
        )

    def _mute(self, said: Said) -> Mute | None:
        if said.muted_at is None or (said.muted_until is not None and said.muted_until <= self._now):
            return None
        return Mute(said.muted_at, said.muted_until, said.muted_by, said.muted_note, said.id)


def _first(values: Iterable[V | None], default: V | None) -> V | None:
    return next((value for value in values if value is not None), default)
