"""Reads schedules of Celery beat: ``beat_schedule`` of a Python file by its syntax tree, or the same as JSON."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

from rota.errors import Invalid
from rota.importers.celery_times import DELTA, FIELDS, UNITS, Rule, crontab, delta, every, from_string
from rota.importers.celery_tree import (
    BEAT,
    LOCAL,
    MACHINE_ZONE,
    ZONES,
    entries,
    name_in,
    settings_elsewhere,
    unseen,
    zone,
)
from rota.importers.found import Collector, Found, Options, decoded, named
from rota.importers.source import Source, Unknown, called

_KEPT = ("task", "args", "kwargs", "options", "relative", "enabled", "one_off")
"""What becomes part of a schedule, beside the time."""
_TIMES = ("schedule", "crontab", "interval")
"""Under which names JSON has the time; those of the database of django-celery-beat are the last two."""
_PASSED = (
    *_KEPT,
    *_TIMES,
    "timezone",
    "name",
    "description",
    "id",
    "pk",
    "last_run_at",
    "total_run_count",
    "date_changed",
)


def read(raw: bytes, options: Options) -> Found:
    """Read the entries of a file; what only running it would tell is refused."""
    collector = Collector(options)
    if raw.lstrip()[:1] in (b"{", b"["):
        _read_json(decoded(raw), collector)
    else:
        _read_python(Source(raw), collector)
    return collector.found


def _read_python(source: Source, collector: Collector) -> None:
    here = zone(source, collector)
    found = [(name_in(source, key), line, node) for key, line, node in entries(source)]
    last = {name: line for name, line, _ in found}
    for name, line, node in found:
        try:
            if name is None:
                raise Invalid("", "the name of the entry is not written out")
            if line != last[name]:
                raise Invalid("", f"{name[:60]!r} stands again in line {last[name]}, and Celery takes that one")
            fields = dict(source.items(node))
            rule = _python_rule(source, fields["schedule"])
            told: dict[str, Any] = {
                key: source.value(item) if key in _KEPT else True for key, item in fields.items() if key != "schedule"
            }
        except Invalid as error:
            collector.refuse(line, error)
            continue
        _take(line, name, rule, told, here, collector)
    for line, what in unseen(source):
        collector.refuse(line, f"{what}, and nothing of the file is run")
    for line, what in settings_elsewhere(source):
        collector.note(f"line {line}: what {what} takes in is not seen; a schedule or a zone in it is not imported")
    for call in source.nodes:
        if isinstance(call, ast.Call) and called(call) == "add_periodic_task":
            collector.refuse(
                call.lineno, "add_periodic_task: only running the file would tell the task's name; write beat_schedule"
            )


def _python_rule(source: Source, node: ast.expr) -> Rule:
    said = source.resolved(node)
    if not isinstance(said, ast.Call):
        return every(source.value(said))
    name = source.called(said)
    if name == "crontab":
        return crontab(_arguments(source, said, FIELDS))
    if name == "timedelta":
        return every(delta(_arguments(source, said, DELTA)))
    if name == "from_string" and len(said.args) == 1:
        return from_string(source.value(said.args[0]))
    if name in ("schedule", "maybe_schedule", "every"):
        runs_every = [*said.args[:1], *(one.value for one in said.keywords if one.arg == "run_every")]
        inner = runs_every[0] if runs_every else None
        if inner is not None:
            return _python_rule(source, inner)
    if name == "solar":
        raise Invalid("", "solar: Rota knows no sun; give times of the clock")
    raise Unknown(said)


def _arguments(source: Source, node: ast.Call, names: tuple[str, ...]) -> dict[str, Any]:
    if len(node.args) > len(names) or any(isinstance(one, ast.Starred) for one in node.args):
        raise Unknown(node)
    found = {name: source.value(one) for name, one in zip(names, node.args, strict=False)}
    for one in node.keywords:
        if one.arg is None:
            raise Unknown(node)
        if one.arg in ("nowfun", "app"):
            continue
        found[one.arg] = source.value(one.value)
    unknown = next((name for name in found if name not in names), None)
    if unknown is not None:
        raise Invalid("", f"{called(node)} has no {unknown[:40]!r}")
    return found


def _read_json(text: str, collector: Collector) -> None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("FILE", f"is not JSON: {error}") from None
    here = _json_zone(found, collector) if isinstance(found, dict) else None
    if isinstance(found, dict):
        found = next((found[key] for key in BEAT if key in found), _without_settings(found))
    if not isinstance(found, (dict, list)):
        raise Invalid("FILE", "holds neither an object nor a list of entries")
    named_ones = found.items() if isinstance(found, dict) else ((None, one) for one in found)
    for number, (name, one) in enumerate(named_ones, 1):
        try:
            if not isinstance(one, Mapping):
                raise Invalid("", "is no object with task and schedule")
            rule, said_zone = _json_rule(one)
            title = name or one.get("name")
            if not isinstance(title, str) or not title:
                raise Invalid("", "has no name")
        except Invalid as error:
            collector.refuse(number, error)
            continue
        if "cron" in rule[0] and not (said_zone or here or collector.options.timezone):
            collector.note("times for which the file says no timezone are taken for UTC, as Celery does: see --tz")
        _take(number, title, rule, one, said_zone or here, collector)


def _without_settings(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may be entries: an entry may have the name of a setting, and is an object then."""
    names = [name for group in (*ZONES, LOCAL) for name in group]
    return {name: one for name, one in found.items() if name not in names or isinstance(one, Mapping)}


