"""Options that several commands have."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from rota.errors import Invalid

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def parse_json(text: str, field: str) -> Any:
    """Return JSON given on the command line, kept as it was written."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Invalid(field, f"is not JSON: {error}", hint="quote it for the shell: --args '{\"limit\": 10}'") from None
    except RecursionError:
        raise Invalid(field, "is nested too deep", hint="at most 64 levels") from None
    return msgspec.Raw(text.encode("utf-8", "surrogateescape"))


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None and value != ()}
