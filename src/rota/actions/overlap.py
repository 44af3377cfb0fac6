"""What happens to a due instant while an earlier run of its schedule has not ended: a pure function."""

from __future__ import annotations

from typing import Literal

import msgspec

from rota.model import Disposition, NewJob, Overlap, Schedule

QUEUE_CAP = 1000
"""The most runs that ``queueAll`` lets wait: behind a run that never ends they would fill the table."""

ClearMode = Literal["stop", "kill"]
"""How what came before is ended: politely, with its grace time, or at once."""

_CLEARS: dict[Overlap, ClearMode] = {"cancel": "stop", "kill": "kill"}


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of an instant: a job when ``disposition`` is None, else no job, for a reason."""

    disposition: Disposition | None = None
    reason: str | None = None
    cause: str | None = None
    clear: ClearMode | None = None
    """How the earlier runs are to be ended for it."""


MAKE = Verdict()


class Unended(msgspec.Struct):
    """Runs of a schedule that have not ended, as the database knows them and as they are decided."""

    first: str | None = None
    """The earliest of them."""
    waiting: str | None = None
    """The last of those that have not begun."""
    held: int = 0
    """How many wait for their turn."""

    def judge(self, policy: Overlap) -> Verdict:
        """Apply an overlap policy to one more instant."""
        if self.first is None or policy == "allow":
            return MAKE
        if policy == "skip":
            return Verdict("skipped", f"job {self.first} still ran", self.first)
        if policy == "queueOne" and self.waiting is not None:
            return Verdict("coalesced", f"job {self.waiting} waits for its turn already", self.waiting)
        if policy == "queueAll" and self.held >= QUEUE_CAP:
            return Verdict("skipped", f"{QUEUE_CAP} runs wait already behind job {self.first}", "full")
        return Verdict(clear=_CLEARS.get(policy))

    def add(self, job_id: str) -> None:
        """Note a run that was decided."""
        self.held += self.first is not None
        self.first = self.first or job_id
        self.waiting = job_id


def turn_key(schedule: Schedule) -> str | None:
    """Return the key under which the runs of a schedule wait for each other; None where they may overlap."""
    return None if schedule.overlap == "allow" else f"schedule:{schedule.id}"


def turn_of(schedule: Schedule, job: NewJob) -> str | None:
    """Return the key under which a run waits for others: those of its schedule, else those of its order key."""
    return turn_key(schedule) or job.turn_key


def replaces(policy: Overlap) -> bool:
    """Tell whether a new run ends the earlier ones: then of several due at once only the last makes sense."""
    return policy in _CLEARS
