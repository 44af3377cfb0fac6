"""Actions on checks: made, edited, paused, given another key, deleted."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from rota.actions import policy, present
from rota.actions.pings import expecting, hash_of, rule_of, settled
from rota.actions.specs import Caller, CheckIn, NoteIn
from rota.durations import MINUTE, SECOND, format_duration, parse_duration
from rota.errors import Invalid, NotFound
from rota.jsontext import check_name, check_text
from rota.store import audit, checks
from rota.store.checks import Check, status, wrong
from rota.store.database import Tx
from rota.store.pings import Ping
from rota.timetable import parse_rule, zone

LONGEST_NAME = 200
LONGEST_NOTE = 1000
LEAST_EVERY_US = 10 * SECOND
GRACE_US = 5 * MINUTE
KEY_BYTES = 16
_SAID = (
    "name", "every_us", "cron", "timezone", "grace_us", "longest_us", "tags", "note",
)  # fmt: skip
_TIMES = ("every_us", "cron", "timezone")


def new_key() -> str:
    """Return a key of 128 random bits."""
    return secrets.token_hex(KEY_BYTES)


def put(tx: Tx, check_id: str, spec: CheckIn, caller: Caller) -> tuple[Check, bool]:
    """Make a check, or say anew what is expected of it; return it, and whether anything changed.

    Other times count from now on.  Raises Invalid with the field that is wrong.
    """
    check_name(check_id, "id")
    now = tx.now()
    wanted = _wanted(check_id, spec, now)
    old = checks.get(tx, check_id, lock=True)
    if old is None:
        made = expecting(wanted, now)
        checks.add(tx, made)
        audit.record(tx, caller, "created", "check", check_id, after=_told(made))
        return made, True
    if all(getattr(old, name) == getattr(wanted, name) for name in _SAID):
        return old, False
    said = {name: getattr(wanted, name) for name in _SAID}
    fresh = msgspec.structs.replace(old, **said, version=old.version + 1, updated_at=now)
    if any(getattr(old, name) != getattr(fresh, name) for name in _TIMES):
        kept = {name: getattr(fresh, name) for name in ("outcome", "failures", "failed_since")}
        again = expecting(fresh, now)
        fresh = msgspec.structs.replace(again, **kept) if fresh.failed_since is not None else again
    fresh = settled(fresh)
    checks.put(tx, fresh)
    audit.record(tx, caller, "edited", "check", check_id, before=_told(old), after=_told(fresh))
    return fresh, True


def _wanted(check_id: str, spec: CheckIn, now: int) -> Check:
    """Return a check as it is said, with a new key."""
    if (spec.every is None) == (spec.cron is None):
        some = "neither" if spec.every is None else "both"
        raise Invalid("cron", f"exactly one of cron and every is given, not {some}", hint="write for example every: 1d")
    every = None if spec.every is None else parse_duration(spec.every, "every", minimum_us=LEAST_EVERY_US)
    zone_name = zone("UTC" if spec.timezone is None else spec.timezone).key
    if spec.cron is not None:
        rule = parse_rule(cron=spec.cron, timezone=zone_name, key=check_id)
        if rule.kind != "cron":
            raise Invalid("cron", "is no cron expression", hint="say every for an interval")
        if rule.next(now) is None:
            raise Invalid("cron", "never comes again")
    longest = None if spec.longest is None else parse_duration(spec.longest, "longest", minimum_us=SECOND)
    key = new_key()
    return Check(
        id=check_id,
        name=_name(spec.name, check_id),
        key=key,
        key_hash=hash_of(key),
        every_us=every,
        cron=spec.cron,
        timezone=zone_name,
        grace_us=GRACE_US if spec.grace is None else parse_duration(spec.grace, "grace"),
        longest_us=longest,
        tags=policy.check_tags(spec.tags),
        note=check_text(spec.note, "note", max_length=LONGEST_NOTE) if spec.note else None,
        created_at=now,
        updated_at=now,
    )


def _name(text: str | None, check_id: str) -> str:
    if text is None:
        return check_id
    if not check_text(text, "name", max_length=LONGEST_NAME).strip():
        raise Invalid("name", "is empty", hint="leave it out, and the id is its name")
    return text


def known(tx: Tx, check_id: str, *, lock: bool = False) -> Check:
    """Return a check; raises NotFound."""
    found = checks.get(tx, check_id, lock=lock) if "\0" not in check_id else None
    if found is None:
        raise NotFound(f"there is no check {check_id[:100]}")
    return found


def delete(tx: Tx, check_id: str, caller: Caller) -> None:
    """Delete a check, with what it told; its address answers 404 from then on."""
    old = known(tx, check_id, lock=True)
    checks.delete(tx, check_id)
    audit.record(tx, caller, "deleted", "check", check_id, before=_told(old))


def pause(tx: Tx, check_id: str, spec: NoteIn, caller: Caller) -> Check:
    """Expect nothing for the time being; what comes in is stored all the same."""
    note = check_text(spec.note, "note", max_length=LONGEST_NOTE) if spec.note else None
    old = known(tx, check_id, lock=True)
    if old.paused_at is not None and old.pause_note == note:
        return old
    now = tx.now()
    values = {"paused_at": old.paused_at or now, "paused_by": caller.subject, "pause_note": note}
    fresh = settled(msgspec.structs.replace(old, **values, version=old.version + 1, updated_at=now))
    checks.put(tx, fresh)
    audit.record(tx, caller, "paused", "check", check_id, note=note)
    return fresh


def resume(tx: Tx, check_id: str, caller: Caller) -> Check:
    """End a pause: the next ping is expected as if it were new."""
    old = known(tx, check_id, lock=True)
    if old.paused_at is None:
        return old
    now = tx.now()
    values = {"paused_at": None, "paused_by": None, "pause_note": None}
    fresh = expecting(msgspec.structs.replace(old, **values, version=old.version + 1, updated_at=now), now)
    checks.put(tx, fresh)
    audit.record(tx, caller, "resumed", "check", check_id)
    return fresh


def give_new_key(tx: Tx, check_id: str, key: str, caller: Caller) -> Check:
    """Give a check another address; the old one answers 404 from now on."""
    old = known(tx, check_id, lock=True)
    if old.key == key:
        return old  # the transaction is run again
    fresh = msgspec.structs.replace(old, key=key, key_hash=hash_of(key), version=old.version + 1, updated_at=tx.now())
    checks.put(tx, fresh)
    audit.record(tx, caller, "rekeyed", "check", check_id)
    return fresh


def _told(check: Check) -> dict[str, Any]:
    """Return what a check says, without its key."""
    return {**said(check), "version": check.version}


def said(check: Check) -> dict[str, Any]:
    """Return what a person said of a check, as it is said."""
    return {
        "name": check.name,
        "every": _length(check.every_us),
        "cron": check.cron,
        "timezone": check.timezone,
        "grace": _length(check.grace_us),
        "longest": _length(check.longest_us),
        "tags": msgspec.json.decode(check.tags) if check.tags else [],
        "note": check.note,
    }


def shown(check: Check, now: int) -> dict[str, Any]:
    """Return a check as it is answered, without its key."""
    problem = wrong(check, now)
    rule = rule_of(check)
    every = _length(check.every_us)
    return {
        "id": check.id,
        **said(check),
        "description": rule.describe() if rule is not None else f"within {every} of the last one",
        "status": status(check, now),
        "problem": None if problem is None else problem.text,
        "problemSince": None if problem is None else present.instant(problem.since),
        "paused": check.paused_at is not None,
        "pausedAt": present.instant(check.paused_at),
        "pausedBy": check.paused_by,
        "pauseNote": check.pause_note,
        "nextAt": present.instant(None if check.paused_at is not None else check.next_at),
        "lateAt": present.instant(check.late_at),
        "startedAt": present.instant(check.started_at),
        "lastPingAt": present.instant(check.pinged_at),
        "lastEndAt": present.instant(check.ended_at),
        "lastExitCode": check.exit_code,
        "lastDurationMs": None if check.took_us is None else check.took_us // 1000,
        "failures": check.failures,
        "pings": check.pings,
        "version": check.version,
        "createdAt": present.instant(check.created_at),
        "updatedAt": present.instant(check.updated_at),
    }


def shown_ping(ping: Ping) -> dict[str, Any]:
    """Return a ping as it is answered."""
    return {
        "n": ping.n,
        "at": present.instant(ping.at),
        "kind": ping.kind,
        "exitCode": ping.exit_code,
        "rid": ping.run_id,
        "durationMs": None if ping.took_us is None else ping.took_us // 1000,
        "source": ping.source,
        "body": ping.body,
    }


def _length(us: int | None) -> str | None:
    return None if us is None else format_duration(us)
