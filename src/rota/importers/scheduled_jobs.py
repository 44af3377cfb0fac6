"""Reads the history of an admin job service: its table ``scheduled_jobs`` as CSV, JSON or a dump of pg_dump."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from rota.errors import Invalid
from rota.importers.found import Refused, decoded, one_line
from rota.jsontext import check_type

MOST_ROWS = 1_000_000
MOST_REFUSED = 10_000
LONGEST_CELL = 4 << 20
ENDED = ("completed", "failed", "cancelled")
HOW_TO_SAVE = r"""psql -c "\copy scheduled_jobs TO 'scheduled_jobs.csv' CSV HEADER" """.strip()
_COPY = re.compile(r'^COPY (?:[^\s(]+\.)?"?scheduled_jobs"? \((?P<names>[^)\n]*)\) FROM stdin;', re.MULTILINE)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_OFFSET = re.compile(r"(?<=[0-9])([+-][0-9]{2})\Z")


class PastJob(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A row of a job that has ended, as the REST API takes it."""

    line: int
    id: str
    job_type: str
    status: str
    created_at: str
    completed_at: str
    started_at: str | None = None
    started_by: str | None = None
    error: str | None = None
    result: Any = None

    def document(self) -> dict[str, Any]:
        """Return the row as it is sent."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        del found["line"]
        return found


class History(msgspec.Struct, kw_only=True):
    """All that a file says."""

    entries: list[PastJob] = msgspec.field(default_factory=list)
    errors: list[Refused] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)


def read(raw: bytes) -> History:
    """Read rows; those of jobs that have not ended are refused."""
    found = History()
    for line, row in _rows(decoded(raw), found):
        if len(found.entries) >= MOST_ROWS:
            raise Invalid("FILE", f"has more than {MOST_ROWS:,} rows", hint="import it in parts")
        try:
            found.entries.append(_job(line, row))
        except Invalid as error:
            _refuse(found, line, f"{error.field}: {error.reason}" if error.field else error.reason)
    return found


def _refuse(found: History, line: int, reason: str) -> None:
    if len(found.errors) >= MOST_REFUSED:
        raise Invalid("FILE", f"has more than {MOST_REFUSED:,} rows that cannot be imported")
    found.errors.append(Refused(line, one_line(reason)))


def _rows(text: str, found: History) -> Iterator[tuple[int, Mapping[str, Any]]]:
    head = text.lstrip()[:1]
    if head == "[":
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Invalid("FILE", f"is not JSON: {error}") from None
        yield from ((number, row) for number, row in enumerate(rows, 1))
    elif head == "{":
        for number, line in enumerate(text.split("\n"), 1):
            try:
                if line.strip():
                    yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                _refuse(found, number, f"is not JSON: {error}")
    elif copied := _COPY.search(text):
        yield from _copy(text, copied)
    else:
        yield from _csv(text)


def _copy(text: str, head: re.Match[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Read the rows of a dump of pg_dump: lines of cells between tabs, up to one that says that they end."""
    names = [name.strip().strip('"') for name in head["names"].split(",")]
    first = text.count("\n", 0, head.end()) + 1
    for number, line in enumerate(text[head.end() :].split("\n"), first):
        if line.rstrip("\r") == "\\.":
            return
        if number > first:
            cells = [None if cell == "\\N" else _ESCAPE.sub(_meant, cell) for cell in line.rstrip("\r").split("\t")]
            yield number, dict(zip(names, cells, strict=False)) if len(cells) == len(names) else {}


def _meant(escape: re.Match[str]) -> str:
    return _ESCAPED.get(escape[1], escape[1])


def _csv(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        known = {str(name).strip() for name in reader.fieldnames or ()}
        if known and ("status" not in known or known.isdisjoint(("job_type", "jobType"))):
            raise Invalid("FILE", "names no columns job_type and status in its first line", hint=HOW_TO_SAVE)
        for row in reader:
            yield (
                reader.line_num,
                {name: None if value in ("", "\\N") else value for name, value in row.items() if name},
            )
    except csv.Error as error:
        raise Invalid("FILE", f"is not CSV: {error}") from None
    finally:
        csv.field_size_limit(before)


def _job(line: int, row: Any) -> PastJob:
    if not isinstance(row, Mapping):
        raise Invalid("", "is no object")
    status = _text(row, "status")
    if status not in ENDED:
        raise Invalid("status", f"{str(status)[:40]} is no end" if status else "is missing", hint="let it end first")
    job_type = check_type(_text(row, "job_type") or "", "job_type")
    started = _time(row, "started_at")
    created = _time(row, "created_at") or started
    completed = _time(row, "completed_at") or _time(row, "updated_at") or started or created
    if created is None or completed is None:
        raise Invalid("created_at", "is missing")
    return PastJob(
        line=line,
        id=_text(row, "id") or _missing("id"),
        job_type=job_type,
        status=status,
        created_at=created,
        completed_at=completed,
        started_at=started,
        started_by=_text(row, "started_by"),
        error=_text(row, "error"),
        result=_result(row),
    )


def _missing(name: str) -> str:
    raise Invalid(name, "is missing")


def _value(row: Mapping[str, Any], name: str) -> Any:
    """Return a column, by the table's name or by that of its JSON."""
    camel = re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
    return row.get(name, row.get(camel))


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = _value(row, name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or "\0" in value:
        raise Invalid(name, "is no text")
    return value


def _time(row: Mapping[str, Any], name: str) -> str | None:
    text = _text(row, name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(_OFFSET.sub(r"\1:00", text.strip()))  # PostgreSQL writes +00
    except ValueError:
        raise Invalid(name, f"{text[:40]!r} is no time") from None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    try:
        return found.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise Invalid(name, f"{text[:40]!r} is out of range") from None


def _result(row: Mapping[str, Any]) -> Any:
    value = _value(row, "result")
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise Invalid("result", "is no JSON") from None
