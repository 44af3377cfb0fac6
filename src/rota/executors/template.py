"""Body templates: ``{{args.user.id}}`` in a text becomes the value.

A text that is one placeholder and nothing else becomes the value itself, with its type; inside a longer text the
value is written out and escaped for what surrounds it.  There is no logic, no call and no access but to the values
given.  A placeholder without a value is an error: a target must not be called with half a body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote_plus

import msgspec

from rota.errors import Invalid

Form = Literal["json", "inside", "text", "form"]
"""How a value is written: as JSON, inside a JSON text, plainly, or percent-encoded for a form."""

MAX_BODY_BYTES = 2 << 20
MAX_DEPTH = 64
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_PATH = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*", re.ASCII)


class NoValue(Exception):
    """A placeholder has no value among those given."""


class TooLong(Exception):
    """The body is longer than the limit."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value."""

    path: tuple[str, ...]
    form: Form

    def __str__(self) -> str:
        return "{{" + ".".join(self.path) + "}}"


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled body: texts and slots in their order."""

    pieces: tuple[str | Slot, ...]

    def render(self, values: Mapping[str, object], limit: int = MAX_BODY_BYTES) -> str:
        """Return the body with its values.  Raises `NoValue`, and `TooLong` beyond ``limit`` characters."""
        written: dict[Slot, str] = {}
        parts: list[str] = []
        length = 0
        for piece in self.pieces:
            if isinstance(piece, Slot):
                text = written.get(piece)
                if text is None:
                    text = written[piece] = _write(_find(piece, values), piece.form)
            else:
                text = piece
            length += len(text)
            if length > limit:
                raise TooLong
            parts.append(text)
        return "".join(parts)


def compile_json(body: object, roots: frozenset[str], field: str = "body") -> Template:
    """Compile a JSON value, whose texts may hold placeholders that begin with one of ``roots``.

    Raises `Invalid` for ``field``.
    """
    pieces: list[str | Slot] = []
    _compile(body, pieces, roots, field, MAX_DEPTH)
    return Template(_joined(pieces))


def compile_text(body: str, roots: frozenset[str], form: Form, field: str = "body") -> Template:
    """Compile a plain text (``form`` "text") or a web form ("form").  Raises `Invalid` for ``field``."""
    return Template(_joined(_split(body, roots, form, field)))


def is_placeholder(text: str) -> bool:
    """Tell whether ``text`` is one placeholder and nothing else."""
    return _PLACEHOLDER.fullmatch(text) is not None


def _compile(value: object, pieces: list[str | Slot], roots: frozenset[str], field: str, depth: int) -> None:
    if depth == 0:
        raise Invalid(field, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        comma = "{"
        for key, item in value.items():
            pieces.append(f"{comma}{_encode(str(key))}:")
            _compile(item, pieces, roots, f"{field}.{key}", depth - 1)
            comma = ","
        pieces.append("}" if comma == "," else "{}")
    elif isinstance(value, list):
        comma = "["
        for index, item in enumerate(value):
            pieces.append(comma)
            _compile(item, pieces, roots, f"{field}.{index}", depth - 1)
            comma = ","
        pieces.append("]" if comma == "," else "[]")
    elif isinstance(value, str):
        pieces.extend(_json_text(value, roots, field))
    else:
        pieces.append(_encode(value))


def _json_text(text: str, roots: frozenset[str], field: str) -> list[str | Slot]:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole is not None:
        return [Slot(_path(whole[1], roots, field), "json")]
    parts = _split(text, roots, "inside", field)
    return ['"', *(part if isinstance(part, Slot) else _encode(part)[1:-1] for part in parts), '"']


def _split(text: str, roots: frozenset[str], form: Form, field: str) -> list[str | Slot]:
    pieces: list[str | Slot] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        pieces.append(text[end : match.start()])
        pieces.append(Slot(_path(match[1], roots, field), form))
        end = match.end()
    pieces.append(text[end:])
    if any("{{" in piece for piece in pieces if isinstance(piece, str)):
        raise Invalid(field, "a {{ is never closed by }}", hint="write a placeholder as {{args.user.id}}")
    return pieces


def _path(text: str, roots: frozenset[str], field: str) -> tuple[str, ...]:
    if not _PATH.fullmatch(text):
        raise Invalid(field, f"{{{{{text}}}}} is not a placeholder", hint="write it as {{args.user.id}}")
    path = tuple(text.split("."))
    if path[0] not in roots:
        raise Invalid(field, f"{{{{{text}}}}} names nothing known", hint="known: " + ", ".join(sorted(roots)))
    return path


def _joined(pieces: list[str | Slot]) -> tuple[str | Slot, ...]:
    joined: list[str | Slot] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece != "":
            joined.append(piece)
    return tuple(joined)


def _find(slot: Slot, values: Mapping[str, object]) -> object:
    found: object = values
    for step in slot.path:
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and len(step) <= 9 and int(step) < len(found):
            found = found[int(step)]
        else:
            raise NoValue(str(slot))
    return found


def _write(value: object, form: Form) -> str:
    if form == "json":
        return _encode(value)
    text = value if isinstance(value, str) else "" if value is None else _encode(value)
    if form == "inside":
        return _encode(text)[1:-1]
    return quote_plus(text) if form == "form" else text


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
