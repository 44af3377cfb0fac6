"""Actions on queues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from rota.actions import building, present, resolving
from rota.actions.specs import Caller, Duration, JobDefaults, PauseIn, QueueIn, RateLimitIn, RetentionIn, Spec
from rota.durations import DAY, MILLISECOND, SECOND, format_duration, parse_duration
from rota.errors import Invalid, NotFound
from rota.jsontext import check_queue, check_text
from rota.model import Queue
from rota.settings import Settings
from rota.settings.table import MOST_KEPT
from rota.settings.values import Wrong, parse_disk_size
from rota.store import audit, queues
from rota.store.database import Tx
from rota.timetable import parse_instant

MAX_CONCURRENCY = 1_000_000
MAX_RATE = 1_000_000_000
MOST_RATES = 10
PER_US = (100 * MILLISECOND, 31 * DAY)
AGEING_US = (SECOND, 30 * DAY)
LEAST_KEPT_US = SECOND
NEVER = "never"
NOBODY = Caller()


def change(tx: Tx, name: str, spec: QueueIn, settings: Settings, caller: Caller = NOBODY) -> Queue:
    """Set limits; the queue comes into being where it is not there."""
    check_queue(name, "name")
    before = present.queue_settings(queues.get(tx, name))
    queues.change(tx, name, stored(spec, settings))
    changed = _known(tx, name)
    audit.record(tx, caller, "changed", "queue", name, before=before, after=present.queue_settings(changed))
    return changed


def stored(spec: QueueIn, settings: Settings) -> dict[str, object]:
    """Return what is given of a queue as it is stored; raises Invalid with the field that is wrong."""
    kinds: dict[str, tuple[str, Callable[[Any], object]]] = {
        "concurrency": ("concurrency", lambda value: _count(value, "concurrency")),
        "worker_concurrency": ("worker_concurrency", lambda value: _count(value, "workerConcurrency")),
        "key_concurrency": ("key_concurrency", lambda value: _count(value, "keyConcurrency")),
        "rate_limits": ("rate_limits", _rates),
        "ageing": ("ageing_us", lambda value: _between(value, "ageing", AGEING_US)),
        "defaults": ("defaults", lambda value: _defaults(value, settings)),
        "retention": ("retention", _retention),
    }
    values = {}
    for field, (column, kind) in kinds.items():
        given = getattr(spec, field)
        if given is not msgspec.UNSET:
            values[column] = None if given is None else kind(given)
    if isinstance(spec.defaults, JobDefaults):
        values["resolved"] = resolving.of_queue(spec.defaults, settings)
    elif spec.defaults is None:
        values["resolved"] = None
    return values


def _count(value: int, field: str) -> int:
    if not 1 <= value <= MAX_CONCURRENCY:
        raise _out_of_range(field, value, MAX_CONCURRENCY)
    return value


def _between(value: Duration, field: str, bounds: tuple[int, int]) -> int:
    found = parse_duration(value, field)
    if not bounds[0] <= found <= bounds[1]:
        least, most = (format_duration(bound) for bound in bounds)
        raise Invalid(field, f"{format_duration(found)} is out of range", hint=f"from {least} to {most}")
    return found


def _out_of_range(field: str, value: int, most: int) -> Invalid:
    hint = "at least 1; to stop a queue, pause it" if value < 1 else f"at most {most}"
    return Invalid(field, f"{value} is out of range", hint=hint)


def _rates(limits: list[RateLimitIn]) -> str | None:
    if len(limits) > MOST_RATES:
        raise Invalid("rateLimits", f"{len(limits)} limits are too many", hint=f"at most {MOST_RATES}")
    found: list[dict[str, object]] = []
    for place, one in enumerate(limits):
        field = f"rateLimits.{place}"
        if not 1 <= one.limit <= MAX_RATE:
            raise _out_of_range(f"{field}.limit", one.limit, MAX_RATE)
        per = _between(one.per, f"{field}.per", PER_US)
        if any((per, one.scope) == (other["per"], other["scope"]) for other in found):
            raise Invalid(field, f"there are two limits per {format_duration(per)}", hint="give the smaller one only")
        found.append({"limit": one.limit, "per": per, "scope": one.scope})
    return msgspec.json.encode(found).decode() if found else None


def _defaults(given: JobDefaults, settings: Settings) -> str | None:
    if given.queue is not None:
        raise Invalid("defaults.queue", "cannot be said of a queue", hint="say it of the job type")
    try:
        building.check_defaults(given, settings)
    except Invalid as error:
        raise type(error)(f"defaults.{error.field}", error.reason, hint=error.hint) from None
    return _document(given)


def _retention(given: RetentionIn) -> str | None:
    found = {}
    for field, written in zip(RetentionIn.__struct_fields__, RetentionIn.__struct_encode_fields__, strict=True):
        value = getattr(given, field)
        if value is not None:
            found[written] = _kept(field, f"retention.{written}", value)
    return msgspec.json.encode(found).decode() if found else None


def _kept(field: str, name: str, value: Any) -> int | None:
    if field == "most_bytes":
        try:
            return parse_disk_size(value)
        except Wrong as error:
            raise Invalid(name, f"{str(value)[:80]!r} is not {error.expected}") from None
    if field.startswith("most_"):
        if not 0 <= value <= MOST_KEPT:
            raise Invalid(name, f"{value} is out of range", hint=f"from 0 to {MOST_KEPT}")
        return int(value)
    return None if value == NEVER else parse_duration(value, name, minimum_us=LEAST_KEPT_US)


def _document(given: Spec) -> str | None:
    document = msgspec.json.encode(given).decode()
    return None if document == "{}" else document


def check_pause(spec: PauseIn, now: int) -> tuple[str | None, int | None]:
    """Return why, and until when something is paused (µs UTC)."""
    note = check_text(spec.note, "note", max_length=1000) if spec.note else None
    until = parse_instant(spec.until, "until") if spec.until is not None else None
    if until is not None and until <= now:
        raise Invalid("until", "is in the past", hint="leave it out, and end the pause with resume")
    return note, until


def pause(tx: Tx, name: str, spec: PauseIn, caller: Caller) -> Queue:
    """Stop claims from a queue, perhaps until some time; what runs goes on."""
    note, until = check_pause(spec, tx.now())
    _known(tx, name)
    queues.pause(tx, name, by=caller.subject, note=note, resume_at=until)
    audit.record(tx, caller, "paused", "queue", name, note=note, after={"until": spec.until})
    return _known(tx, name)


def resume(tx: Tx, name: str, caller: Caller) -> Queue:
    """Let claims go on, also where a target had asked for a pause."""
    _known(tx, name)
    queues.resume(tx, name)
    audit.record(tx, caller, "resumed", "queue", name)
    return _known(tx, name)


def _known(tx: Tx, name: str) -> Queue:
    found = queues.get(tx, name) if "\0" not in name else None
    if found is None:
        raise NotFound(f"there is no queue {name[:100]}")
    return found
