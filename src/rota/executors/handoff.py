"""Hands jobs to the workers of RQ and Celery, and brings their ends back.

Nothing runs here: a call costs a place in a list and its share of a look.  What a fleet has goes on there whatever
becomes of this worker; the next attempt of the job finds it again by its id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from rota.durations import format_duration
from rota.errors import Invalid
from rota.executor import Call, Host, Line, Outcome, Stop
from rota.executors import celery_target, rq_target
from rota.executors.celery_target import CeleryTarget
from rota.executors.handoff_broker import Brokers
from rota.executors.handoff_courier import PATIENCE_S, Courier, Report
from rota.executors.handoff_fleet import Errand, Fleet, failed
from rota.executors.rq_target import RqTarget

T = TypeVar("T", RqTarget, CeleryTarget)
Place = tuple[str, str | None]
"""Addresses of the broker and of the results."""
SLOTS = 1000
"""Jobs of a lane that a worker has under way: they wait and run elsewhere."""
CLOSE_S = 6.0
KILL_S = 2.0
"""How long telling a fleet to end a job at once may take."""


class Trade(msgspec.Struct, Generic[T], frozen=True):
    """What differs between the kinds of fleet."""

    lane: str
    parse: Callable[[Mapping[str, object]], T]
    place: Callable[[T], Place]
    """Where its broker is; raises `Invalid` where the settings do not say."""
    fleet: Callable[[Place], Fleet]


class HandoffExecutor(Generic[T]):
    """Executes the calls of one lane by handing them over."""

    leaves_on_drain = True
    """What runs elsewhere need not be waited for: the next attempt goes on with it."""

    def __init__(self, trade: Trade[T], *, grace_s: float, slots: int = SLOTS, patience_s: float = PATIENCE_S) -> None:
        """A fleet has ``grace_s`` to confirm that a job has ended, and may be away for ``patience_s``."""
        self.lanes: Mapping[str, int] = {trade.lane: slots}
        self._trade: Trade[T] = trade
        self._grace_s = grace_s
        self._patience_s = patience_s
        self._couriers: dict[Place, Courier] = {}
        self._runs: dict[tuple[str, int], tuple[Errand, Courier]] = {}
        self._timers: dict[tuple[str, int], asyncio.TimerHandle] = {}
        self._host: Host | None = None
        self._closed = False

    async def start(self, host: Host) -> None:
        """Begin; afterwards calls may be submitted.  Nothing is loaded or connected before it is needed."""
        self._host = host
        self._loop = asyncio.get_running_loop()

    def submit(self, calls: Sequence[Call]) -> None:
        """Begin to hand over.  Returns at once and never raises."""
        by_courier: dict[Courier, list[Errand]] = {}
        for call in calls:
            prepared = self._prepare(call)
            if isinstance(prepared, Outcome):
                self._loop.call_soon(self._done, call, prepared)
                continue
            errand, courier = prepared
            self._runs[call.job_id, call.attempt] = prepared
            by_courier.setdefault(courier, []).append(errand)
        for courier, errands in by_courier.items():
            courier.add(errands)

    def stop(self, job_id: str, attempt: int, why: Stop) -> None:
        """End a run in its fleet; when the worker drains or has lost its lease, leave it there."""
        key = (job_id, attempt)
        errand, courier = self._runs.get(key, (None, None))
        if errand is None or courier is None:
            return
        if why in ("drain", "lease"):
            if errand.handed:
                self._say(errand.call, f"goes on there as {errand.remote_id}; the next attempt takes it up")
            self._finish(errand, Outcome("stopped", begun=False))
            return
        if errand.stop is None or why == "kill":
            errand.stop, errand.stop_told = why, None
            if (timer := self._timers.pop(key, None)) is not None:
                timer.cancel()
            wait_s = KILL_S if why == "kill" else self._grace_s
            self._timers[key] = self._loop.call_later(wait_s, self._unconfirmed, errand, wait_s)
            courier.hurry()

    async def close(self) -> None:
        """Give back what is under way, and hang up."""
        self._closed = True
        for errand, _ in list(self._runs.values()):
            self._finish(errand, Outcome("stopped", begun=False))
        couriers, self._couriers = list(self._couriers.values()), {}
        await asyncio.gather(*(asyncio.to_thread(courier.close, CLOSE_S) for courier in couriers))

    def _prepare(self, call: Call) -> tuple[Errand, Courier] | Outcome:
        if self._closed:
            return Outcome("interrupted", begun=False)
        try:
            target = self._trade.parse(msgspec.json.decode(call.target or "{}", type=dict[str, object]))
        except (Invalid, msgspec.MsgspecError, RecursionError) as error:
            return failed("target", f"the target cannot be handed over: {error}", permanent=True)
        if not call.args.lstrip().startswith(("{", "[")):
            return failed("target", "the arguments are neither an object nor a list", permanent=True)
        try:
            place = self._trade.place(target)
        except Invalid as error:  # a worker with other settings may know the address
            return failed("target", f"this worker cannot hand it over: {error}")
        if place not in self._couriers:
            self._couriers[place] = Courier(lambda: self._trade.fleet(place), self._tell, patience_s=self._patience_s)
        return Errand(call, target, f"{call.job_id}-{call.began_with}"), self._couriers[place]

    def _tell(self, reports: list[Report]) -> None:
        """Take news from the thread of a courier."""
        try:
            self._loop.call_soon_threadsafe(self._take, reports)
        except RuntimeError:  # the loop is closed: nobody wants to know any more
            return

    def _take(self, reports: list[Report]) -> None:
        for report in reports:
            call = report.errand.call
            known = self._runs.get((call.job_id, call.attempt))
            if known is None or known[0] is not report.errand:
                continue
            if report.lines:
                self._say(call, *report.lines)
            if report.outcome is not None:
                self._finish(report.errand, report.outcome)

    def _unconfirmed(self, errand: Errand, waited_s: float) -> None:
        waited = format_duration(int(waited_s * 1e6))
        self._say(errand.call, f"its end was not confirmed within {waited}; it may still run as {errand.remote_id}")
        self._finish(errand, Outcome("stopped"))

    def _finish(self, errand: Errand, outcome: Outcome) -> None:
        """Report the outcome, once."""
        key = (errand.call.job_id, errand.call.attempt)
        if self._runs.pop(key, None) is None:
            return
        errand.ended = True
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        self._done(errand.call, outcome)

    def _done(self, call: Call, outcome: Outcome) -> None:
        if self._host is not None:
            self._host.done(call, outcome)

    def _say(self, call: Call, *texts: str) -> None:
        if self._host is not None:
            at = time.time_ns() // 1000
            self._host.lines(call, [Line(at, "system", text) for text in texts])


def rq_trade(brokers: Brokers, *, max_bytes: int, max_depth: int) -> Trade[RqTarget]:
    """Return how jobs are handed to RQ.  Results are bounded in bytes and depth."""

    def fleet(place: Place) -> Fleet:
        from rota.executors.rq_fleet import RqFleet

        return RqFleet(place[0], max_bytes=max_bytes, max_depth=max_depth)

    return Trade("rq", rq_target.parse_target, lambda target: (target.address(brokers), None), fleet)


def celery_trade(brokers: Brokers, *, max_bytes: int, max_depth: int) -> Trade[CeleryTarget]:
    """Return how jobs are handed to Celery.  Results are bounded in bytes and depth."""

    def fleet(place: Place) -> Fleet:
        from rota.executors.celery_fleet import CeleryFleet

        return CeleryFleet(*place, max_bytes=max_bytes, max_depth=max_depth)

    return Trade("celery", celery_target.parse_target, lambda target: target.addresses(brokers), fleet)
