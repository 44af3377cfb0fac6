"""Files of schedules, calendars and queues: read and written as TOML, JSON or YAML."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import PurePath
from typing import Any, cast

import msgspec

from rota.errors import Invalid
from rota.importers.bounded_yaml import DEEPEST, MOST_VALUES, loader, yaml_package

FORMATS = ("toml", "json", "yaml")
SUFFIXES = {".toml": "toml", ".json": "json", ".yaml": "yaml", ".yml": "yaml"}
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_DELETE = "\x7f"


def format_of(name: str, said: str | None) -> str:
    """Return the format of a file: as it was said, else by its name."""
    if said is not None:
        return said
    found = SUFFIXES.get(PurePath(name).suffix.lower())
    if found is None:
        raise Invalid("--format", f"the name {name} does not say what is in it", hint=f"one of {', '.join(FORMATS)}")
    return found


def parse(raw: bytes, form: str) -> dict[str, Any]:
    """Return what a file says, as plain JSON values; raises Invalid for ``FILE``."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("FILE", f"is not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        found = _READ[form](text)
    except RecursionError:
        raise Invalid("FILE", "is nested too deep") from None
    if not isinstance(found, dict):
        raise Invalid("FILE", "is not a table of schedules, calendars and queues")
    if _count(found, {}, 0) > MOST_VALUES:
        raise Invalid("FILE", f"has more than {MOST_VALUES:,} values", hint="aliases count as often as they are used")
    return cast(dict[str, Any], _plain(found, ""))


def _read_toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid("FILE", f"is not TOML: {_lowered(str(error))}") from None


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except ValueError as error:
        raise Invalid("FILE", f"is not JSON: {_lowered(str(error))}") from None


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is given twice")
    return found


def _read_yaml(text: str) -> Any:
    yaml = yaml_package()
    try:
        return yaml.load(text, loader(yaml))  # a safe loader, and bounded
    except yaml.YAMLError as error:
        raise Invalid("FILE", f"is not YAML: {_lowered(' '.join(str(error).split()))}") from None
    except (ValueError, TypeError) as error:  # a date that there is not, a name that is a list
        raise Invalid("FILE", f"is not YAML: {_lowered(str(error))}") from None


_READ = {"toml": _read_toml, "json": _read_json, "yaml": _read_yaml}


def _count(value: Any, known: dict[int, int], depth: int) -> int:
    """Return of how many values one is made; ``known`` are the counts of those that were met, by their ids."""
    if not isinstance(value, (dict, list)):
        return 1
    if depth > DEEPEST:
        raise Invalid("FILE", "is nested too deep")
    found = known.get(id(value))
    if found is None:  # what aliases repeat is the same object, and counted once
        items = value.values() if isinstance(value, dict) else value
        found = known[id(value)] = 1 + sum(_count(item, known, depth + 1) for item in items)
    return found


def _plain(value: Any, path: str) -> Any:
    """Return a value of a file as JSON has it."""
    if path.count("\0") > DEEPEST:
        raise Invalid("FILE", "is nested too deep")
    if isinstance(value, dict):
        found = {}
        for name, item in value.items():
            if not isinstance(name, str):
                raise Invalid("FILE", f"{_shown(path)}: the name {name!r} is no text", hint="write it in quotes")
            found[name] = _plain(item, f"{path}\0{name}")
        return found
    if isinstance(value, list):
        return [_plain(item, f"{path}\0{place}") for place, item in enumerate(value)]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise Invalid("FILE", f"{_shown(path)}: {value} has no zone", hint=f"write {value.isoformat()}Z for UTC")
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise Invalid("FILE", f"{_shown(path)}: {value!r} is no value that Rota knows")


def _shown(path: str) -> str:
    return path.strip("\0").replace("\0", ".")[:200]


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def write(document: Mapping[str, Any], form: str) -> str:
    """Return a document as the text of a file; raises Invalid where the format cannot say it."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
    if form == "yaml":
        text: str = yaml_package().safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=1000)
        return text
    return _write_toml(document)


def _write_toml(document: Mapping[str, Any]) -> str:
    """Return ``kind → name → fields`` as tables, with what is inside of a field in one line."""
    lines = [f"{_key(name)} = {_toml(value, name)}" for name, value in document.items() if not isinstance(value, dict)]
    for kind, things in document.items():
        if not isinstance(things, dict):
            continue
        lines += [] if things else ["", f"[{_key(kind)}]"]
        for name, fields in things.items():
            lines += ["", f"[{_key(kind)}.{_key(name)}]"]
            lines += [f"{_key(field)} = {_toml(value, f'{kind}.{name}.{field}')}" for field, value in fields.items()]
    return "\n".join(lines).lstrip("\n") + "\n"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace(_DELETE, "\\u007f")


def _toml(value: Any, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item, path) for item in value) + "]"
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(name)} = {_toml(item, path)}" for name, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    raise Invalid("--format", f"{path} holds null, which TOML cannot say", hint="--format json")
