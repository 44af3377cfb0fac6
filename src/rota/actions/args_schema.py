"""JSON schemas as arguments are checked against them: within a time, whatever the schema and the arguments are.

A pattern such as ``(a+)+$``, a long list of objects that must all be different, or a schema that refers to itself
below ``anyOf`` can take hours, and patterns of the standard library hold up every thread meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from threading import local
from typing import Any

import attrs
import msgspec
import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

__all__ = ["Draft202012Validator", "NoPattern", "SchemaError", "TooLong", "Unresolvable", "compiled", "first_error"]

NoPattern = regex.error
WITHIN_S = 2.0
"""Of a processor: much more than 1 MiB of plain arguments takes."""
PATTERN_WITHIN_S = 0.2
MOST_KEPT = 1000
_COMPARED = frozenset(("const", "default", "enum", "examples"))

_Keyword = Callable[[Any, Any, Any, Any], Iterable[Any] | None]
_run = local()
"""Until when the check of this thread must be done."""


class TooLong(Exception):
    """The check is not done in time."""


def first_error(schema: str, args: str) -> ValidationError | None:
    """Return what does not fit first, None where all does.

    Raises `TooLong`, `NoPattern` and `Unresolvable`.
    """
    _run.until = time.thread_time() + WITHIN_S
    found: ValidationError | None = next(iter(_validator(schema).iter_errors(msgspec.json.decode(args))), None)
    return found


def parts(schema: Any) -> Iterator[tuple[str, Any]]:
    """Return every keyword of a schema with its value, at whatever depth; what is only compared is left out."""
    if isinstance(schema, list):
        for each in schema:
            yield from parts(each)
    elif isinstance(schema, dict):
        for name, value in schema.items():
            yield name, value
            if name not in _COMPARED:
                yield from parts(value)


def _timed(check: _Keyword) -> _Keyword:
    def run(validator: Any, value: Any, instance: Any, schema: Any) -> Iterable[Any] | None:
        if time.thread_time() > _run.until:
            raise TooLong
        return check(validator, value, instance, schema)

    return run


@lru_cache(maxsize=MOST_KEPT)
def compiled(pattern: str) -> regex.Pattern[str]:
    """Return a pattern, compiled; raises `NoPattern`."""
    return regex.compile(pattern)


def _is_in(pattern: str, text: str) -> bool:
    left = min(PATTERN_WITHIN_S, max(0.001, _run.until - time.thread_time()))
    try:
        # `concurrent`: other threads go on meanwhile.
        return compiled(pattern).search(text, timeout=left, concurrent=True) is not None
    except TimeoutError:
        raise TooLong from None


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _is_in(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, below in patterns.items():
        for name, value in instance.items():
            if _is_in(pattern, name):
                yield from validator.descend(value, below, path=name, schema_path=pattern)


def _additional_properties(validator: Any, below: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    more = [name for name in instance if name not in named and not any(_is_in(each, name) for each in patterns)]
    if validator.is_type(below, "object"):
        for name in more:
            yield from validator.descend(instance[name], below, path=name)
    elif not below and more:
        told = ", ".join(repr(name) for name in sorted(more))
        if patterns:
            verb = "does" if len(more) == 1 else "do"
            told_patterns = ", ".join(repr(each) for each in sorted(patterns))
            yield ValidationError(f"{told} {verb} not match any of the regexes: {told_patterns}")
        else:
            verb = "was" if len(more) == 1 else "were"
            yield ValidationError(f"Additional properties are not allowed ({told} {verb} unexpected)")


def _unique_items(validator: Any, wanted: bool, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if wanted and validator.is_type(instance, "array"):
        seen = {msgspec.json.encode(_plain(item), order="deterministic") for item in instance}
        if len(seen) < len(instance):
            yield ValidationError(f"{instance!r} has non-unique elements")


def _plain(value: Any) -> Any:
    """Return a value with one spelling for equal numbers: 1.0 is 1."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _kind() -> Any:
    own: dict[str, _Keyword] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    keywords = {**Draft202012Validator.VALIDATORS, **own}
    extended: Callable[..., Any] = extend
    kind = extended(Draft202012Validator, {name: _timed(check) for name, check in keywords.items()})
    # The library would take another kind where a part of the schema says `$schema`, and with it the slow keywords.
    kind.evolve = attrs.evolve
    return kind


_KIND = _kind()


@lru_cache(maxsize=MOST_KEPT)
def _validator(schema: str) -> Any:
    # An empty registry: a `$ref` to another address is an error, never a download.
    return _KIND(msgspec.json.decode(schema), registry=Registry())
