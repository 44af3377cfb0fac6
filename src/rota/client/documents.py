"""What a program says of a job, as the document that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rota.durations import format_duration, parse_duration
from rota.errors import Invalid
from rota.job import Retry


def job_document(
    job: Mapping[str, Any] | str, args: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the contract's job in; options may be written in snake_case.  Raises Invalid for what cannot be sent."""
    document: dict[str, Any] = {"jobType": job} if isinstance(job, str) else dict(job)
    if args is not None:
        document["args"] = args
    for name, value in (options or {}).items():
        if value is None:
            continue
        if name == "delay":
            document["delayMs"] = parse_duration(value, name) // 1000
        else:
            document[_camel(name)] = _plain(value, name)
    return document


def _plain(value: Any, name: str) -> Any:
    """Return what JSON can say of an option."""
    if isinstance(value, Retry):
        return value.document()
    if isinstance(value, timedelta):
        return format_duration(parse_duration(value, name))
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise Invalid(name, "has no time zone", hint="datetime(…, tzinfo=UTC)")
        return value.isoformat()
    return value


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
