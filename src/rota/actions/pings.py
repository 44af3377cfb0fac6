"""What pings do to the state of a check: pure functions, and the one transaction that serves many pings."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from rota.durations import MINUTE
from rota.errors import NotFound
from rota.store import checks, pings
from rota.store.checks import Check
from rota.store.database import Tx
from rota.store.pings import Kind, Ping
from rota.timetable import Rule, parse_rule

EARLY_US = MINUTE
"""So long before an instant of a cron expression a ping counts for it: clocks differ, and jobs may be quick."""
UNKNOWN = "there is nothing here"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A ping as it came in."""

    key: str
    kind: Kind
    exit_code: int | None = None
    run_id: str | None = None
    took_us: int | None = None
    """How long the run took, where its end says so."""
    source: str | None = None
    body: str | None = None


class Run(msgspec.Struct):
    """What is known of the run that a ping names by its ``rid``."""

    began_at: int | None = None
    ends: set[tuple[Kind, int | None]] = msgspec.field(default_factory=set)
    """How it ended: kinds with exit codes.  More than one is possible, and wrong."""


NO_RUN = Run()


def hash_of(key: str) -> str:
    """Return what a key is found by."""
    return hashlib.sha256(key.encode()).hexdigest()


def rule_of(check: Check) -> Rule | None:
    """Return the timetable of a check; None where a ping is expected so long after the last one."""
    return None if check.cron is None else _rule(check.cron, check.timezone, check.id)


@lru_cache(maxsize=1024)
def _rule(cron: str, timezone: str, check_id: str) -> Rule:
    return parse_rule(cron=cron, timezone=timezone, key=check_id)


