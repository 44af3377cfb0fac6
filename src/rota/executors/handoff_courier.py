"""The one thread that speaks with one broker: hands work over, looks after it, tells its end.

One look asks for everything that is under way, so that a thousand jobs cost little more than one.  Looks follow one
another quickly while something happens and slowly while nothing does.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from rota import logs
from rota.durations import SECOND, format_duration
from rota.executor import Outcome
from rota.executors.handoff_fleet import AwayError, Errand, Fleet, Sight, failed

SHORTEST_S, LONGEST_S = 0.02, 1.0
"""Pauses between two looks."""
SHARE = 4
"""A look is followed by a pause that is so much longer, in processor time: many jobs must not take a whole core."""
AWAY_S = 2.0
"""Longest pause between two tries while the broker is away."""
PATIENCE_S = 10.0
"""How long a broker may be away before the attempts that need it end."""
BACK_US = 10_000_000
"""After so long, at the earliest, a job goes on whose broker went away."""
FORGET_S = 60.0
"""After so long without a try nobody knows whether the broker was away all the time."""
TELL_AGAIN_S = 2.0
BATCH = 200


@dataclass(frozen=True, slots=True)
class Report:
    """News of an errand: lines for its log, and its end."""

    errand: Errand
    lines: tuple[str, ...] = ()
    outcome: Outcome | None = None


Tell = Callable[[list[Report]], None]


class Courier:
    """Looks after the errands of one broker, in a thread of its own.  ``tell`` is called from that thread."""

    def __init__(self, make: Callable[[], Fleet], tell: Tell, *, patience_s: float = PATIENCE_S) -> None:
        self._make = make
        self._tell = tell
        self._patience_s = patience_s
        self._fleet: Fleet | None = None
        self._new: list[Errand] = []
        self._errands: list[Errand] = []
        self._reports: list[Report] = []
        self._changed = threading.Condition()
        self._woken = False
        self._closing = False
        self._pause = SHORTEST_S
        self._away_since: float | None = None
        self._away_last = 0.0
        self._thread = threading.Thread(target=self._run, name="rota-courier", daemon=True)
        self._thread.start()

    def add(self, errands: Sequence[Errand]) -> None:
        """Take errands on; returns at once."""
        with self._changed:
            self._new += errands
            self._wake()

    def hurry(self) -> None:
        """Look at once: an errand is to end."""
        with self._changed:
            self._wake()

    def close(self, timeout_s: float) -> None:
        """End the thread, after what it does just now."""
        with self._changed:
            self._closing = True
            self._wake()
        self._thread.join(timeout_s)

    def _wake(self) -> None:
        self._woken = True
        self._changed.notify()

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._next():
            try:
                self._turn()
            except AwayError as error:
                self._wait_out(str(error))
            except Exception as error:  # noqa: BLE001 - the errands must end, and the thread must go on
                self._give_up(error)
            self._flush()
        if self._fleet is not None:
            self._fleet.close()

    def _next(self) -> bool:
        """Wait for the next look; False when there is none."""
        with self._changed:
            if not self._woken and not self._closing:
                self._changed.wait(self._pause if self._errands else None)
            self._woken = False
            self._errands += self._new
            self._new = []
            return not self._closing

    def _turn(self) -> None:
        if self._fleet is None:
            self._fleet = self._make()
        began = time.thread_time()
        self._errands = [errand for errand in self._errands if not errand.ended]
        before = len(self._errands)
        handed = self._hand_over(self._fleet)
        moved = self._look(self._fleet)
        moved = self._end(self._fleet) or moved
        if self._away_since is not None:
            self._away_since = None
            logs.event("broker/back", f"{self._fleet.name} answers again", broker=self._fleet.name)
        self._errands = [errand for errand in self._errands if not errand.ended]
        moved = moved or handed or len(self._errands) < before
        shortest = min(SHORTEST_S + SHARE * (time.thread_time() - began), LONGEST_S)
        self._pause = shortest if moved else min(max(self._pause, shortest) * 1.25, LONGEST_S)

    def _hand_over(self, fleet: Fleet) -> bool:
        new = [errand for errand in self._errands if not errand.handed]
        for errand in new:
            if errand.stop is not None and not errand.resumed:
                self._report(errand, outcome=Outcome("stopped", begun=False))
        new = [errand for errand in new if not errand.ended]
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            for errand, line in zip(batch, fleet.hand_over(batch), strict=True):
                self._report(errand, line)
                if errand.target.wait == "accepted":
                    accepted = {"remoteId": errand.remote_id, "queue": errand.target.queue}
                    self._report(errand, outcome=Outcome("completed", result=msgspec.json.encode(accepted).decode()))
            self._flush()
        return bool(new)

    def _look(self, fleet: Fleet) -> bool:
        """Look at everything that was handed over; tell whether anything has changed."""
        changed = False
        watched = [errand for errand in self._errands if errand.handed and not errand.ended]
        for start in range(0, len(watched), BATCH):
            batch = watched[start : start + BATCH]
            for errand, sight in zip(batch, fleet.look(batch), strict=True):
                changed = self._take(errand, sight) or changed
        return changed

    def _take(self, errand: Errand, sight: Sight) -> bool:
        started = sight.worker is not None and sight.worker != errand.worker
        if started:
            errand.worker = sight.worker
            self._report(errand, f"started by worker {sight.worker}")
        if sight.note is not None:
            self._report(errand, sight.note)
        if sight.outcome is not None:
            outcome = sight.outcome
            self._report(errand, "finished" if outcome.kind == "completed" else _ending(outcome), outcome)
        return started or sight.outcome is not None

    def _end(self, fleet: Fleet) -> bool:
        """Tell the fleet what is to end, again after a while: it may have begun in between.  Return whether any was."""
        now, told = time.monotonic(), False
        for errand in self._errands:
            if errand.stop is None or errand.ended or not errand.handed:
                continue
            if errand.stop_told is None or now - errand.stop_told > TELL_AGAIN_S:
                errand.stop_told, told = now, True
                never_begun = fleet.end(errand)
                if never_begun:
                    self._report(errand, "taken back before it was started", Outcome("stopped", begun=False))
                elif errand.stop == "kill":
                    self._report(errand, "asked to end", Outcome("stopped"))
        return told

    def _wait_out(self, reason: str) -> None:
        """Try again a little later; when that goes on for too long, end what needs the broker."""
        now = time.monotonic()
        if self._away_since is None or now - self._away_last > FORGET_S:
            self._away_since = now
            logs.event("broker/away", reason, level="warning", broker=self._fleet.name if self._fleet else None)
            self._pause = SHORTEST_S
        self._away_last = now
        self._pause = min(max(self._pause, 0.05) * 2, AWAY_S)
        for errand in self._errands:
            waited_s = now - max(self._away_since, errand.since)
            if errand.ended or (waited_s < self._patience_s and errand.stop != "kill"):
                continue
            if errand.stop is not None:
                self._report(errand, f"could not be told to end: {reason}", Outcome("stopped"))
            elif errand.handed or errand.tried or errand.resumed:
                self._report(errand, outcome=_left(reason))
            else:
                self._report(errand, outcome=failed("broker", reason))
        self._errands = [errand for errand in self._errands if not errand.ended]

    def _give_up(self, error: Exception) -> None:
        """End all errands after an error that nobody foresaw."""
        reason = f"the hand-over failed: {type(error).__name__}: {error}"
        if not isinstance(error, ImportError):
            logs.event_limited(
                "loop/failed/courier", "loop/failed", reason, level="error", loop="courier", error=str(error),
                exc_info=error,
            )  # fmt: skip
        for errand in self._errands:
            if not errand.ended and isinstance(error, ImportError):
                lane = errand.call.lane
                self._report(errand, outcome=failed("internal", f"{error}: pip install 'rota[{lane}]' for this worker"))
            elif not errand.ended:
                self._report(errand, outcome=failed("internal", reason))
        self._errands = []

    def _report(self, errand: Errand, line: str | None = None, outcome: Outcome | None = None) -> None:
        errand.ended = errand.ended or outcome is not None
        self._reports.append(Report(errand, () if line is None else (line,), outcome))

    def _flush(self) -> None:
        if self._reports:
            reports, self._reports = self._reports, []
            self._tell(reports)


def _left(reason: str) -> Outcome:
    """Return the outcome of a job whose broker went away while the fleet had it: the next attempt goes on with it."""
    delay = BACK_US + random.randrange(6) * SECOND
    return Outcome("interrupted", error=f"{reason}; goes on in {format_duration(delay)}", delay_us=delay)


def _ending(outcome: Outcome) -> str:
    if outcome.kind == "snoozed":
        return "finished, and asks for another run"
    return "stopped" if outcome.kind == "stopped" else f"failed: {outcome.error}"
