"""Arguments against the schema of their job type: what does not fit is refused before it is stored."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from rota.errors import Invalid

_SIMPLER = "an administrator may simplify the patterns, anyOf or uniqueItems of its argsSchema"


def check_fit(args: str, schema: str | None) -> None:
    """Raise Invalid for ``args.<path>`` when arguments (JSON text) do not fit a JSON schema (JSON text)."""
    if schema is None:
        return
    # Imported at the first use: its libraries take 100 ms, and most commands never check arguments.
    from rota.actions import args_schema

    try:
        error = args_schema.first_error(schema, args)
    except args_schema.Unresolvable as unresolvable:
        raise Invalid("argsSchema", f"refers to what cannot be found: {unresolvable}") from None
    except args_schema.NoPattern as wrong:
        raise Invalid("argsSchema", f"has a pattern that is none: {wrong}") from None
    except args_schema.TooLong:
        raise Invalid("args", "take too long to check against the schema of their type", hint=_SIMPLER) from None
    if error is None:
        return
    path = ".".join(["args", *(str(part) for part in error.absolute_path)])
    reason = error.message if len(error.message) <= 300 else error.message[:300] + "…"
    raise Invalid(path, reason, hint=_hint(schema))


def check_schema(schema: str, field: str) -> None:
    """Raise Invalid unless ``schema`` is a JSON schema whose patterns can be bounded."""
    from rota.actions import args_schema

    found = msgspec.json.decode(schema)
    try:
        args_schema.Draft202012Validator.check_schema(found)
    except args_schema.SchemaError as error:
        path = ".".join([field, *(str(part) for part in error.absolute_path)])
        raise Invalid(path, f"is no JSON schema: {error.message[:300]}") from None
    keywords = {name for name, _ in args_schema.parts(found)}
    if {"patternProperties", "unevaluatedProperties"} <= keywords:
        raise Invalid(field, "has unevaluatedProperties beside patternProperties", hint="say additionalProperties")


@lru_cache(maxsize=1000)
def _hint(schema: str) -> str | None:
    properties = msgspec.json.decode(schema).get("properties")
    return f"it takes {', '.join(properties)}" if properties else None
