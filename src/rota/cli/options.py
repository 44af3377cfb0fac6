"""Options that several commands have, and values that several take."""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from rota.durations import parse_duration
from rota.errors import Invalid

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
MOST_BYTES = 16 << 20
"""Of a file on the command line: far above what a service takes, and it fits into memory."""
_DURATION = re.compile(r"\s*[0-9.]+\s*(ms|[dhms])", re.ASCII)


def parse_json(text: str, field: str) -> Any:
    """Return JSON given on the command line, or in the file behind ``@`` (``@-``: standard input), as it was written.

    Raises Invalid for ``field``.
    """
    raw = read_file(text[1:], field) if text.startswith("@") else text.encode()
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError) as error:
        reason = str(error)[:1].lower() + str(error)[1:]
        raise Invalid(field, f"is not JSON: {reason}", hint="quote it for the shell, as in '{\"limit\": 10}'") from None
    except RecursionError:
        raise Invalid(field, "is nested too deep", hint="at most 64 levels") from None
    return msgspec.Raw(raw)


def read_file(name: str, field: str) -> bytes:
    """Return the bytes of a file, ``-`` for standard input; raises Invalid for ``field``."""
    try:
        if name == "-":
            raw = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                raw = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Invalid(field, f"{name} cannot be read: {reason}") from error
    if len(raw) > MOST_BYTES:
        raise Invalid(field, f"{name} is larger than {MOST_BYTES >> 20} MiB")
    return raw


def parse_priority(text: str | None) -> int | str | None:
    """Return a priority as the API takes it: a number, or the name of one."""
    return int(text) if text is not None and re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII) else text


def past(text: str | None, field: str) -> str | None:
    """Return a time for a filter: one that was written out, or that so long ago (``2h``)."""
    return _counted_from_now(text, field, -1)


def future(text: str | None, field: str) -> str | None:
    """Return the end of a pause: a time that was written out, or one so long from now (``2h``)."""
    return _counted_from_now(text, field, 1)


def _counted_from_now(text: str | None, field: str, sign: int) -> str | None:
    if text is None or not _DURATION.match(text) or "-" in text or ":" in text:
        return text
    return timestamp(time.time_ns() // 1000 + sign * parse_duration(text, field))


def timestamp(at_us: int) -> str:
    """Return a time as the API writes it."""
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat("T", "milliseconds") + "Z"


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None and value != ()}
