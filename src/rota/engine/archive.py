"""Ended jobs and their logs in files, written before retention deletes them: files of a day, JSON lines packed by gzip.

A file grows by whole members of gzip.  While one is added, a journal beside the file says how long it was before, so
that what a crash or a full disk leaves half written is cut off again.  A job is deleted only when its line has
reached the disk; one that was written and not deleted is written again, and its last line counts.

Where Parquet is wanted, a file that is quiet is set aside under a number and made into one, which is compared with it
before it goes.  Whatever is broken off is done again under the same name, so that nothing is lost or doubled by it.
"""

from __future__ import annotations

import gzip
import os
import re
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from rota.engine import parquet
from rota.engine.parquet import INTERNAL, JSON_FIELDS, camel, is_time, time_text
from rota.errors import SettingInvalid
from rota.model import LogChunk
from rota.store.retention import Ended

if os.name == "posix":
    import fcntl

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUIET_S = 3600.0
"""Nothing was added to a file for so long before it is made into Parquet."""
ENDING = ".jsonl.gz"
NAME = re.compile(r"(jobs|logs)-(\d{4,5}-\d\d-\d\d)(?:\.(\d{1,6}))?\.(jsonl\.gz|parquet)", re.ASCII)


class Differs(ValueError):
    """What was written as Parquet is not what the lines say."""


class Part(msgspec.Struct, frozen=True):
    """A file of the archive."""

    path: Path
    of: str
    """``jobs`` or ``logs``."""
    day: str
    number: int | None
    """Of those that are set aside; None for the one that grows."""
    packed: bool

    @property
    def order(self) -> tuple[str, str, int, bool]:
        """The oldest first: of a day those set aside as they were, and at last the one that grows."""
        return (self.of, self.day, 1 << 30 if self.number is None else self.number, self.packed)


def parts(folder: Path) -> list[Part]:
    """Return the files of a folder, the oldest first; one that is Parquet already is not told as lines too."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        match = NAME.fullmatch(path.name)
        if match is not None and path.is_file():
            of, day, number, ending = match.groups()
            found.append(Part(path, of, day, None if number is None else int(number), ending == "parquet"))
    packed = {(one.of, one.day, one.number) for one in found if one.packed}
    return sorted(
        (one for one in found if one.packed or (one.of, one.day, one.number) not in packed), key=lambda one: one.order
    )


class Archive:
    """A folder of such files; several processes of one machine may write into it."""

    def __init__(self, folder: str, *, packs: bool = False) -> None:
        """Nothing is made before the first job is written.  ``packs``: as Parquet, which raises where it cannot."""
        self._folder = Path(folder)
        self.packs = packs
        if packs and not parquet.installed():
            reason = "this installation cannot write parquet"
            raise SettingInvalid("ROTA_ARCHIVE_FORMAT", reason, hint=f"{parquet.EXTRA}, or jsonl")

    @contextmanager
    def locked(self, name: str = ".lock") -> Iterator[None]:
        """Keep others from writing; raises OSError where the folder cannot be used."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / name).open("ab") as lock:
            if os.name == "posix":
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def write(self, ended: Sequence[Ended]) -> None:
        """Write jobs, and return when they have reached the disk.

        Raises OSError where that fails; the file that was being written is then as it was.
        """
        by_day: dict[str, list[bytes]] = defaultdict(list)
        for one in ended:
            by_day[_day(one.job.completed_at or 0)].append(line(one))
        self._write("jobs", by_day)

    def write_logs(self, chunks: Sequence[LogChunk]) -> None:
        """Write lines of logs, each as one, by the day on which they were stored; as ``write``."""
        by_day: dict[str, list[bytes]] = defaultdict(list)
        for chunk in chunks:
            by_day[_day(chunk.at)] += log_lines(chunk)
        self._write("logs", by_day)

    def _write(self, of: str, by_day: Mapping[str, list[bytes]]) -> None:
        for day, lines in sorted(by_day.items()):
            self._append(self._folder / f"{of}-{day}{ENDING}", b"".join(lines))

    def _append(self, path: Path, content: bytes) -> None:
        journal = _journal(path)
        _cut(path, journal)
        before = path.stat().st_size if path.exists() else 0
        _store(journal, str(before).encode(), os.O_TRUNC)
        try:
            _store(path, gzip.compress(content, 6), os.O_APPEND)
            _sync_folder(self._folder)
        except OSError:
            with suppress(OSError):
                _cut(path, journal)
            raise
        journal.unlink()

    def rotate(self, turn: Callable[[], None]) -> int:
        """Make files that are quiet into Parquet; return how many.  ``turn`` is called now and then, and may raise.

        Raises OSError, and ValueError where one cannot be: it stays as it is.
        """
        if not self.packs or not self._folder.is_dir():
            return 0
        with self.locked():
            for one in parts(self._folder):
                if one.number is None and time.time() - one.path.stat().st_mtime >= QUIET_S:
                    self._set_aside(one)
        failed: list[Exception] = []
        with self.locked(".packing"):
            aside = [one for one in self._lines_aside() if not self._packed(one)]
            for path in aside:
                try:
                    _pack(path, turn)
                except (OSError, ValueError) as error:  # the others are not to wait for it
                    failed.append(error)
        if failed:
            raise failed[0]
        return len(aside)

    def _set_aside(self, one: Part) -> None:
        _cut(one.path, _journal(one.path))
        taken = [
            int(match[3]) for path in self._folder.glob(f"{one.of}-{one.day}.*")
            if (match := NAME.fullmatch(path.name)) and match[3]
        ]  # fmt: skip
        os.rename(one.path, self._folder / f"{one.of}-{one.day}.{max(taken, default=0) + 1}{ENDING}")
        _sync_folder(self._folder)

    def _lines_aside(self) -> list[Path]:
        found = (path for path in self._folder.glob(f"*{ENDING}") if (match := NAME.fullmatch(path.name)) and match[3])
        return sorted(found)

    def _packed(self, path: Path) -> bool:
        """Tell whether its Parquet is there, which it is only when it was compared: then the lines go."""
        if not _target(path).exists():
            return False
        path.unlink()
        return True