def _json_zone(found: Mapping[str, Any], collector: Collector) -> str | None:
    """Return the zone beside the entries; raises Invalid for one that is no text."""
    for name in [name for group in ZONES for name in group]:
        said = found.get(name)
        if isinstance(said, str) and said:
            return said
        if said not in (None, "") and not isinstance(said, Mapping):
            raise Invalid("FILE", f"{name} is no name of a zone")
    if any(found.get(name) is False for name in LOCAL) and not collector.options.timezone:
        collector.note(MACHINE_ZONE)
    return None


def _json_rule(one: Mapping[str, Any]) -> tuple[Rule, str | None]:
    """Return the rule, and the zone that the entry itself says."""
    times = [one[name] for name in _TIMES if one.get(name) is not None]
    if len(times) != 1:
        raise Invalid("", f"says {'no time' if not times else 'more than one time'}: {', '.join(_TIMES)}")
    said, here = times[0], one.get("timezone")
    if isinstance(said, str):
        rule = from_string(said)
    elif isinstance(said, Mapping):
        body = said["crontab"] if isinstance(said.get("crontab"), Mapping) else said
        here = next((part["timezone"] for part in (body, said) if part.get("timezone") is not None), here)
        rule = _json_object(said, body)
    else:
        rule = every(said)
    if here is not None and (not isinstance(here, str) or not here):
        raise Invalid("timezone", f"{str(here)[:60]!r} is no name of a zone")
    return rule, here


def _json_object(said: Mapping[str, Any], body: Mapping[str, Any]) -> Rule:
    if "solar" in (said.get("__type__"), said.get("type")) or "event" in said:
        raise Invalid("", "solar: Rota knows no sun; give times of the clock")
    aside = ("__type__", "type", "timezone", "id", "pk", "relative", "human_readable", "crontab")
    fields = {name: value for name, value in body.items() if name not in aside}
    if "every" in fields and "period" in fields:
        return every(delta({str(said["period"]): said["every"]} if said["period"] in UNITS else {"": None}))
    unknown = next((name for name in fields if name not in (*FIELDS, *DELTA)), None)
    if unknown is not None:
        raise Invalid("", f"the schedule says {unknown[:40]!r}, which is neither of crontab nor of timedelta")
    if fields and all(name in FIELDS for name in fields):
        return crontab(fields)
    if fields and all(name in DELTA for name in fields):
        return every(delta(fields))
    raise Invalid("", "the schedule is neither seconds nor a crontab")


def _take(line: int, name: str, rule: Rule, said: Mapping[str, Any], zone: str | None, collector: Collector) -> None:
    args, kwargs = said.get("args") or [], said.get("kwargs") or {}
    options = said.get("options") or {}
    try:
        if not isinstance(args, list) or not isinstance(kwargs, Mapping) or not isinstance(options, Mapping):
            raise Invalid("", "args, kwargs or options are no list and mappings")
        if args and kwargs:
            raise Invalid("", "args and kwargs together: a job has either", hint="name all arguments")
        switches = {name: said.get(name) for name in ("enabled", "one_off")}
        if wrong := [name for name, value in switches.items() if value not in (None, True, False)]:
            raise Invalid("", f"{wrong[0]} is neither true nor false")
        target = {"kind": "celery", "task": said.get("task")}
        queue = options.get("queue")
        target |= {"queue": queue} if queue is not None else {}
        expires = options.get("expires")
        expires = f"{expires}s" if isinstance(expires, (int, float)) and not isinstance(expires, bool) else None
    except Invalid as error:
        collector.refuse(line, error)
        return
    unused = sorted(str(one) for one in options if one not in ("queue", "expires"))
    warnings = [f"options that Rota does not take over: {', '.join(unused)[:200]}"] if unused else []
    if ignored := sorted(str(name) for name in said if name not in _PASSED and said[name] not in (None, "", {}, [])):
        warnings.append(f"not taken over: {', '.join(ignored)[:200]}")
    if said.get("relative"):
        warnings.append("relative: Rota's intervals keep their own grid")
    collector.add(
        line, named(name), rule[0], target,
        schedule=rule[1], timezone=zone, warnings=warnings,
        args=list(args) or dict(kwargs) or None, expiresIn=expires, overlap="allow", catchup="latest",
        paused=True if switches["enabled"] not in (None, True) else None, maxRuns=1 if switches["one_off"] else None,
    )  # fmt: skip
