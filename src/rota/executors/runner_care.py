"""When runners are replaced, and how trouble with loading the applications is told."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota import logs
from rota.executors.answer import one_line
from rota.executors.runner_frames import LoadError


class Care(msgspec.Struct, frozen=True, kw_only=True):
    """When a runner is replaced or ended, though nothing is wrong with it."""

    recycle_jobs: int = 1_000_000
    recycle_bytes: int = 512 << 20
    """Resident memory above which a runner takes no more calls."""
    boot_s: float = 60.0
    """How long the applications may take to load."""
    idle_s: float = 60.0
    """How long a sync runner stays without work; one always stays."""
    look_s: float = 5.0
    """How often that is looked at."""
    backoff_s: float = 1.0
    """Pause before a runner that could not load is tried again; it doubles, to a minute."""


class Complaints:
    """Says once what is wrong with the applications, and once that it is mended."""

    def __init__(self) -> None:
        self.last = ""

    def say(self, errors: Sequence[LoadError]) -> None:
        """Log the errors, unless they are those that were said last."""
        complaint = "; ".join(error.line for error in errors)
        if complaint != self.last:
            for error in errors:
                logs.event(
                    "app/failed", error.line, level="error", app=error.app or None, trace=error.trace or None
                )  # fmt: skip
            if not errors:
                logs.event("app/loaded", "the applications are loaded again")
        self.last = complaint

    def say_line(self, line: str) -> None:
        """Log one error."""
        self.say([LoadError("", one_line(line), "")])
