"""The list of monitors: one for each thing that may go wrong with each thing that there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from rota.actions import present
from rota.durations import format_duration
from rota.errors import NotFound
from rota.insight.monitoring import ALL, KINDS, Effective, Sayings, monitor_id, parse_id
from rota.store import alerts, checks, monitors, queues, schedules, types
from rota.store.alerts import Alert
from rota.store.checks import CheckFilter
from rota.store.database import Tx
from rota.store.monitors import Said

SYSTEM = (
    ("no-scheduler", "scheduler"), ("standstill", "watermark"), ("lost", "scheduler"), ("lost", "worker"),
    ("lost", "api"),
)  # fmt: skip
OF_SUBJECTS = {
    kind: tuple(one.name for one in KINDS.values() if kind in one.subjects)
    for kind in ("check", "queue", "type", "schedule")
}
MOST_CHECKS = 10_000
SPOKEN = frozenset(("open", "held", "muted", "off", "changed"))
"""States that only monitors have of which something is told, or was said."""


class MonitorFilter(msgspec.Struct, kw_only=True):
    """Which monitors; every field narrows."""

    kind: str | None = None
    subject_kind: str | None = None
    state: str | None = None
    q: str | None = None
    """Part of the subject's id, in any case."""

    def wants(self, monitor: str) -> bool:
        """Tell whether a monitor is meant, its state aside."""
        kind, _, rest = monitor.partition(":")
        subject_kind, _, subject = rest.partition(":")
        return (
            self.kind in (None, kind)
            and self.subject_kind in (None, subject_kind)
            and (self.q is None or self.q.lower() in subject.lower())
        )


