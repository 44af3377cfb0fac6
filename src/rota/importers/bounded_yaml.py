"""YAML from outside: PyYAML's safe loader with bounds, so that a few lines of aliases do not become gigabytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from rota.errors import Invalid

MOST_ALIASES = 1000
MOST_MERGED = 10_000
"""Names that one mapping may come to have by merging others."""
MOST_VALUES = 1_000_000
"""Counted as often as they are repeated by aliases."""
MOST_DOCUMENTS = 10_000
DEEPEST = 100
_MARK = re.compile(r"^---(?=\s)", re.MULTILINE)
_DIRECTIVES = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n|%.*\n)*")
MERGE = "tag:yaml.org,2002:merge"


class Unreadable(Invalid):
    """What is no YAML, or beyond the bounds, from some line on."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__("FILE", f"is not YAML: {reason}")
        self.line = line


def yaml_package() -> Any:
    """Return PyYAML; raises Invalid where it is not installed."""
    try:
        return import_module("yaml")
    except ImportError:
        raise Invalid("FILE", "YAML needs the package PyYAML", hint="pip install 'rota[yaml]', or write TOML") from None


def loader(yaml: Any) -> Any:
    """Return the class of a loader that makes plain values only; it raises ValueError beyond the bounds."""

    class Bounded(yaml.SafeLoader):  # type: ignore[misc]  # known only when the package is there
        aliases = 0
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                self.aliases += 1
                if self.aliases > MOST_ALIASES:
                    raise ValueError(f"it has more than {MOST_ALIASES} aliases")
            self.depth += 1
            try:
                if self.depth > DEEPEST + 2:
                    raise ValueError("it is nested too deep")
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

        def flatten_mapping(self, node: Any) -> None:
            super().flatten_mapping(node)
            if len(node.value) > MOST_MERGED:
                raise ValueError(f"a mapping is merged of more than {MOST_MERGED} names")

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            seen: set[str] = set()
            for key, _ in node.value:
                if isinstance(key.value, str) and key.tag != MERGE:
                    if key.value in seen:
                        raise ValueError(f"{key.value!r} is given twice")
                    seen.add(key.value)
            return node

    return Bounded


def documents(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the documents of a text with the line in which each begins, and for one that is none what is wrong."""
    for number, (first, part) in enumerate(_parts(text)):
        if number >= MOST_DOCUMENTS:
            raise Invalid("FILE", f"has more than {MOST_DOCUMENTS:,} documents", hint="import it in parts")
        try:
            yield from _read(first, part)
        except Unreadable as error:
            yield error.line, error


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Divide a text where YAML does whatever stands there: at lines that begin with three dashes."""
    marks = [found.start() for found in _MARK.finditer(text)]
    begin = line = 0
    for end in [*marks, len(text)]:
        part = text[begin:end]
        if not _DIRECTIVES.fullmatch(part):  # these belong to what follows
            yield line, part
            begin, line = end, line + part.count("\n")


def _read(first: int, text: str) -> Iterator[tuple[int, Any]]:
    yaml = yaml_package()
    line = first + 1
    try:
        reader = loader(yaml)(text)
        while reader.check_node():
            node = reader.get_node()
            line = first + node.start_mark.line + 1
            value = reader.construct_document(node)
            _check(value, [MOST_VALUES], 0)
            yield line, value
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = first + mark.line + 1 if mark is not None else line
        raise Unreadable(where, str(getattr(error, "problem", None) or error)) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise Unreadable(line, str(error)[:200]) from None


def _check(value: Any, left: list[int], depth: int) -> None:
    left[0] -= 1
    if left[0] < 0:
        raise ValueError(f"it has more than {MOST_VALUES:,} values")
    if depth > DEEPEST:
        raise ValueError("it is nested too deep")
    if isinstance(value, dict):
        for item in value.values():
            _check(item, left, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, left, depth + 1)
