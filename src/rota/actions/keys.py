"""Keys that take parts from the arguments of a job, and labels that a worker must have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from rota.errors import Invalid
from rota.jsontext import check_name, check_text

LONGEST_KEY = 500
MOST_KEY_BYTES = 1000
"""A key stands in an index, whose entries must be short."""
MOST_LABELS = 10
LONGEST_LABEL = 60

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_PATH = re.compile(r"[^\s.{}]+(\.[^\s.{}]+)*")

Part = str | tuple[str, ...]


def filled(template: str | None, args: Any, field: str) -> str | None:
    """Return a key with its parts from ``args`` (decoded JSON); raises Invalid for ``field``."""
    if template is None:
        return None
    parts = parsed(template, field)
    key = "".join(part if isinstance(part, str) else _at(args, part, field) for part in parts)
    return check_key(key, field)


def check_key(key: str, field: str) -> str:
    """Return a key that a job can have, else raise Invalid for ``field``."""
    if not key:
        raise Invalid(field, "is empty", hint="leave it out, or give a key")
    check_text(key, field, max_length=LONGEST_KEY)
    if len(key.encode()) > MOST_KEY_BYTES:
        raise Invalid(field, f"is longer than {MOST_KEY_BYTES} bytes", hint="take a shorter part of the arguments")
    return key


def takes_args(template: str | None, field: str) -> bool:
    """Tell whether a key is made from arguments; raises Invalid where it is none."""
    return template is not None and any(isinstance(part, tuple) for part in parsed(template, field))


@lru_cache(maxsize=1000)
def parsed(template: str, field: str) -> tuple[Part, ...]:
    """Return texts, and the paths of what is taken from the arguments; raises Invalid for ``field``."""
    check_text(template, field, max_length=LONGEST_KEY)
    parts: list[Part] = []
    for match in _PART.finditer(template):
        text = match[0]
        if text in ("{{", "}}"):
            parts.append(text[0])
        elif match[1] is not None:
            if not _PATH.fullmatch(match[1]):
                raise Invalid(field, f"{text!r} names no argument", hint="write for example {customer.id}, {{ for {")
            parts.append(tuple(match[1].split(".")))
        elif text in "{}":
            raise Invalid(field, f"a single {text!r} stands in it", hint="write {argument}, and {{ or }} for a brace")
        else:
            parts.append(text)
    return tuple(parts)


def _at(args: Any, path: Sequence[str], field: str) -> str:
    """Return the text of an argument."""
    found, name = args, ".".join(path)
    for part in path:
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and len(part) < 10 and int(part) < len(found):
            found = found[int(part)]
        else:
            raise Invalid(field, f"takes {name} from the arguments, and there is none", hint="give that argument")
    if isinstance(found, str):
        return found
    if found is None or isinstance(found, (dict, list)):
        kind = "null" if found is None else "an object" if isinstance(found, dict) else "a list"
        raise Invalid(field, f"takes {name} from the arguments, which is {kind}", hint="take a text or a number")
    return msgspec.json.encode(found).decode()


def check_labels(labels: Sequence[str] | None, field: str = "runOn") -> str | None:
    """Return labels as they are stored: sorted, each once, so that the same ones are the same text; None for none."""
    if not labels:
        return None
    if len(labels) > MOST_LABELS:
        raise Invalid(field, f"{len(labels)} labels are too many", hint=f"at most {MOST_LABELS}")
    for place, label in enumerate(labels):
        check_name(label, f"{field}.{place}", LONGEST_LABEL)
    return msgspec.json.encode(sorted(set(labels))).decode()
