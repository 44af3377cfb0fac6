"""A pass of the reliability tests, as a table for people and as JSON to keep."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.support import postgres_binaries

ROOT = Path(__file__).parents[2]
PASSES = ROOT / "docs" / "explanation" / "chaos"
"""Where passes are kept."""
Figure = int | float | str
LONGEST_ERROR = 300


class Line(msgspec.Struct, rename="camel"):
    """What one test found, or a file of small ones."""

    ids: list[str]
    """The lines of the table that it proves."""
    file: str
    test: str = ""
    """Nothing where it is the whole file."""
    parameters: str = ""
    database: str = ""
    outcome: str = "passed"
    seconds: float = 0.0
    figures: dict[str, Figure] = {}
    error: str = ""
    ended: bool = False
    """Of a file of tests: one of them."""


class Machine(msgspec.Struct, rename="camel"):
    """Where it was."""

    system: str
    python: str
    sqlite: str
    postgres: str
    cores: int
    memory_gib: float
    niceness: int
    load: list[float]
    """At the beginning and at the end, of one minute."""


class Pass(msgspec.Struct, rename="camel"):
    """One run of all lines, or of some."""

    at: str
    seed: str
    commit: str
    changed: bool
    """Whether files of the product or its tests were not those of the commit."""
    size: str
    jobs: int
    machine: Machine
    seconds: float = 0.0
    passed: bool = False
    broken_off: bool = False
    """Whether it ended before all tests had run."""
    lines: list[Line] = []


def begin(seed: str, size: str, jobs: int) -> Pass:
    """A pass of which nothing has run yet."""
    state = _said("git", "status", "--porcelain", "--untracked-files=no", "src", "tests")
    return Pass(
        at=datetime.now(UTC).isoformat(timespec="seconds"), seed=seed, commit=_said("git", "rev-parse", "HEAD"),
        changed=bool(state), size=size, jobs=jobs, machine=_machine(),
    )  # fmt: skip


def end(found: Pass, seconds: float, *, broken_off: bool) -> None:
    """Sum it up."""
    found.seconds = round(seconds, 1)
    found.broken_off = broken_off
    found.passed = not broken_off and all(line.outcome == "passed" for line in found.lines)
    found.machine.load = [found.machine.load[0], _load()]
    found.lines.sort(key=lambda line: (line.ids, line.file, line.test, line.parameters))


def write(found: Pass, path: Path) -> None:
    """Write it to be read by people too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


def kept(folder: Path = PASSES) -> list[Pass]:
    """All passes that are kept, the oldest first; raises ValueError for a file that is none."""
    return sorted(map(_read, folder.glob("*.json")), key=lambda each: each.at)


def _read(path: Path) -> Pass:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Pass)
    except msgspec.DecodeError as wrong:
        raise ValueError(f"{path} is no pass of make chaos: {wrong}; take it away, or write it anew") from None


def shown(figures: dict[str, Figure]) -> str:
    """Figures as words."""
    words = (f"{value:.2f}" if isinstance(value, float) else str(value) for value in figures.values())
    return ", ".join(f"{what} {word}" for what, word in zip(figures, words, strict=True))


def table(lines: Sequence[Line]) -> Iterator[str]:
    """The lines under each other, and what went wrong below its line."""
    width = max((len(_name(line)) for line in lines), default=0)
    for line in lines:
        ids = "/".join(line.ids)
        yield f"{ids:8} {_name(line):{width}} {line.outcome:7} {line.seconds:7.1f} s  {shown(line.figures)}"
        if line.error:
            yield f"{'':8} {line.error}"


def _name(line: Line) -> str:
    name = line.test or line.file
    return f"{name}[{line.parameters}]" if line.parameters else name


def _machine() -> Machine:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    programs = postgres_binaries.find()
    postgres = _said(str(programs / "postgres"), "--version").rpartition(") ")[2] if programs else ""
    return Machine(
        system=platform.platform(), python=platform.python_version(), sqlite=sqlite3.sqlite_version,
        postgres=postgres.partition(" ")[0], cores=os.cpu_count() or 1, memory_gib=round(memory, 1),
        niceness=os.nice(0), load=[_load()],
    )  # fmt: skip


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
