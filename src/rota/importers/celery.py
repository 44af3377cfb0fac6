"""Reads schedules of Celery beat: ``beat_schedule`` of a Python file by its syntax tree, or the same as JSON."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rota.errors import Invalid
from rota.importers.celery_times import DELTA, FIELDS, UNITS, Rule, crontab, delta, every, from_string
from rota.importers.found import Collector, Found, Options, decoded, named
from rota.importers.source import Source, Unknown, called, is_mapping, last_name, members

BEAT = ("beat_schedule", "CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE")
ZONES = (("timezone", "CELERY_TIMEZONE"), ("TIME_ZONE",))


def read(raw: bytes, options: Options) -> Found:
    """Read the entries of a file; what only running it would tell is refused."""
    collector = Collector(options)
    if raw.lstrip()[:1] in (b"{", b"["):
        _read_json(decoded(raw), collector)
    else:
        _read_python(Source(raw), collector)
    return collector.found


def _read_python(source: Source, collector: Collector) -> None:
    zone = _zone(source, collector)
    entries = [(_name(source, key), line, node) for key, line, node in _entries(source)]
    last = {name: line for name, line, _ in entries}
    for name, line, node in entries:
        try:
            if name is None:
                raise Invalid("", "the name of the entry is not written out")
            if line != last[name]:
                raise Invalid("", f"{name[:60]!r} stands again in line {last[name]}, and Celery takes that one")
            fields = dict(source.items(node))
            rule = _python_rule(source, fields["schedule"])
            told: dict[str, Any] = {
                key: source.value(fields[key])
                for key in ("task", "args", "kwargs", "options", "relative")
                if key in fields
            }
        except Invalid as error:
            collector.refuse(line, error)
            continue
        _take(line, name, rule, told, zone, collector)
    for line, what in _unseen(source):
        collector.refuse(line, f"{what}, and nothing of the file is run")
    for call in source.nodes:
        if isinstance(call, ast.Call) and called(call) == "add_periodic_task":
            collector.refuse(
                call.lineno, "add_periodic_task: only running the file would tell the task's name; write beat_schedule"
            )


def _entries(source: Source) -> list[tuple[ast.expr | None, int, ast.AST]]:
    """Return key, line and mapping of each mapping with a task and a schedule, wherever it stands."""
    found: list[tuple[ast.expr | None, int, ast.AST]] = []
    seen: set[int] = set()
    for node in source.nodes:
        for key, value in _pairs(node):
            mapping = source.resolved(value)
            if _is_entry(source, mapping):
                found.append((key, value.lineno, mapping))
                seen.update(map(id, source.spread(mapping)))
    found += [
        (None, node.lineno, node)
        for node in source.nodes
        if isinstance(node, (ast.Dict, ast.Call)) and id(node) not in seen and _is_entry(source, node)
    ]
    return sorted(found, key=lambda one: one[1])


def _unseen(source: Source) -> Iterator[tuple[int, str]]:
    """Yield what the schedule of the application holds beside entries that are written out."""
    seen: set[int] = set()
    for node in source.nodes:
        if not isinstance(node, ast.Assign):
            continue
        is_one = any(isinstance(one, ast.Subscript) and last_name(one.value) in BEAT for one in node.targets)
        if is_one and not _is_entry(source, source.resolved(node.value)):
            yield node.lineno, "the entry is not written out"
    for name, value in _settings(source):
        if name not in BEAT:
            continue
        mappings = source.spread(value)
        if not mappings:
            yield value.lineno, f"{name} is not written out"
        for mapping in [one for one in mappings if id(one) not in seen]:
            seen.add(id(mapping))
            for key, item in members(mapping):
                said = source.resolved(item)
                if key is None and not is_mapping(said):
                    yield item.lineno, f"what is taken into {name} here is not written out"
                elif key is not None and not _is_entry(source, said):
                    yield item.lineno, "the entry is not written out with task and schedule"


def _pairs(node: ast.AST) -> list[tuple[ast.expr | None, ast.expr]]:
    """Return what a node gives names to."""
    if isinstance(node, ast.Dict):
        return [(key, value) for key, value in zip(node.keys, node.values, strict=True) if key is not None]
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Subscript):
        return [(node.targets[0].slice, node.value)]
    if isinstance(node, ast.Call) and called(node) in ("dict", "update"):
        return [(ast.Constant(one.arg), one.value) for one in node.keywords if one.arg]
    return []


def _is_entry(source: Source, node: ast.AST) -> bool:
    """Whether a mapping has a task and a schedule, or one of them beside what cannot be seen."""
    known = [source.names(one) for one in source.spread(node)]
    said = [name for name in ("task", "schedule") if any(name in names for names in known)]
    return len(said) == 2 or (len(said) == 1 and any(None in names for names in known))


def _name(source: Source, node: ast.expr | None) -> str | None:
    try:
        found = source.value(node) if node is not None else None
    except Invalid:
        return None
    return found if isinstance(found, str) and found else None


def _zone(source: Source, collector: Collector) -> str | None:
    """Return the zone of the application, as Celery chooses: its own setting, else that of Django."""
    for names in ZONES:
        said = [_name(source, value) for name, value in _settings(source) if name in names]
        known = {zone for zone in said if zone is not None}
        if len(known) == 1:
            return known.pop()
        if said and not collector.options.timezone:
            what = "stands there more than once" if known else "is not written out"
            collector.note(f"the zone of the application {what}, and UTC is taken: say it with --tz")
        if said:
            return None
    local = any(
        name in ("enable_utc", "CELERY_ENABLE_UTC") and isinstance(value, ast.Constant) and value.value is False
        for name, value in _settings(source)
    )
    if local and not collector.options.timezone:
        collector.note("enable_utc is off, so beat takes the zone of its machine, and Rota UTC: say it with --tz")
    return None


def _settings(source: Source) -> Iterator[tuple[str, ast.expr]]:
    """Yield what may be settings of the application."""
    for node in source.nodes:
        if isinstance(node, ast.Assign):
            yield from ((last_name(target), node.value) for target in node.targets)
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.value is not None:
            yield last_name(node.target), node.value
        elif isinstance(node, ast.Call) and called(node) in ("update", "Celery", "dict"):
            yield from ((one.arg, one.value) for one in node.keywords if one.arg)
            for given in node.args:
                yield from (
                    (key.value, value)
                    for key, value in _pairs(given)
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
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
    if isinstance(found, dict):
        found = next((found[key] for key in ("beat_schedule", "CELERY_BEAT_SCHEDULE") if key in found), found)
    zone = None
    named_ones = found.items() if isinstance(found, dict) else ((None, one) for one in found)
    for number, (name, one) in enumerate(named_ones, 1):
        try:
            if not isinstance(one, Mapping):
                raise Invalid("", "is no object with task and schedule")
            rule = _json_rule(one)
            title = name or one.get("name")
            if not isinstance(title, str) or not title:
                raise Invalid("", "has no name")
        except Invalid as error:
            collector.refuse(number, error)
            continue
        _take(number, title, rule, one, zone, collector)


def _json_rule(one: Mapping[str, Any]) -> Rule:
    said = one.get("schedule", one.get("crontab", one.get("interval")))
    if isinstance(said, Mapping):
        kind = said.get("__type__", said.get("type"))
        body = said.get("crontab") if isinstance(said.get("crontab"), Mapping) else said
        if kind == "solar" or "event" in said:
            raise Invalid("", "solar: Rota knows no sun; give times of the clock")
        if isinstance(body, Mapping) and any(name in body for name in FIELDS):
            return crontab({name: body[name] for name in FIELDS if name in body})
        if "every" in said and "period" in said:
            return every(delta({str(said["period"]): said["every"]} if said["period"] in UNITS else {"": None}))
        known = {name: value for name, value in said.items() if name in (*DELTA,)}
        if known:
            return every(delta(known))
    if isinstance(said, str):
        return from_string(said)
    return every(said)


def _take(line: int, name: str, rule: Rule, said: Mapping[str, Any], zone: str | None, collector: Collector) -> None:
    args, kwargs = said.get("args") or [], said.get("kwargs") or {}
    options = said.get("options") or {}
    try:
        if not isinstance(args, list) or not isinstance(kwargs, Mapping) or not isinstance(options, Mapping):
            raise Invalid("", "args, kwargs or options are no list and mappings")
        if args and kwargs:
            raise Invalid("", "args and kwargs together: a job has either", hint="name all arguments")
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
    if said.get("relative"):
        warnings.append("relative: Rota's intervals keep their own grid")
    collector.add(
        line, named(name), rule[0], target,
        schedule=rule[1], timezone=zone, warnings=warnings,
        args=list(args) or dict(kwargs) or None, expiresIn=expires, overlap="allow", catchup="latest",
    )  # fmt: skip
