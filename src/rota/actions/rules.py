"""The rule of a schedule, as it is stored and as the timetable reads it."""

from __future__ import annotations

import msgspec

from rota.actions.specs import Duration, OneRuleIn, RuleIn
from rota.errors import Invalid
from rota.model import Schedule
from rota.timetable import Rule, parse_instant, parse_rule, unite

MOST_RULES = 20


class StoredOne(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """One of several rules; ``timezone`` None is the schedule's."""

    cron: str | None = None
    every: Duration | None = None
    at: str | None = None
    seconds: str | None = None
    day_match: str | None = None
    timezone: str | None = None


class StoredRule(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """When: as the user wrote it."""

    cron: str | None = None
    every: Duration | None = None
    at: str | None = None
    seconds: str | None = None
    day_match: str | None = None
    rules: tuple[StoredOne, ...] | None = None
    on_start: bool = False

    @property
    def is_hashed(self) -> bool:
        """Whether an expression may have an ``H``, which is made from the schedule's id."""
        crons = (self.cron, *(one.cron for one in self.rules or ()))
        return any("h" in cron.lower() for cron in crons if cron is not None)

    @property
    def only_instants(self) -> bool:
        """Whether all of it was written down as single instants."""
        if self.on_start:
            return False
        return self.at is not None or all(one.at is not None for one in self.rules or (StoredOne(),))


def stored(spec: RuleIn) -> StoredRule:
    """Return the part of a spec that says when."""
    _check_one(spec, "cron", ("cron", "every", "at", "rules"))
    on_start = bool(spec.on_start)
    if spec.rules is None:
        return StoredRule(spec.cron, spec.every, spec.at, spec.seconds, spec.day_match, on_start=on_start)
    if not 1 <= len(spec.rules) <= MOST_RULES:
        raise Invalid("rules", f"{len(spec.rules)} rules", hint=f"from 1 to {MOST_RULES}")
    return StoredRule(
        rules=tuple(_stored_one(one, place, spec) for place, one in enumerate(spec.rules)), on_start=on_start
    )


def _stored_one(one: OneRuleIn, place: int, spec: RuleIn) -> StoredOne:
    _check_one(one, f"rules.{place}.cron", ("cron", "every", "at"))
    seconds, day_match = one.seconds, one.day_match
    if one.cron is not None:
        seconds, day_match = seconds or spec.seconds, day_match or spec.day_match
    return StoredOne(one.cron, one.every, one.at, seconds, day_match, one.timezone)


def _check_one(spec: OneRuleIn, field: str, names: tuple[str, ...]) -> None:
    if sum(getattr(spec, name) is not None for name in names) != 1:
        choice = f"{', '.join(names[:-1])} and {names[-1]}"
        raise Invalid(field, f"give exactly one of {choice}", hint='for example "cron": "0 9 * * MON"')


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
    """Return the timetable's rule; raises Invalid with the field that is wrong (``rules.1.cron``).

    ``anchor_us`` is where intervals count from, and the instant of ``onStart``.
    """

    def read(one: StoredRule | StoredOne, zone_name: str) -> Rule:
        return parse_rule(
            cron=one.cron,
            every=one.every,
            at=one.at,
            timezone=zone_name,
            seconds=one.seconds,
            day_match=one.day_match or "cron",
            key=key,
            anchor_us=anchor_us,
            start_us=start,
            end_us=end,
        )

    if rule.rules is None and not rule.on_start:
        return read(rule, timezone)
    members = []
    for place, one in enumerate(rule.rules) if rule.rules is not None else ((None, rule),):
        own_zone = one.timezone if isinstance(one, StoredOne) else None
        try:
            members.append(read(one, timezone if own_zone is None else own_zone))
        except Invalid as error:
            shared = error.field in ("startAt", "endAt") or (error.field == "timezone" and own_zone is None)
            if place is None or shared:
                raise
            raise Invalid(f"rules.{place}.{error.field}", error.reason, hint=error.hint) from None
    return unite(members, timezone=timezone, extra_us=anchor_us if rule.on_start else None, start_us=start, end_us=end)


def first_instant(rule: StoredRule, parsed: Rule, *, after_us: int) -> int | None:
    """Return when a schedule with a new rule is due first, ``after_us`` being where the rule begins to count.

    A single instant that has passed still fires once: asked for at 9:00:00.1, "at 9:00" means now.
    """
    return parsed.next(0 if rule.only_instants else after_us)


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