def expected(check: Check, at: int) -> int | None:
    """Return when a ping is expected after one at ``at`` (µs UTC)."""
    if check.every_us is not None:
        return at + check.every_us
    rule = rule_of(check)
    first = None if rule is None else rule.next(at)
    if rule is None or first is None:
        return None
    second = rule.next(first)
    early = EARLY_US if second is None else min(EARLY_US, (second - first) // 4)
    return second if first - at <= early else first


def missed(check: Check, now: int) -> int:
    """Return when the last ping was due, of a check that is late by ``now``: one is due again though one is missing."""
    by = now - check.grace_us
    rule = rule_of(check)
    again = by - check.every_us if check.every_us is not None else rule.previous(by + 1) if rule is not None else None
    return max(check.next_at or 0, again or 0)


def settled(check: Check) -> Check:
    """Return a check with the instant after which something is wrong."""
    late_at = None
    if check.paused_at is None:
        if check.started_at is not None and check.longest_us is not None:
            late_at = check.started_at + check.longest_us
        elif check.next_at is not None:
            late_at = max(check.next_at, check.started_at or 0) + check.grace_us
    return msgspec.structs.replace(check, late_at=late_at)


def expecting(check: Check, now: int) -> Check:
    """Return a check that is to be heard of from now on, whatever was before."""
    rule = rule_of(check)
    next_at = now + check.every_us if check.every_us is not None else rule.next(now) if rule is not None else None
    fresh = msgspec.structs.replace(
        check, expected_from=now, outcome=None, failures=0, failed_since=None, started_at=None, run_id=None,
        next_at=next_at,
    )  # fmt: skip
    return settled(fresh)


def heard(check: Check, ping: Ping, run: Run = NO_RUN) -> Check | None:
    """Return the check after a ping; None where it was heard of already, and counts no second time.

    ``run`` is what earlier pings with the same ``rid`` said.  So a ping that is sent again because its answer was
    lost changes nothing, and a start that comes after its end begins nothing.
    """
    ending = (ping.kind, ping.exit_code)
    if ping.run_id is not None and (ending in run.ends or (ping.kind == "start" and run.began_at is not None)):
        return None
    fresh = msgspec.structs.replace(check, pinged_at=ping.at, pings=check.pings + 1)
    if ping.kind == "start" and not run.ends:
        begun = settled(msgspec.structs.replace(fresh, started_at=ping.at, run_id=ping.run_id))
        if check.started_at is not None and check.late_at is not None and begun.late_at is not None:
            # A run that never told its end: the next ones must not hide that for ever.
            return msgspec.structs.replace(begun, late_at=min(check.late_at, begun.late_at))
        return begun
    return settled(_ended(fresh, ping)) if ping.kind in ("success", "fail") else fresh


def _ended(check: Check, ping: Ping) -> Check:
    failed = ping.kind == "fail"
    is_current = check.run_id is None or ping.run_id is None or ping.run_id == check.run_id
    return msgspec.structs.replace(
        check,
        outcome="fail" if failed else "success",
        exit_code=ping.exit_code,
        took_us=ping.took_us,
        ended_at=ping.at,
        failures=check.failures + 1 if failed else 0,
        failed_since=(check.failed_since or ping.at) if failed else None,
        started_at=None if is_current else check.started_at,
        run_id=None if is_current else check.run_id,
        next_at=expected(check, ping.at),
    )


def _took(check: Check, told: Told, run: Run, now: int) -> int | None:
    if told.kind not in ("success", "fail"):
        return None
    if told.took_us is not None:
        return told.took_us
    began = run.began_at
    if began is None and (told.run_id is None or check.run_id is None):
        began = check.started_at
    return None if began is None else max(0, now - began)


def receive(tx: Tx, told: Sequence[Told]) -> list[bool | NotFound]:
    """Store pings, all by the same few statements, in the order in which they came.

    The answer for each is whether it counted (a repeated one does not), or that no check has its key.
    """
    names = {one.key: hash_of(one.key) for one in told}
    found = checks.by_keys(tx, names.values(), lock=True)
    now = tx.now()
    state = {check.id: check for check in found.values()}
    # The database compares hashes; the keys themselves are compared in constant time.
    of_key = {
        key: check.id
        for key, name in names.items()
        if (check := found.get(name)) is not None and hmac.compare_digest(check.key.encode(), key.encode())
    }
    runs = _runs(tx, told, of_key)
    answers: list[bool | NotFound] = []
    stored: list[Ping] = []
    for one in told:
        check = state.get(of_key.get(one.key, ""))
        if check is None:
            answers.append(NotFound(UNKNOWN))
            continue
        run = NO_RUN if one.run_id is None else runs.setdefault((check.id, one.run_id), Run())
        ping = Ping(
            check_id=check.id, n=check.pings + 1, kind=one.kind, exit_code=one.exit_code, run_id=one.run_id,
            took_us=_took(check, one, run, now), source=one.source, body=one.body, at=now,
        )  # fmt: skip
        after = heard(check, ping, run)
        answers.append(after is not None)
        if after is not None:
            state[check.id] = after
            stored.append(ping)
            _note(run, ping)
    pings.add(tx, stored)
    changed = {ping.check_id for ping in stored}
    if changed:
        checks.put_states(tx, [state[check_id] for check_id in sorted(changed)])
    return answers


def _runs(tx: Tx, told: Sequence[Told], of_key: dict[str, str]) -> dict[tuple[str, str], Run]:
    wanted = [
        (check_id, one.run_id)
        for one in told
        if one.run_id is not None and (check_id := of_key.get(one.key)) is not None
    ]
    found: dict[tuple[str, str], Run] = {}
    for ping in pings.of_runs(tx, wanted):
        if ping.run_id is not None:
            _note(found.setdefault((ping.check_id, ping.run_id), Run()), ping)
    return found


def _note(run: Run, ping: Ping) -> None:
    if ping.run_id is None or run is NO_RUN:
        return
    if ping.kind == "start":
        run.began_at = ping.at
    elif ping.kind != "log":
        run.ends.add((ping.kind, ping.exit_code))
