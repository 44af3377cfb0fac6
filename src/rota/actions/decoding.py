"""From what users send to the specs it becomes: what does not fit is refused with the field that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from rota.actions.refusal import refused
from rota.actions.specs import ABSENT, Spec
from rota.errors import Invalid
from rota.jsontext import BODY, malformed

T = TypeVar("T")


def decode(raw: bytes | str, kind: type[T], prefix: str = "") -> T:
    """Decode JSON into a spec; raises Invalid with the field that is wrong."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise refused(error, kind, prefix, raw) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        document = raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace")
        raise malformed(prefix or BODY, document, error) from None


def convert(value: Any, kind: type[T], prefix: str = "") -> T:
    """Turn plain values, as Python callers give them, into a spec; raises Invalid with the field that is wrong."""
    try:
        document = msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(prefix or "value", f"is not JSON: {error}") from None
    return decode(document, kind, prefix)


def encode(spec: Spec) -> str:
    """Return a spec as JSON; what was not given is left out."""
    names = zip(spec.__struct_fields__, spec.__struct_encode_fields__, strict=True)
    values = {name: getattr(spec, field) for field, name in names}
    return msgspec.json.encode({name: value for name, value in values.items() if value not in (None, ABSENT)}).decode()


@contextmanager
def of_many(place: int | None) -> Iterator[None]:
    """Name the one of many schedules that is wrong; None where there is only one."""
    try:
        yield
    except Invalid as error:
        if place is None:
            raise
        raise type(error)(f"schedules.{place}.{error.field}", error.reason, hint=error.hint) from None
