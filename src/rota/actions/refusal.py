"""Why a document was refused: the field by its whole path, and the name or the value that was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec.inspect import DictType, ListType, LiteralType, StructType, Type, UnionType, type_info

from rota.errors import Invalid, meant

MOST_NAMED = 12
"""So many known names are listed where none is near."""
_PARTS = re.compile(r"^(.*?)(?: - at `(?:key` in `)?\$(.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+|\.\.\.)\]")
_FIELD = re.compile(r"field `([^`]+)`")
_VALUE = re.compile(r"^Invalid enum value '(.*)'$", re.DOTALL)
_SOME_KEY = "..."
"""So msgspec says where in a mapping it was."""


def refused(error: msgspec.ValidationError, kind: Any, prefix: str = "", raw: bytes | str = b"") -> Invalid:
    """Return our own error for the document ``raw``, which is no ``kind``."""
    match = _PARTS.match(str(error))
    reason, path = (match[1], match[2] or "") if match else (str(error), "")
    steps = [step[1] or step[2] for step in _STEP.finditer(path)]
    types = _at(type_info(kind), steps)
    if _SOME_KEY in steps:
        steps = _with_keys(steps, kind, raw, str(error))
    field = _FIELD.search(reason)
    named = ".".join(part for part in (prefix, *steps, field[1] if field else "") if part)
    return Invalid(named or "body", reason[0].lower() + reason[1:], hint=_hint(reason, types))


def _hint(reason: str, types: Sequence[Type]) -> str | None:
    if value := _VALUE.match(reason):
        values = [str(value) for one in types if isinstance(one, LiteralType) for value in one.values]
        return meant(value[1], values, f"one of {', '.join(values)}") if values else None
    field = _FIELD.search(reason)
    if field is None or "unknown" not in reason:
        return None
    names = [field.encode_name for one in types if isinstance(one, StructType) for field in one.fields]
    return meant(field[1], names, f"known: {', '.join(sorted(names))}" if len(names) <= MOST_NAMED else None)


def _at(kind: Type, steps: Sequence[str]) -> list[Type]:
    """Return what may stand at a place."""
    found = list(_each(kind))
    for step in steps:
        found = [each for one in found for inside in _inside(one, step) for each in _each(inside)]
    return found


def _each(kind: Type) -> Iterator[Type]:
    if isinstance(kind, UnionType):
        yield from kind.types
    else:
        yield kind


def _inside(kind: Type, step: str) -> Iterator[Type]:
    if isinstance(kind, StructType):
        yield from (field.type for field in kind.fields if field.encode_name == step)
    elif isinstance(kind, ListType):
        yield kind.item_type
    elif isinstance(kind, DictType):
        yield kind.value_type


def _with_keys(steps: Sequence[str], kind: Any, raw: bytes | str, error: str) -> list[str]:
    """Return the path with the keys of mappings: the one without which the error is gone."""
    try:
        document = msgspec.json.decode(raw)
        place = document
        found: list[str] = []
        for step in steps:
            found.append(_wrong_key(place, kind, document, error) if step == _SOME_KEY else step)
            place = place[int(step) if isinstance(place, list) else found[-1]]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        # It cannot be told: where a key was given twice, the last one is here, and the refused one perhaps not.
        return list(steps)
    return found


def _wrong_key(place: dict[str, Any], kind: Any, document: Any, error: str) -> str:
    """Halve a mapping of the document until one key is left; what else it held is gone afterwards."""
    items = list(place.items())
    while len(items) > 1:
        half = items[: len(items) // 2]
        place.clear()
        place.update(half)
        items = half if _error(kind, document) == error else items[len(items) // 2 :]
    place.clear()
    place.update(items)
    return items[0][0]


def _error(kind: Any, document: Any) -> str:
    try:
        msgspec.json.decode(msgspec.json.encode(document), type=kind)
    except msgspec.ValidationError as error:
        return str(error)
    return ""