class Monitors:
    """All that is known of monitors at a moment."""

    def __init__(self, tx: Tx, stall_us: int) -> None:
        self._tx = tx
        self.now = tx.now()
        self.sayings = Sayings(monitors.listed(tx), now=self.now, stall_us=stall_us)
        self.alerts = alerts.opened(tx)

    def page(self, wanted: MonitorFilter, *, offset: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return the monitors of a part of the list, and how many there are in all."""
        if wanted.state in SPOKEN:
            spoken = sorted(self.sayings.by_id.keys() | self.alerts.keys())
            found = [name for name in spoken if wanted.wants(name) and self._is(name, wanted.state)]
            return [self.shown(name) for name in found[offset : offset + limit]], len(found)
        short = [name for name in self._short(wanted) if wanted.wants(name)]
        ids, total = short[offset : offset + limit], len(short)
        if wanted.subject_kind in (None, "schedule"):
            more, count = self._of_schedules(wanted, max(0, offset - total), limit - len(ids))
            ids, total = [*ids, *more], total + count
        return [self.shown(name) for name in ids], total

    def _is(self, name: str, state: str | None) -> bool:
        effective, alert = self.sayings.of(name), self.alerts.get(name)
        if state == "changed":
            return name in self.sayings.by_id
        if state == "muted":
            return effective.mute is not None
        return _state(effective, alert) == state

    def _short(self, wanted: MonitorFilter) -> Iterator[str]:
        """Yield all but those of schedules: what was said for all of a kind first."""
        yield from sorted(name for name in self.sayings.by_id if name.endswith(f":{ALL}"))
        for kind, subject in SYSTEM:
            yield monitor_id(kind, "system", subject)
        if wanted.subject_kind in (None, "check"):
            for check in checks.listed(self._tx, CheckFilter(), self.now, limit=MOST_CHECKS):
                yield monitor_id("check", "check", check.id)
        for queue in queues.listed(self._tx):
            yield from (monitor_id(kind, "queue", queue.name) for kind in OF_SUBJECTS["queue"])
        for job_type in types.listed(self._tx):
            yield from (monitor_id(kind, "type", job_type.name) for kind in OF_SUBJECTS["type"])

    def _of_schedules(self, wanted: MonitorFilter, offset: int, limit: int) -> tuple[Sequence[str], int]:
        kinds = [kind for kind in OF_SUBJECTS["schedule"] if wanted.kind in (None, kind)]
        count = schedules.count_ids(self._tx, wanted.q)
        if not kinds or limit <= 0:
            return (), count * len(kinds)
        first, last = offset // len(kinds), (offset + limit - 1) // len(kinds)
        names = schedules.ids(self._tx, wanted.q, limit=last - first + 1, offset=first)
        every = [monitor_id(kind, "schedule", name) for name in names for kind in kinds]
        begin = offset - first * len(kinds)
        return every[begin : begin + limit], count * len(kinds)

    def shown(self, name: str) -> dict[str, Any]:
        """Return a monitor as it is answered."""
        kind, _, rest = name.partition(":")
        subject_kind, _, subject = rest.partition(":")
        effective, alert, said = self.sayings.of(name), self.alerts.get(name), self.sayings.by_id.get(name)
        known, mute, quiet = KINDS.get(kind), effective.mute, effective.quiet
        return {
            "id": name,
            "kind": kind,
            "subject": {"kind": subject_kind, "id": subject.replace("~", "/")},
            "meaning": known.meaning if known is not None else "Whatever goes wrong.",
            "state": _state(effective, alert),
            "enabled": effective.enabled,
            "limit": _duration(effective.limit_us),
            "count": effective.limit_count,
            "grace": _duration(effective.grace_us),
            "realert": _duration(effective.realert_us) or "never",
            "quietHours": None if quiet is None else msgspec.to_builtins(quiet),
            "dependsOn": list(effective.depends_on),
            "note": said.note if said is not None else None,
            "mute": None if mute is None else {
                "at": present.instant(mute.at), "until": present.instant(mute.until), "by": mute.by, "note": mute.note,
                "monitor": mute.monitor,
            },
            "said": None if said is None else _said(said),
            "alertId": alert.id if alert is not None else None,
            "since": present.instant(alert.since_at) if alert is not None else None,
            "text": alert.text if alert is not None else None,
            "heldBy": alert.held_by if alert is not None else None,
            "version": said.version if said is not None else 0,
            "updatedAt": present.instant(said.updated_at) if said is not None else None,
        }  # fmt: skip


def check_there(tx: Tx, name: str) -> tuple[str, str, str]:
    """Return the parts of a monitor's id; raises NotFound where there is no such thing to watch."""
    if "\0" in name:
        raise NotFound("there is no such monitor")
    kind, subject_kind, subject = parse_id(name)
    if subject == ALL:
        return kind, subject_kind, subject
    is_there = (kind, subject) in SYSTEM if subject_kind == "system" else monitors.is_there(tx, subject_kind, subject)
    if not is_there:
        raise NotFound(f"there is no {subject_kind} {subject[:100]} to watch")
    return kind, subject_kind, subject


def shown_alert(alert: Alert) -> dict[str, Any]:
    """Return an incident as it is answered."""
    return {
        "id": alert.id,
        "monitorId": alert.monitor_id,
        "kind": alert.kind,
        "severity": alert.severity,
        "subject": {"kind": alert.subject_kind, "id": alert.subject_id},
        "text": alert.text,
        "jobId": alert.job_id,
        "open": alert.closed_at is None,
        "since": present.instant(alert.since_at),
        "openedAt": present.instant(alert.opened_at),
        "seenAt": present.instant(alert.seen_at),
        "goneAt": present.instant(alert.gone_at),
        "toldAt": present.instant(alert.told_at),
        "tellings": alert.tellings,
        "heldBy": alert.held_by,
        "closedAt": present.instant(alert.closed_at),
        "closing": alert.closing,
    }


def _said(said: Said) -> dict[str, Any]:
    return {
        "enabled": None if said.enabled is None else bool(said.enabled),
        "limit": _duration(said.limit_us),
        "count": said.limit_count,
        "grace": _duration(said.grace_us),
        "realert": "never" if said.realert_us == 0 else _duration(said.realert_us),
        "quietHours": present.raw(said.quiet_hours),
        "dependsOn": present.raw(said.depends_on),
        "note": said.note,
    }


def _state(effective: Effective, alert: Alert | None) -> str:
    if not effective.enabled:
        return "off"
    if alert is None:
        return "ok"
    return "held" if alert.held_by is not None else "open"


def _duration(duration_us: int | None) -> str | None:
    return None if duration_us is None else format_duration(duration_us)
