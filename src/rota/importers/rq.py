"""Reads schedules of rq-scheduler and RQ: calls in a Python file, found in its syntax tree."""

from __future__ import annotations

import ast
import sys
from datetime import UTC, date, datetime, time
from typing import Any

from rota.errors import Invalid
from rota.importers.dialects import both_days, croniter_days
from rota.importers.found import Collector, Found, Options, digest, named, slug
from rota.importers.source import Source, Unknown, called, dotted, last_name, shown

CALLS = {
    "cron": ("cron_string", "func", "args", "kwargs", "repeat", "queue_name", "id"),
    "schedule": ("scheduled_time", "func", "args", "kwargs", "interval", "repeat", "result_ttl", "ttl", "id"),
    "register": ("func", "queue_name", "args", "kwargs", "interval", "cron"),
    "schedule_periodic": ("id", "func", "args", "interval"),
}
"""The calls that are looked for, and the names of their arguments by place."""
TIMEOUT_S = 180
"""RQ ends a job after three minutes, unless it is told otherwise."""
LEFT_OUT = (
    "on_success",
    "on_failure",
    "meta",
    "depends_on",
    "webhooks",
    "at_front",
    "ttl",
    "result_ttl",
    "failure_ttl",
)
ONCE = ("enqueue_at", "enqueue_in", "schedule_at")


def read(raw: bytes, options: Options) -> Found:
    """Read the calls of ``cron``, ``schedule``, ``register`` and ``schedule_periodic`` in a file."""
    source, collector = Source(raw), Collector(options)
    for node in source.nodes:
        if not isinstance(node, ast.Call):
            continue
        name = called(node)
        if name in ONCE:
            collector.refuse(node.lineno, f"{name}: one run at some time is no schedule; let it come, or enqueue it")
        elif name in CALLS:
            try:
                said = _arguments(source, node, name)
                if said is not None:
                    _take(source, node.lineno, name, said, collector)
            except Invalid as error:
                collector.refuse(node.lineno, error)
    return collector.found


def _arguments(source: Source, node: ast.Call, name: str) -> dict[str, ast.expr] | None:
    """Return the arguments by their names; None for a call that is another of that name.

    Raises Unknown where a ``*`` or ``**`` hides which it is.
    """
    names = CALLS[name]
    spread = [one for one in node.args if isinstance(one, ast.Starred)]
    spread_out = [one.value for one in node.keywords if one.arg is None]
    if (spread or spread_out) and _is_elsewhere(source, node):
        return None
    if spread:
        raise Unknown(node, f"{shown(node)}: its arguments are not written out, and nothing of the file is run")
    if len(node.args) > len(names):
        return None
    found: dict[str, ast.expr] = dict(zip(names, node.args, strict=False))
    for mapping in spread_out:
        found |= source.items(mapping)
    found |= {one.arg: one.value for one in node.keywords if one.arg}
    if "func" not in found or not {"cron_string", "interval", "every_seconds", "cron"} & set(found):
        return None
    return found


def _is_elsewhere(source: Source, node: ast.Call) -> bool:
    """Whether a call is of something that makes no schedules: the file's own function, ``atexit.register``, Django."""
    first = (dotted(node.func) or ("",))[0]
    if isinstance(node.func, ast.Name) and first in source.defined:
        return True
    package = source.imports.get(first, "").partition(".")[0]
    return package in sys.stdlib_module_names or package == "django"


def _take(source: Source, line: int, call: str, said: dict[str, ast.expr], collector: Collector) -> None:
    rule, schedule = _rule(source, call, said)
    args, kwargs = _value(source, said, "args") or [], _value(source, said, "kwargs") or {}
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise Invalid("", "args or kwargs are no list and no mapping")
    if args and kwargs:
        raise Invalid("", "args and kwargs together: a job has either", hint="name all arguments")
    path = source.path(said["func"], collector.options.module)
    warnings = [f"{name} is not taken over" for name in LEFT_OUT if name in said]
    if "cron" in rule and not collector.options.timezone:
        collector.note("times are taken for UTC; RQ and rq-scheduler took the zone of their machine: say it with --tz")
    timeout = _value(source, said, "timeout") or _value(source, said, "job_timeout")
    fields: dict[str, Any] = {"maxRuns": _runs(source, said), "overlap": "queueAll", "catchup": "latest"}
    fields["startAt"] = _start(source, said, warnings) if "every" in rule else None
    if path.rpartition(".")[2] == "job_request" and args and isinstance(args[0], str):
        target: dict[str, Any] = {"kind": "http", "url": args[0]}
        given: Any = None
    else:
        target, given = {"kind": "rq", "function": path}, args or kwargs or None
        queue = _value(source, said, "queue_name")
        target |= {"queue": queue} if queue is not None else {}
        fields["timeout"] = _timeout(timeout)
    name = (
        _id(source, said, "id")
        or _id(source, said, "name")
        or f"{slug(path.rpartition('.')[2])}-{digest(path, repr(given), target.get('url', ''))}"
    )
    collector.add(
        line, name, rule, target, schedule=schedule, warnings=warnings, args=given, **fields
    )  # fmt: skip


