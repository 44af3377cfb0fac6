"""Reading the archive back: jobs or lines of logs, each once, whatever their file is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from rota.engine import parquet
from rota.engine.archive import Part, parts, raw_lines
from rota.errors import ArchiveUnreadable


class _Key(msgspec.Struct):
    id: str = ""
    job_id: str = msgspec.field(default="", name="jobId")
    n: int = 0


def read(folder: Path, of: str, since: str = "", until: str = "~", job_id: str | None = None) -> Iterator[bytes]:
    """Yield lines of ``jobs`` or ``logs`` of some days (``2026-11-21``, both included), the oldest day first.

    Of one that a crash had written twice on a day the last counts.  Raises ArchiveUnreadable.
    """
    found = [one for one in parts(folder) if one.of == of and since <= one.day <= until]
    for _, group in groupby(found, key=lambda one: one.day):
        yield from _day(list(group), job_id)


def _day(of_day: list[Part], job_id: str | None) -> Iterator[bytes]:
    last: dict[tuple[str, int], int] = {}
    for place, (key, _) in enumerate(_lines(of_day)):
        last[key] = place
    for place, (key, line) in enumerate(_lines(of_day)):
        if last.get(key) == place and job_id in (None, key[0]):
            yield line


def _lines(of_day: list[Part]) -> Iterator[tuple[tuple[str, int], bytes]]:
    decode = msgspec.json.Decoder(_Key).decode
    for part in of_day:
        if part.packed and not parquet.installed():
            raise ArchiveUnreadable(f"{part.path} is Parquet", hint=parquet.EXTRA)
        try:
            for line in parquet.read(part.path, part.of) if part.packed else raw_lines(part.path):
                key = decode(line)
                yield (key.id or key.job_id, key.n), line
        except FileNotFoundError:
            raise ArchiveUnreadable(f"{part.path} is being made into Parquet", hint="ask again") from None
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            raise ArchiveUnreadable(
                f"{part.path} cannot be read: {error}", hint="move it elsewhere, and ask again"
            ) from None
