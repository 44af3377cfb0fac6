"""A clock of its own for some processes, turned while they run: by libfaketime, of Debian's package ``faketime``."""

from __future__ import annotations

import os
import time
from pathlib import Path

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")
MISSING = "no libfaketime on this machine: install the package faketime (`make ci-deps` does)"
SITE = str(Path(__file__).with_name("faked"))


class FaketimeMissing(Exception):
    """The library is not on this machine."""


def library() -> str:
    """The path of libfaketime; raises FaketimeMissing."""
    for pattern in LIBRARIES:
        for found in sorted(Path("/").glob(pattern.lstrip("/"))):
            return str(found)
    raise FaketimeMissing(MISSING)


class FakeClock:
    """The wall clock of the processes that have its environment; their monotonic clock stays the machine's."""

    def __init__(self, file: Path) -> None:
        self.offset_s = 0
        """How far it is ahead of the machine's clock."""
        self._file = file
        self._library = library()
        self.set(0)

    @property
    def environment(self) -> dict[str, str]:
        """What a process must have in its environment from its start."""
        return {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    @property
    def python_path(self) -> str:
        """What a Python process needs in PYTHONPATH beside it."""
        return SITE

    def set(self, offset_s: int) -> None:
        """Turn it to so far ahead of the machine's clock (s), or behind."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset_s:+d}\n")
        fresh.chmod(0o644)
        os.replace(fresh, self._file)
        self.offset_s = offset_s

    def turn(self, seconds: int) -> None:
        """Turn it on by so many seconds, or back."""
        self.set(self.offset_s + seconds)

    def now(self) -> int:
        """What it shows (µs UTC)."""
        return time.time_ns() // 1000 + self.offset_s * 1_000_000