def _rule(source: Source, call: str, said: dict[str, ast.expr]) -> tuple[dict[str, Any], str]:
    cron = next((_value(source, said, name) for name in ("cron_string", "cron") if name in said), None)
    if cron is not None:
        if not isinstance(cron, str):
            raise Invalid("", "the expression is no text")
        return _cron(call, cron.strip()), cron
    seconds = next((_value(source, said, name) for name in ("interval", "every_seconds") if name in said), None)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise Invalid("", "has no interval: one run is no schedule")
    if seconds <= 0:
        raise Invalid("", f"an interval of {seconds} switches it off")
    shown = int(seconds) if float(seconds).is_integer() else seconds
    return {"every": f"{shown}s"} if isinstance(shown, int) else {"every": shown}, f"@every {shown}s"


def _cron(call: str, cron: str) -> dict[str, Any]:
    """RQ reads expressions with croniter, which looks for either day; rq-scheduler with crontab, which wants both."""
    if call == "cron":
        if not cron.startswith("@") and len(cron.split()) != 5:
            raise Invalid("", "an expression of rq-scheduler with years or seconds; write five fields")
        return both_days(cron)
    return {"cron": croniter_days(cron), **({"seconds": "last"} if len(cron.split()) == 6 else {})}


def _start(source: Source, said: dict[str, ast.expr], warnings: list[str]) -> str | None:
    """Return from when on an interval counts, where a time in UTC is written out."""
    node = source.resolved(said["scheduled_time"]) if "scheduled_time" in said else None
    if node is None or (isinstance(node, ast.Call) and called(node) in ("utcnow", "now", "today")):
        return None
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    try:
        if not isinstance(node, ast.Call) or called(node) != "datetime" or not 3 <= len(node.args) <= len(names):
            raise Unknown(node)
        zone = {one.arg: last_name(one.value) for one in node.keywords if one.arg}
        if zone not in ({}, {"tzinfo": "utc"}, {"tzinfo": "UTC"}):
            raise Unknown(node)
        day, clock = ([source.value(one) for one in part] for part in (node.args[:3], node.args[3:]))
        found = datetime.combine(date(*day), time(*clock), UTC)
        return found.isoformat().replace("+00:00", "Z")
    except (Invalid, TypeError, ValueError):
        warnings.append("the first run is not written out as a time in UTC: the interval counts from now on")
        return None


def _runs(source: Source, said: dict[str, ast.expr]) -> int | None:
    """rq-scheduler takes one off with each run, and ends at zero; with zero from the start it runs once."""
    found = _value(source, said, "repeat")
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise Invalid("", "repeat is no number")
    return max(found, 1)


def _timeout(value: Any) -> str:
    if value is None:
        return f"{TIMEOUT_S}s"
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return f"{value}s"
    if isinstance(value, str) and value:
        return value
    raise Invalid("", "the timeout is no time", hint="give seconds")


def _id(source: Source, said: dict[str, ast.expr], field: str) -> str | None:
    node = said.get(field)
    if node is None:
        return None
    node = source.resolved(node)  # type: ignore[assignment]  # it stays an expression
    if isinstance(node, ast.Call) and called(node) in ("UUID", "str") and len(node.args) == 1:
        return _id(source, {field: node.args[0]}, field)
    found = source.value(node)
    if not isinstance(found, str) or not found:
        raise Unknown(node, f"the {field} is no text")
    return named(found)


def _value(source: Source, said: dict[str, ast.expr], name: str) -> Any:
    return source.value(said[name]) if name in said else None
