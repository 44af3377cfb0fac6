"""Who hears of what a runner does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from rota.executor import Call, Line, Outcome
from rota.executors.runner_frames import Hello

if TYPE_CHECKING:
    from rota.executors.runner_process import Runner


class RunnerOwner(Protocol):
    """Who hears of what a runner does; all on the event loop."""

    def ready(self, runner: Runner, hello: Hello) -> None:
        """The applications are loaded, or not."""

    def ended(self, runner: Runner, call: Call, outcome: Outcome) -> None:
        """A call has ended."""

    def moved(self, runner: Runner, call: Call) -> None:
        """A call of a sync function came to an async runner, and was not begun."""

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        """A call has output."""

    def full(self, call: Call) -> bool:
        """Tell whether a call says more than can be stored."""

    def progress(self, call: Call, value: float | None, message: str | None) -> None:
        """A call has progressed."""

    def extend(self, call: Call, extra_us: int) -> None:
        """A call asks for more time."""

    def checkpoint(self, call: Call, value: str) -> None:
        """A call has stored something for the next attempt."""

    def gone(self, runner: Runner, how: str) -> None:
        """The process has ended; ``runner.calls`` holds what it ran."""
