"""Functions whose results are too odd or too large to be kept."""

from __future__ import annotations

from typing import Any


def an_object() -> Any:
    return {"deep": [object()]}


def itself() -> Any:
    found: list[Any] = []
    found.append(found)
    return found


def much(megabytes: int) -> str:
    return "x" * (megabytes << 20)
