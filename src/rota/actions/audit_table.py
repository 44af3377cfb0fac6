"""The audit as a table (CSV), for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

COLUMNS = (
    "id", "at", "text", "actor", "role", "origin", "client", "action", "noun", "name", "note", "before", "after",
)  # fmt: skip
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def head() -> str:
    """Return the line of the names."""
    return _lines([COLUMNS])


def lines(entries: Iterable[Mapping[str, Any]]) -> str:
    """Return entries, as they are answered, a line each."""
    return _lines([_cell(entry[column]) for column in COLUMNS] for entry in entries)


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    text = "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(_FORMULAS) else text