def _target(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(ENDING) + ".parquet")


def _pack(path: Path, turn: Callable[[], None]) -> None:
    of, target = path.name.partition("-")[0], _target(path)
    half = target.with_name(f".{target.name}.part")
    parquet.write(lambda: raw_lines(path), half, of, turn)
    with closing(raw_lines(path)) as ours, closing(parquet.read(half, of)) as theirs:
        for number, (one, other) in enumerate(zip_longest(ours, theirs)):
            if one != other:
                half.unlink()
                raise Differs(f"{path.name}: line {number + 1} is another as Parquet")
            if number % parquet.BATCH_ROWS == 0:
                turn()
    os.rename(half, target)
    _sync_folder(path.parent)
    path.unlink()


def raw_lines(path: Path) -> Generator[bytes, None, None]:
    """Yield the lines of a file, without what a crash has left half written.  Raises OSError."""
    with path.open("rb") as raw, gzip.GzipFile(fileobj=_Whole(raw, _whole_bytes(path)), mode="rb") as file:
        try:
            yield from file
        except (EOFError, zlib.error) as error:
            raise OSError(f"{path} is damaged: {error}") from None


class _Whole:
    """The first bytes of a file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(found)
        return found

    def seekable(self) -> bool:
        return False

    def seek(self, place: int) -> int:
        raise OSError("it is read once")


def _whole_bytes(path: Path) -> int:
    try:
        return int(_journal(path).read_bytes())
    except (FileNotFoundError, ValueError):  # nothing is added, or the journal itself is not yet written
        return path.stat().st_size


def _journal(path: Path) -> Path:
    return path.with_name(f".{path.name}.before")


def _cut(path: Path, journal: Path) -> None:
    """Bring a file to the length that it had before what was not finished."""
    try:
        before = int(journal.read_bytes() or b"-1")
    except FileNotFoundError:
        return
    if before >= 0 and path.exists():
        os.truncate(path, before)
    journal.unlink()


def _store(path: Path, content: bytes, how: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def line(ended: Ended) -> bytes:
    """Return a job and its earlier attempts as a line of JSON, with the names that the API has."""
    shown = _shown(msgspec.structs.asdict(ended.job))
    shown["attempts"] = [_shown(msgspec.structs.asdict(one), but={"job_id", "worker_id"}) for one in ended.attempts]
    return msgspec.json.encode(shown) + b"\n"


def log_lines(chunk: LogChunk) -> Iterator[bytes]:
    """Yield the lines of a chunk, with the names that the API has, and the job."""
    for n, (at_us, stream, text) in enumerate(msgspec.json.decode(chunk.body), chunk.first_line):
        shown = {"jobId": chunk.job_id, "attempt": chunk.attempt, "n": n, "at": time_text(at(at_us)), "stream": stream}
        yield msgspec.json.encode({**shown, "text": text}) + b"\n"


def _shown(fields: dict[str, Any], but: set[str] | frozenset[str] = INTERNAL) -> dict[str, Any]:
    return {camel(name): _value(name, value) for name, value in fields.items() if value is not None and name not in but}


def _value(name: str, value: Any) -> Any:
    if name in JSON_FIELDS:
        return msgspec.Raw(value.encode())
    return time_text(at(value)) if is_time(name) else value


def at(at_us: int) -> datetime:
    """Return a time (µs) as a date."""
    return EPOCH + timedelta(microseconds=at_us)


def _day(at_us: int) -> str:
    return f"{at(at_us):%Y-%m-%d}"
