"""One SQL text for both databases.

Statements are written once, with ``:name`` parameters and a few macros where the databases differ:

- ``{pg|text}`` and ``{lite|text}``: text for one of them only;
- ``{uuid}``, ``{json}``: the column types; ``{json|:p}``: a parameter that is a JSON document;
- ``{rows|u|batch|id uuid, n int}``: the JSON array in ``:batch`` as a table ``u``.  A batch goes as one JSON
  parameter because arrays took ten times as long by a bad plan (docs/decisions/0002-one-sql-text.md).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Dialect = Literal["sqlite", "postgresql"]

_MACRO = re.compile(r"\{(\w+)(?:\|([^{}]*))?\}")
_PARAMETER = re.compile(r"(?<!:):([a-z_]\w*)")


@lru_cache(maxsize=None)
def render(template: str, dialect: Dialect) -> str:
    """Return ``template`` as the given database (and its driver) wants it."""
    postgres = dialect == "postgresql"

    def expand(match: re.Match[str]) -> str:
        name, body = match[1], match[2]
        if name in ("pg", "lite"):
            return (body or "") if (name == "pg") == postgres else ""
        if name == "uuid":
            return "uuid" if postgres else "text"
        if name == "json":
            if body is None:
                return "json" if postgres else "text"
            return f"CAST({body} AS json)" if postgres else body
        if name == "rows":
            return _rows(*(part.strip() for part in body.split("|")), postgres=postgres)
        raise ValueError(f"unknown macro {name!r} in: {template}")

    text = template
    while _MACRO.search(text):  # macros may stand inside macros, innermost first
        text = _MACRO.sub(expand, text)
    if postgres:
        text = _PARAMETER.sub(r"%(\1)s", text.replace("%", "%%"))
    return text


def _rows(alias: str, parameter: str, columns: str, *, postgres: bool) -> str:
    names = [column.split() for column in columns.split(",")]
    if postgres:
        typed = ", ".join(f"{name} {kind}" for name, kind in names)
        return f"json_to_recordset(CAST(:{parameter} AS json)) AS {alias}({typed})"
    fields = ", ".join(f"value->>'{name}' AS {name}" for name, _ in names)
    return f"(SELECT {fields} FROM json_each(:{parameter})) AS {alias}"
