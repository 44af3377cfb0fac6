"""What the syntax tree of a Python file tells of Celery's settings: entries of beat, the zone, and what is hidden."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from rota.errors import Invalid
from rota.importers.found import Collector
from rota.importers.source import Source, called, is_mapping, last_name, members, shown

BEAT = ("beat_schedule", "CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE")
ZONES = (("timezone", "CELERY_TIMEZONE"), ("TIME_ZONE",))
"""Settings with the zone, the first of them that is set."""
LOCAL = ("enable_utc", "CELERY_ENABLE_UTC")
MACHINE_ZONE = "enable_utc is off, so beat takes the zone of its machine, and Rota UTC: say it with --tz"
_READING = ("copy", "get", "items", "keys", "values")
_CONF = ("conf", "config")


def entries(source: Source) -> list[tuple[ast.expr | None, int, ast.AST]]:
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


def unseen(source: Source) -> Iterator[tuple[int, str]]:
    """Yield what the schedule of the application holds beside entries that are written out."""
    seen: set[int] = set()
    for node in source.nodes:
        yield from _changed(source, node)
    for name, value in _settings(source):
        if name not in BEAT:
            continue
        if not source.spread(value):
            yield value.lineno, f"{name} is not written out"
        for mapping in [one for one in source.spread(value) if id(one) not in seen]:
            seen.add(id(mapping))
            yield from _hidden(source, mapping, name)


def _hidden(source: Source, mapping: ast.AST, name: str) -> Iterator[tuple[int, str]]:
    for key, item in members(mapping):
        said = source.resolved(item)
        if key is None and not is_mapping(said):
            yield item.lineno, f"what is taken into {name} here is not written out"
        elif key is not None and not _is_entry(source, said):
            yield item.lineno, "the entry is not written out with task and schedule"


def _changed(source: Source, node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield what a node does to a schedule that stands elsewhere."""
    if isinstance(node, ast.Assign):
        into = [one for one in node.targets if isinstance(one, ast.Subscript) and _name_of(one.value) in BEAT]
        if into and not _is_entry(source, source.resolved(node.value)):
            yield node.lineno, "the entry is not written out"
    elif isinstance(node, ast.Delete):
        for one in node.targets:
            if _name_of(one) in BEAT or (isinstance(one, ast.Subscript) and _name_of(one.value) in BEAT):
                yield node.lineno, "entries are deleted here"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name, what = _name_of(node.func.value), node.func.attr
        if name not in BEAT or what in _READING:
            return
        if what == "update":
            yield from _updated(source, node, name)
        elif what != "setdefault" or not any(_is_entry(source, source.resolved(one)) for one in node.args[1:]):
            yield node.lineno, f"{name}.{what}(…) changes the entries"


def _updated(source: Source, node: ast.Call, name: str) -> Iterator[tuple[int, str]]:
    given = [*node.args, *(one.value for one in node.keywords if one.arg is None)]
    for one in given:
        mapping = source.resolved(one)
        if is_mapping(mapping):
            yield from _hidden(source, mapping, name)
        else:
            yield one.lineno, f"what is taken into {name} here is not written out"
    for keyword in node.keywords:
        if keyword.arg is not None and not _is_entry(source, source.resolved(keyword.value)):
            yield keyword.value.lineno, "the entry is not written out with task and schedule"


def settings_elsewhere(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and words of what takes settings from where nobody sees them."""
    for node in source.nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in ("config_from_object", "config_from_envvar"):
            yield node.lineno, shown(node)
        elif node.func.attr == "update" and last_name(node.func.value) in _CONF:
            given = [*node.args, *(one.value for one in node.keywords if one.arg is None)]
            seen = [mapping for one in given for mapping in source.spread(one)]
            if not all(source.spread(one) for one in given) or any(None in source.names(one) for one in seen):
                yield node.lineno, shown(node)


def zone(source: Source, collector: Collector) -> str | None:
    """Return the zone of the application, as Celery chooses: its own setting, else that of Django."""
    for names in ZONES:
        said = [name_in(source, value) for name, value in _settings(source) if name in names]
        known = {one for one in said if one is not None}
        if len(known) == 1:
            return known.pop()
        if said and not collector.options.timezone:
            what = "stands there more than once" if known else "is not written out"
            collector.note(f"the zone of the application {what}, and UTC is taken: say it with --tz")
        if said:
            return None
    local = any(
        name in LOCAL and isinstance(value, ast.Constant) and value.value is False for name, value in _settings(source)
    )
    if local and not collector.options.timezone:
        collector.note(MACHINE_ZONE)
    return None


def name_in(source: Source, node: ast.expr | None) -> str | None:
    """Return a text that is written out; None for anything else."""
    try:
        found = source.value(node) if node is not None else None
    except Invalid:
        return None
    return found if isinstance(found, str) and found else None


def _settings(source: Source) -> Iterator[tuple[str, ast.expr]]:
    """Yield what may be settings of the application."""
    for node in source.nodes:
        if isinstance(node, ast.Assign):
            yield from ((_name_of(target), node.value) for target in node.targets)
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.value is not None:
            yield _name_of(node.target), node.value
        elif isinstance(node, ast.Call) and called(node) in ("update", "Celery", "dict"):
            yield from ((one.arg, one.value) for one in node.keywords if one.arg)
            for given in node.args:
                yield from (
                    (key.value, value)
                    for key, value in _pairs(source.resolved(given))
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                )


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


def _name_of(node: ast.AST) -> str:
    """Return ``c`` of ``a.b.c`` and of ``a.conf["c"]``."""
    if not isinstance(node, ast.Subscript):
        return last_name(node)
    said = node.slice.value if isinstance(node.slice, ast.Constant) else None
    return said if isinstance(said, str) and last_name(node.value) in _CONF else ""
