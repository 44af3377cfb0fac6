"""Checks: jobs that Rota does not run, and what it expects to hear from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from rota.durations import format_duration
from rota.store.counting import count_up_to
from rota.store.database import Tx, columns
from rota.store.sql import batch, containing

Outcome = Literal["success", "fail"]
LateKind = Literal["late", "failing", "never", "overlong"]


class Check(msgspec.Struct, kw_only=True):
    """A job that Rota does not run; times in µs UTC, lengths in µs."""

    id: str
    name: str
    key: str
    """What stands in the address that is pinged: nobody but an administrator sees it."""
    key_hash: str
    every_us: int | None = None
    cron: str | None = None
    timezone: str = "UTC"
    grace_us: int = 0
    longest_us: int | None = None
    """How long a run may take, from its start to its end."""
    tags: str | None = None
    """JSON list."""
    note: str | None = None
    paused_at: int | None = None
    paused_by: str | None = None
    pause_note: str | None = None
    expected_from: int = 0
    """Pings are expected from this instant on: when it was made, resumed, or its times were said anew."""
    outcome: Outcome | None = None
    """How the last run ended; None where none has ended since ``expected_from``."""
    exit_code: int | None = None
    took_us: int | None = None
    ended_at: int | None = None
    failures: int = 0
    """How many runs failed one after another, up to now."""
    failed_since: int | None = None
    started_at: int | None = None
    """When the run began that goes on."""
    run_id: str | None = None
    pinged_at: int | None = None
    pings: int = 0
    next_at: int | None = None
    late_at: int | None = None
    """After this instant without a word, something is wrong; None while paused."""
    version: int = 1
    created_at: int = 0
    updated_at: int = 0


class LateCheck(msgspec.Struct, frozen=True):
    """A check with which something is wrong."""

    id: str
    name: str
    kind: LateKind
    """``never``: nothing came since it was made; ``overlong``: a run goes on for longer than it may."""
    since: int
    """µs UTC."""
    text: str
    """One sentence."""
    check: Check


COLUMNS = columns(Check.__struct_fields__)
MOST_LATE = 1000
MOVED = (
    "outcome", "exit_code", "took_us", "ended_at", "failures", "failed_since", "started_at", "run_id", "pinged_at",
    "pings", "next_at", "late_at",
)  # fmt: skip
"""What pings change."""
TAGGED = """
EXISTS (SELECT 1 FROM {pg|json_array_elements_text(tags) AS t(value)}{lite|json_each(tags) AS t} WHERE t.value = :tag)
"""

LATE = f"""
SELECT {COLUMNS} FROM rota_checks WHERE late_at <= :now AND paused_at IS NULL
UNION ALL
SELECT {COLUMNS} FROM rota_checks
WHERE failed_since IS NOT NULL AND paused_at IS NULL AND (late_at IS NULL OR late_at > :now)
LIMIT {MOST_LATE}
"""


def late(tx: Tx, now: int) -> list[LateCheck]:
    """Return the checks with which something is wrong at ``now`` (µs UTC by the database's clock), by id.

    Each is named once: one that failed and is late by now, too, is late.
    """
    found = (wrong(check, now) for check in _checks(tx.rows(LATE, {"now": now})))
    return sorted((one for one in found if one is not None), key=lambda one: one.id)


def wrong(check: Check, now: int) -> LateCheck | None:
    """Return what is wrong with a check at ``now``, or None."""
    if check.paused_at is not None:
        return None
    if check.late_at is not None and check.late_at <= now:
        kind, since, text = _overdue(check)
    elif check.failed_since is not None:
        kind, since, text = "failing", check.failed_since, _failing(check)
    else:
        return None
    return LateCheck(check.id, check.name, kind, since, text, check)


def _overdue(check: Check) -> tuple[LateKind, int, str]:
    since = check.late_at or 0
    if check.started_at is not None and check.longest_us is not None:
        return "overlong", since, f"{check.name} has run for longer than {_length(check.longest_us)}."
    over = f"it was due, and {_length(check.grace_us)} of grace are over." if check.grace_us else "it is overdue."
    if check.started_at is not None and check.next_at is not None and check.next_at <= check.started_at:
        return "late", since, f"{check.name} has begun, and has not told its end within {_length(check.grace_us)}."
    if check.pings == 0:
        return "never", since, f"{check.name} has never been heard of: {over}"
    if check.outcome is None and (check.pinged_at is None or check.pinged_at < check.expected_from):
        return "never", since, f"{check.name} has not been heard of since its times were set: {over}"
    return "late", since, f"{check.name} has not been heard of: {over}"


def _failing(check: Check) -> str:
    code = "" if check.exit_code is None else f" with exit code {check.exit_code}"
    if check.failures <= 1:
        return f"The last run of {check.name} failed{code}."
    return f"The last {check.failures} runs of {check.name} failed, the last{code or ' by its own word'}."


def _length(us: int) -> str:
    return format_duration(us)


def _checks(rows: Iterable[Any]) -> list[Check]:
    return [Check(**dict(zip(Check.__struct_fields__, row, strict=True))) for row in rows]


class CheckFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which checks; None is any."""

    q: str | None = None
    """Part of the id or of the name, in any case."""
    tag: str | None = None
    status: str | None = None
    """As ``status`` says it."""


ANY = CheckFilter()

STATUS = """
CASE WHEN paused_at IS NOT NULL THEN 'paused'
  WHEN late_at <= :now THEN 'down'
  WHEN failed_since IS NOT NULL THEN 'failed'
  WHEN started_at IS NOT NULL THEN 'started'
  WHEN next_at <= :now THEN 'late'
  WHEN outcome IS NULL THEN 'new' ELSE 'up' END
"""


def status(check: Check, now: int) -> str:
    """Return the state of a check at ``now``, the worst first: the same as `STATUS` says in SQL."""
    if check.paused_at is not None:
        return "paused"
    if check.late_at is not None and check.late_at <= now:
        return "down"
    if check.failed_since is not None:
        return "failed"
    if check.started_at is not None:
        return "started"
    if check.next_at is not None and check.next_at <= now:
        return "late"
    return "new" if check.outcome is None else "up"


def listed(tx: Tx, wanted: CheckFilter, now: int, *, after: str = "", limit: int = 200, offset: int = 0) -> list[Check]:
    """Return checks in the order of their ids, those after ``after``."""
    condition, params = _narrowed(wanted, now)
    sql = f"SELECT {COLUMNS} FROM rota_checks WHERE id > :after AND {condition} ORDER BY id LIMIT :limit OFFSET :offset"
    return _checks(tx.rows(sql, {"after": after, "limit": limit, "offset": offset, **params}))


def count_up_to_cap(tx: Tx, wanted: CheckFilter, now: int) -> int:
    """Return how many there are, one more than the cap of lists at most."""
    return count_up_to(tx, "rota_checks", *_narrowed(wanted, now))


def _narrowed(wanted: CheckFilter, now: int) -> tuple[str, dict[str, Any]]:
    conditions, params = ["true"], dict[str, Any]()
    if wanted.q is not None:
        conditions.append(r"(lower(id) LIKE :q ESCAPE '\' OR lower(name) LIKE :q ESCAPE '\')")
        params["q"] = containing(wanted.q)
    if wanted.tag is not None:
        conditions.append(TAGGED)
        params["tag"] = wanted.tag
    if wanted.status is not None:
        conditions.append(f"({STATUS}) = :status")
        params |= {"status": wanted.status, "now": now}
    return " AND ".join(conditions), params


def tagged(tx: Tx, tag: str, limit: int) -> list[Check]:
    """Return the checks with a tag by name, the first ``limit`` of them."""
    sql = f"SELECT {COLUMNS} FROM rota_checks WHERE {TAGGED} ORDER BY name, id LIMIT :limit"
    return _checks(tx.rows(sql, {"tag": tag, "limit": limit}))


def get(tx: Tx, check_id: str, *, lock: bool = False) -> Check | None:
    """Return a check, or None; with ``lock`` it stays as it is until the transaction ends."""
    sql = f"SELECT {COLUMNS} FROM rota_checks WHERE id = :id {'{pg|FOR UPDATE}' if lock else ''}"
    found = _checks(tx.rows(sql, {"id": check_id}))
    return found[0] if found else None


def by_keys(tx: Tx, hashes: Iterable[str], *, lock: bool = False) -> dict[str, Check]:
    """Return the checks whose keys have these hashes; locked in one order, so that two writers never wait in a ring."""
    sql = f"""
    SELECT {COLUMNS} FROM rota_checks WHERE key_hash IN (SELECT k.hash FROM {{few|k|batch|hash text}})
    ORDER BY id {"{pg|FOR UPDATE}" if lock else ""}
    """
    found = _checks(tx.rows(sql, {"batch": batch([{"hash": one} for one in sorted(set(hashes))])}))
    return {check.key_hash: check for check in found}


def add(tx: Tx, check: Check) -> None:
    """Store a new check."""
    values = ", ".join("{json|:tags}" if name == "tags" else f":{name}" for name in Check.__struct_fields__)
    tx.run(f"INSERT INTO rota_checks ({COLUMNS}) VALUES ({values})", msgspec.structs.asdict(check))


def put(tx: Tx, check: Check) -> None:
    """Store a check that was read with ``lock``, all of it."""
    names = [name for name in Check.__struct_fields__ if name != "id"]
    sets = ", ".join(f"{name} = {'{json|:tags}' if name == 'tags' else f':{name}'}" for name in names)
    tx.run(f"UPDATE rota_checks SET {sets} WHERE id = :id", msgspec.structs.asdict(check))


def put_states(tx: Tx, checks: Iterable[Check]) -> None:
    """Store what pings changed of checks that were read with ``lock``, in one statement."""
    sets = ", ".join(f"{name} = s.{name}" for name in MOVED)
    typed = ", ".join(f"{name} {'text' if name in ('outcome', 'run_id') else 'bigint'}" for name in MOVED)
    rows = [{"id": check.id, **{name: getattr(check, name) for name in MOVED}} for check in checks]
    sql = f"UPDATE rota_checks SET {sets} FROM {{rows|s|batch|id text, {typed}}} WHERE rota_checks.id = s.id"
    tx.run(sql, {"batch": batch(rows)})


def delete(tx: Tx, check_id: str) -> bool:
    """Delete a check; its pings go with it."""
    tx.run("DELETE FROM rota_pings WHERE check_id = :id", {"id": check_id})
    return tx.run("DELETE FROM rota_checks WHERE id = :id", {"id": check_id}) == 1
