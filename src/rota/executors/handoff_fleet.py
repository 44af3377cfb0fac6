"""What a fleet of foreign workers must be able to do, so that jobs can be handed to it and watched."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from rota.executor import Call, ErrorDetail, Outcome, Stop
from rota.executors.answer import one_line
from rota.executors.celery_target import CeleryTarget
from rota.executors.rq_target import RqTarget

MAX_TRACE = 64 << 10
MAX_MESSAGE = 4000


class AwayError(Exception):
    """The broker does not answer at the moment; the text has no secrets."""


@dataclass(slots=True, eq=False)
class Errand:
    """A call that is handed to a fleet and watched there."""

    call: Call
    target: RqTarget | CeleryTarget
    remote_id: str
    """The same for all attempts that go on with one another's remote job: handing over again finds it again."""
    tried: bool = False
    """It was on its way to a broker that answers: it may have arrived."""
    handed: bool = False
    """The broker has it."""
    worker: str | None = None
    """Who runs it, as far as that was told."""
    stop: Stop | None = None
    stop_told: float | None = None
    """``time.monotonic()`` at which the fleet was last told to end it."""
    since: float = field(default_factory=time.monotonic)
    """``time.monotonic()`` at which this worker took it on."""
    ended: bool = False
    """Its outcome is reported: nobody need look after it."""

    @property
    def resumed(self) -> bool:
        """Whether an earlier attempt may have handed it over."""
        return self.call.attempt > self.call.began_with


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a remote job."""

    state: Literal["waiting", "running", "ended"]
    worker: str | None = None
    outcome: Outcome | None = None
    """How it ended."""
    note: str | None = None
    """A line for the log of the job."""


WAITING = Sight("waiting")


class Fleet(Protocol):
    """The workers behind one broker.  Every method may raise AwayError; all are called by one thread."""

    name: str
    """What people call it, with its address."""

    def hand_over(self, errands: Sequence[Errand]) -> list[str]:
        """Give work to the fleet, unless it has it already; return a line for each.

        Sets ``tried`` once the broker answers, and ``handed`` when it has the work.
        """

    def look(self, errands: Sequence[Errand]) -> list[Sight]:
        """Return what is seen of each."""

    def end(self, errand: Errand) -> bool:
        """Ask for the end of a remote job; tell whether it has certainly not begun and never will."""

    def close(self) -> None:
        """Hang up."""


def failed(
    code: str,
    text: str,
    *,
    message: str | None = None,
    trace: str | None = None,
    type_: str | None = None,
    permanent: bool = False,
) -> Outcome:
    """Return the outcome of a remote job that failed."""
    line = one_line(text)
    kept = None if trace is None else trace[-MAX_TRACE:]
    detail = ErrorDetail(code, type=type_, message=line if message is None else message[:MAX_MESSAGE], trace=kept)
    return Outcome("failed", error=line, detail=detail, permanent=permanent)


def lost(what: str) -> Outcome:
    """Return the outcome of a remote job that the broker does not know any more."""
    return failed("remote-lost", f"{what} is gone: deleted, expired, or lost with the data of its Redis")
