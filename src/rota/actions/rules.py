"""The rule of a schedule, as it is stored and as the timetable reads it."""

from __future__ import annotations

import msgspec

from rota.actions.specs import Duration, RuleIn
from rota.errors import Invalid
from rota.model import Schedule
from rota.timetable import Rule, parse_instant, parse_rule


class StoredRule(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """When: as the user wrote it."""

    cron: str | None = None
    every: Duration | None = None
    at: str | None = None
    seconds: str | None = None
    day_match: str | None = None


def stored(spec: RuleIn) -> StoredRule:
    """Return the part of a spec that says when."""
    given = [name for name in ("cron", "every", "at") if getattr(spec, name) is not None]
    if len(given) != 1:
        raise Invalid("cron", "give exactly one of cron, every and at", hint='for example "cron": "0 9 * * MON"')
    return StoredRule(spec.cron, spec.every, spec.at, spec.seconds, spec.day_match)


def timezone(spec: RuleIn) -> str:
    """Return the zone by whose clock a rule goes, UTC unless one is named."""
    return "UTC" if spec.timezone is None else spec.timezone


def bounds(spec: RuleIn) -> tuple[int | None, int | None]:
    """Return (start, end) in µs UTC."""
    start = parse_instant(spec.start_at, "startAt") if spec.start_at is not None else None
    end = parse_instant(spec.end_at, "endAt") if spec.end_at is not None else None
    if start is not None and end is not None and end <= start:
        raise Invalid("endAt", "is not after startAt")
    return start, end


def parse(rule: StoredRule, *, key: str, timezone: str, anchor_us: int, start: int | None, end: int | None) -> Rule:
    """Return the timetable's rule; raises Invalid with the field that is wrong."""
    return parse_rule(
        cron=rule.cron,
        every=rule.every,
        at=rule.at,
        timezone=timezone,
        seconds=rule.seconds,
        day_match=rule.day_match or "cron",
        key=key,
        anchor_us=anchor_us,
        start_us=start,
        end_us=end,
    )


def rule_of(schedule: Schedule) -> Rule:
    """Return the rule of a stored schedule."""
    return parse(
        msgspec.json.decode(schedule.rule, type=StoredRule),
        key=schedule.id,
        timezone=schedule.timezone,
        anchor_us=schedule.anchor_at,
        start=schedule.start_at,
        end=schedule.end_at,
    )
