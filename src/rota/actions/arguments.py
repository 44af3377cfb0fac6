"""Arguments against the schema of their job type: what does not fit is refused before it is stored."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from rota.errors import Invalid

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


def check_fit(args: str, schema: str | None) -> None:
    """Raise Invalid for ``args.<path>`` when arguments (JSON text) do not fit a JSON schema (JSON text)."""
    if schema is None:
        return
    from referencing.exceptions import Unresolvable

    try:
        error = next(iter(_validator(schema).iter_errors(msgspec.json.decode(args))), None)
    except Unresolvable as unresolvable:
        raise Invalid("argsSchema", f"refers to what cannot be found: {unresolvable}") from None
    if error is None:
        return
    path = ".".join(["args", *(str(part) for part in error.absolute_path)])
    reason = error.message if len(error.message) <= 300 else error.message[:300] + "…"
    raise Invalid(path, reason, hint=_hint(schema))


def check_schema(schema: str, field: str) -> None:
    """Raise Invalid unless ``schema`` is a JSON schema."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(msgspec.json.decode(schema))
    except SchemaError as error:
        path = ".".join([field, *(str(part) for part in error.absolute_path)])
        raise Invalid(path, f"is no JSON schema: {error.message[:300]}") from None


@lru_cache(maxsize=1000)
def _validator(schema: str) -> Validator:
    # Imported at the first use: jsonschema takes 70 ms, and most commands never check arguments.
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # An empty registry: a `$ref` to another address is an error, never a download.
    return Draft202012Validator(msgspec.json.decode(schema), registry=Registry())


@lru_cache(maxsize=1000)
def _hint(schema: str) -> str | None:
    properties = msgspec.json.decode(schema).get("properties")
    return f"it takes {', '.join(properties)}" if properties else None
