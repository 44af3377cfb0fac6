"""Log lines of jobs, stored in chunks (1.4 µs a line against 6.4 as rows)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rota.ids import is_id
from rota.model import LogChunk
from rota.store.database import Tx
from rota.store.sql import batch

# A worker that lost its lease may still write: lines that the next attempt's numbers do not reckon with are left out,
# else they would take the place of that attempt's own.
APPEND = """
INSERT INTO rota_logs (job_id, attempt, first_line, lines, at, body)
SELECT u.job_id, u.attempt, u.first_line, u.lines, u.at, u.body
FROM {rows|u|batch|job_id uuid, attempt bigint, first_line bigint, lines bigint, at bigint, body text}
JOIN rota_jobs j ON j.id = u.job_id
WHERE (j.attempt = u.attempt AND j.status NOT IN ('pending', 'scheduled', 'held'))
  OR u.first_line + u.lines - 1 <= j.log_lines
ON CONFLICT DO NOTHING
"""


def append(tx: Tx, chunks: Sequence[LogChunk]) -> None:
    """Store chunks of the attempts that run; a chunk stored before is left as it is."""
    tx.run(APPEND, {"batch": batch(chunks)})


def drop(tx: Tx, chunks: Sequence[tuple[str, int]]) -> None:
    """Delete chunks named by (job, first line): the middle of a log that is too long."""
    sql = """
    DELETE FROM rota_logs WHERE (job_id, first_line) IN (
      SELECT u.job_id, u.first_line FROM {rows|u|batch|job_id uuid, first_line bigint})
    """
    tx.run(sql, {"batch": batch([{"job_id": job_id, "first_line": first} for job_id, first in chunks])})


def last_line(tx: Tx, job_id: str, known: int) -> int:
    """Return the number of the last stored line, at least ``known``."""
    sql = "SELECT max(first_line + lines - 1) FROM rota_logs WHERE job_id = :id"
    return max(tx.value(sql, {"id": job_id}) or 0, known)


# PostgreSQL knows the size of a text without reading it.
SIZES = """
SELECT attempt, sum({pg|octet_length}{lite|length}(body)) FROM rota_logs WHERE job_id = :id
GROUP BY attempt ORDER BY attempt DESC
"""
FORGET = "DELETE FROM rota_logs WHERE job_id = :id AND attempt > 1 AND attempt <= :last"


def shorten(tx: Tx, job_id: str, most_bytes: int) -> None:
    """Bring the log of a job to a size: what its first and its last attempts have written is kept."""
    sizes = {attempt: int(size) for attempt, size in tx.rows(SIZES, {"id": job_id})}
    room = most_bytes - sizes.pop(1, 0)
    for place, (attempt, size) in enumerate(sizes.items()):
        room -= size
        if room < 0 and place > 0:
            tx.run(FORGET, {"id": job_id, "last": attempt})
            return


class Part(msgspec.Struct, frozen=True):
    """Some lines of a log, {n, at, stream, attempt, text}, and how far it was looked at for them."""

    lines: list[dict[str, Any]]
    through: int
    """The number of the last line that was looked at."""
    complete: bool
    """Whether no line is stored behind it."""


FEW_CHUNKS = 8
MANY_CHUNKS = 512
MOST_CHARS = 4 << 20
"""So much of a log is looked at for one part, whatever is found."""

# From the chunk that has the next line on, which the primary key finds.
CHUNKS = """
SELECT attempt, first_line, body FROM rota_logs
WHERE job_id = :id AND first_line >= coalesce(
    (SELECT b.first_line FROM rota_logs b WHERE b.job_id = :id AND b.first_line <= :after + 1
     ORDER BY b.first_line DESC LIMIT 1), 0)
ORDER BY first_line LIMIT :chunks
"""
_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
SPEAKS_OF_AN_ERROR = re.compile("error|exception|traceback|fatal|panic", re.IGNORECASE)


def read(
    tx: Tx,
    job_id: str,
    *,
    after: int = 0,
    limit: int = 1000,
    attempt: int | None = None,
    stream: str | None = None,
    text: str | None = None,
    errors: bool = False,
) -> Part:
    """Return lines of a job after line number ``after`` (the first is 1): of an attempt, of a stream, with a text.

    Case and colours are no matter for the text.  With ``errors`` only lines that speak of one.  A part may be without
    a line that is wanted, and yet not complete.
    """
    if not is_id(job_id):
        return Part([], after, True)
    found: list[dict[str, Any]] = []
    chunks, looked_at, through = FEW_CHUNKS, 0, after
    wants = _wants(stream, None if text is None else text.casefold(), errors=errors)
    while True:
        rows = tx.rows(CHUNKS, {"id": job_id, "after": through, "chunks": chunks})
        for number, first, body in rows:
            looked_at += len(body)
            is_of_attempt = attempt is None or number == attempt
            for n, (at, source, line) in enumerate(msgspec.json.decode(body), first):
                if n <= through:
                    continue
                if len(found) >= limit:
                    return Part(found, through, False)
                through = n
                if is_of_attempt and wants(source, line):
                    found.append({"n": n, "at": at, "stream": source, "attempt": number, "text": line})
            if through > after and (looked_at >= MOST_CHARS or len(found) >= limit):
                return Part(found, through, False)
        if len(rows) < chunks:
            return Part(found, through, True)
        room = (MOST_CHARS - looked_at) * len(rows) // max(1, looked_at)
        chunks = max(FEW_CHUNKS, min(4 * chunks, MANY_CHUNKS, room))


def _wants(stream: str | None, text: str | None, *, errors: bool) -> Callable[[str, str], bool]:
    def wants(source: str, line: str) -> bool:
        return (
            stream in (None, source)
            and (text is None or _has(line, text))
            and (not errors or SPEAKS_OF_AN_ERROR.search(line) is not None)
        )

    return wants


def _has(line: str, wanted: str) -> bool:
    return wanted in (_COLOURS.sub("", line) if "\x1b" in line else line).casefold()


def lines(
    tx: Tx, job_id: str, *, after: int = 0, limit: int = 1000, attempt: int | None = None
) -> list[dict[str, Any]]:
    """Return the lines of a job after line number ``after`` (the first is 1): {n, at, stream, attempt, text}."""
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        part = read(tx, job_id, after=after, limit=limit - len(found), attempt=attempt)
        found += part.lines
        if part.complete:
            break
        after = part.through
    return found
