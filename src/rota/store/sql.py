"""One SQL text for both databases.

Statements are written once, with ``:name`` parameters and a few macros where the databases differ:

- ``{pg|text}`` and ``{lite|text}``: text for one of them only;
- ``{uuid}``, ``{json}``: the column types; ``{json|:p}``: a parameter that is a JSON document;
- ``{rows|u|batch|id uuid, n int}``: the JSON array in ``:batch`` as a table ``u``.  A batch goes as one JSON
  parameter because arrays took ten times as long by a bad plan (docs/decisions/0003-one-sql-text.md);
- ``{few|…}``: the same, for a join that must look each of them up.  PostgreSQL takes an array for a hundred rows, and
  for so many rather reads a table of up to 17,000 rows from end to end, 2.5 ms; behind a limit that it cannot foresee
  it takes it for ten;
- ``{in|SELECT id …}``: the ids that a subquery finds, as a condition.  PostgreSQL gets them as an array, so that it
  looks them up; a subquery it joins as it sees fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Literal

import msgspec

Dialect = Literal["sqlite", "postgresql"]

_MACRO = re.compile(r"\{(\w+)(?:\|([^{}]*))?\}")
_PARAMETER = re.compile(r"(?<!:):([a-z_]\w*)")
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_SURROGATE = re.compile("[\ud800-\udfff]")


@cache
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
        if name == "in":
            return f"= ANY(ARRAY({body}))" if postgres else f"IN ({body})"
        if name in ("rows", "few"):
            alias, parameter, columns = (part.strip() for part in body.split("|"))
            rows = _rows(alias, parameter, columns, postgres=postgres)
            few = name == "few" and postgres
            return f"(SELECT * FROM {rows} LIMIT (SELECT 1000000)) AS {alias}" if few else rows
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
    # The limit keeps SQLite from putting the fields in place of their names, and looking into the JSON for each use.
    return f"(SELECT {fields} FROM json_each(:{parameter}) LIMIT -1) AS {alias}"


def containing(text: str) -> str:
    r"""Return the pattern for ``lower(column) LIKE :p ESCAPE '\'`` that finds ``text`` anywhere, in any case."""
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def batch(rows: Any) -> str:
    """Return rows as the JSON array that ``{rows|…}`` reads.

    Characters that a database cannot store (NUL, lone surrogates) become U+FFFD: one such character in the error
    of one job must not keep a batch of results from being written.  Escapes within JSON documents stay as they are.
    """
    try:
        text = msgspec.json.encode(rows).decode()
    except UnicodeEncodeError:
        text = json.dumps(_storable(msgspec.to_builtins(rows)), ensure_ascii=False)
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def storable(values: Iterable[Any]) -> bool:
    """Tell whether the texts among values hold nothing that ``batch`` would have to replace."""
    text = "".join(value for value in values if type(value) is str)
    return "\0" not in text and (text.isascii() or _SURROGATE.search(text) is None)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(item) for item in value]
    return value
