"""What people say about monitors: their limits, and that they do not want to hear of them for a while."""

from __future__ import annotations

from typing import Any

import msgspec

from rota.actions import queues as queue_actions
from rota.actions.specs import Caller, Duration, PauseIn, Spec
from rota.durations import DAY, MINUTE, SECOND, format_duration, parse_duration
from rota.errors import Invalid
from rota.insight.monitor_list import check_there
from rota.insight.monitoring import ALL, KINDS, parse_id
from rota.insight.quiet import quiet_hours
from rota.jsontext import check_text
from rota.store import audit, monitors
from rota.store.database import Tx
from rota.store.monitors import MUTE, SETTABLE, Said

LIMIT_US = (SECOND, 400 * DAY)
GRACE_US = (0, 7 * DAY)
REALERT_US = (MINUTE, 30 * DAY)
COUNTS = {"failing": 20, "backlog": 10_000}
"""The highest count of each kind that has one."""
MOST_CAUSES = 20
LONGEST_NOTE = 1000
NEVER = "never"


class QuietHoursIn(Spec):
    """When nobody is to be told."""

    from_: str = msgspec.field(name="from")
    to: str
    timezone: str = "UTC"
    days: list[str] | None = None


class MonitorIn(Spec):
    """What a monitor is like; what is not given is as it is by default."""

    enabled: bool | None = None
    limit: Duration | None = None
    count: int | None = None
    grace: Duration | None = None
    realert: Duration | None = None
    quiet_hours: QuietHoursIn | None = None
    depends_on: list[str] | None = None
    note: str | None = None


def put(tx: Tx, name: str, spec: MonitorIn, caller: Caller) -> bool:
    """Say what a monitor is like, all of it; a mute stays.  Return whether that was anything new."""
    kind, _, subject = check_there(tx, name)
    said = _said(name, kind, subject, spec)
    before = monitors.get(tx, name, lock=True)
    if _fields(before, SETTABLE) == _fields(said, SETTABLE):
        return False
    monitors.say(tx, said)
    told = (_told(before), _told(monitors.get(tx, name)))
    audit.record(tx, caller, "changed", "monitor", name, before=told[0], after=told[1], note=said.note)
    return True


def reset(tx: Tx, name: str, caller: Caller) -> bool:
    """Let a monitor be as it is by default, its mute ended; return whether it was not."""
    parse_id(name)  # the thing itself may be gone
    before = monitors.get(tx, name, lock=True)
    if before is None:
        return False
    monitors.delete(tx, name)
    audit.record(tx, caller, "reset", "monitor", name, before=_told(before), after={})
    return True


def mute(tx: Tx, name: str, spec: PauseIn, caller: Caller) -> Said:
    """Tell nobody of what a monitor finds, perhaps until some time."""
    check_there(tx, name)
    now = tx.now()
    note, until = queue_actions.check_pause(spec, now)
    said = Said(id=name, muted_at=now, muted_until=until, muted_by=caller.subject, muted_note=note)
    monitors.mute(tx, said)
    audit.record(tx, caller, "muted", "monitor", name, note=note, after={"until": spec.until})
    return said


def unmute(tx: Tx, name: str, caller: Caller) -> bool:
    """End a mute; return whether there was one."""
    parse_id(name)
    before = monitors.get(tx, name, lock=True)
    if before is None or before.muted_at is None:
        return False
    monitors.mute(tx, Said(id=name))
    audit.record(tx, caller, "unmuted", "monitor", name)
    return True


def limit(tx: Tx, name: str, limit_us: int, caller: Caller) -> None:
    """Set the limit of a monitor; all else that was said of it stays."""
    before = monitors.get(tx, name, lock=True)
    monitors.say(tx, msgspec.structs.replace(before or Said(id=name), limit_us=limit_us))
    after = _told(monitors.get(tx, name))
    audit.record(tx, caller, "changed", "monitor", name, before=_told(before), after=after)


def _said(name: str, kind: str, subject: str, spec: MonitorIn) -> Said:
    known = KINDS.get(kind)
    if spec.limit is not None and (known is None or not known.takes_limit):
        raise Invalid("limit", f"means nothing for {name[:100]}", hint=_having("takes_limit"))
    if spec.count is not None and (known is None or not known.takes_count):
        raise Invalid("count", f"means nothing for {name[:100]}", hint=_having("takes_count"))
    if spec.count is not None and not 1 <= spec.count <= COUNTS[kind]:
        raise Invalid("count", f"{spec.count} is out of range", hint=f"from 1 to {COUNTS[kind]}")
    if spec.depends_on and subject == ALL:
        raise Invalid("dependsOn", "cannot be said of all at once", hint="say it of one monitor")
    return Said(
        id=name,
        enabled=None if spec.enabled is None else int(spec.enabled),
        limit_us=_between(spec.limit, "limit", LIMIT_US),
        limit_count=spec.count,
        grace_us=_between(spec.grace, "grace", GRACE_US),
        realert_us=0 if spec.realert == NEVER else _between(spec.realert, "realert", REALERT_US),
        quiet_hours=_quiet(spec.quiet_hours),
        depends_on=_causes(name, spec.depends_on),
        note=check_text(spec.note, "note", max_length=LONGEST_NOTE) if spec.note else None,
    )


def _having(attribute: str) -> str:
    return f"kinds that have one: {', '.join(kind.name for kind in KINDS.values() if getattr(kind, attribute))}"


def _between(value: Duration | None, field: str, bounds: tuple[int, int]) -> int | None:
    if value is None:
        return None
    found = parse_duration(value, field)
    if not bounds[0] <= found <= bounds[1]:
        least, most = (format_duration(bound) for bound in bounds)
        raise Invalid(field, f"{format_duration(found)} is out of range", hint=f"from {least} to {most}")
    return found


def _quiet(spec: QuietHoursIn | None) -> str | None:
    if spec is None:
        return None
    try:
        found = quiet_hours(spec.timezone, spec.from_, spec.to, spec.days or ())
    except Invalid as error:
        raise type(error)(f"quietHours.{error.field}", error.reason, hint=error.hint) from None
    return msgspec.json.encode(found).decode()


def _causes(name: str, given: list[str] | None) -> str | None:
    if not given:
        return None
    if len(given) > MOST_CAUSES:
        raise Invalid("dependsOn", f"{len(given)} monitors are too many", hint=f"at most {MOST_CAUSES}")
    for place, one in enumerate(given):
        field = f"dependsOn.{place}"
        parts = one.split(":", 2)
        known = KINDS.get(parts[0])
        if known is None or len(parts) != 3 or parts[1] not in known.subjects or parts[2] in ("", ALL):
            raise Invalid(field, f"{one[:100]!r} is no monitor", hint="such as backlog:queue:mail")
        check_text(one, field, max_length=500)
        if one == name:
            raise Invalid(field, "is the monitor itself")
    return msgspec.json.encode(list(dict.fromkeys(given))).decode()


def _fields(said: Said | None, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(said, name) for name in names} if said is not None else {}


def _told(said: Said | None) -> dict[str, Any]:
    """Return what was said as the audit has it."""
    given = {name: value for name, value in _fields(said, SETTABLE).items() if value is not None}
    for name in ("quiet_hours", "depends_on"):
        if name in given:
            given[name] = msgspec.json.decode(given[name])
    for name in ("limit_us", "grace_us", "realert_us"):
        if name in given:
            given[name.removesuffix("_us")] = format_duration(given.pop(name))
    return given


__all__ = ["MUTE", "MonitorIn", "QuietHoursIn", "limit", "mute", "put", "reset", "unmute"]
