"""The worker: claims jobs, hands them to executors, records how they end.

Three threads speak with the database (claims, flushes, the lease); the event loop belongs to the executors.  Nothing
waits for anything but its own kind: a slow flush does not delay a claim, hanging targets do not delay a command.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import ParamSpec

import msgspec

from rota import logs
from rota.engine.attempt import Running, begin, judge
from rota.engine.claimer import Claimer, Turn
from rota.engine.flusher import Flusher
from rota.engine.hiding import hide_in_outcome
from rota.engine.leases import Lease, new_record
from rota.engine.loop import Loop, stop_all
from rota.engine.registry import Registry
from rota.engine.reports import Reports
from rota.engine.slots import Slots
from rota.engine.stops import Stops
from rota.engine.telling import tell_end, tell_started
from rota.engine.tracing import attempt_spans
from rota.engine.unknown import Unknown
from rota.engine.vault import Answer, Asked, Vault, secrets_of
from rota.engine.wakeups import Wakeups
from rota.executor import Call, Declared, Executor, Line, Outcome, Remote
from rota.masking import Mask
from rota.model import ANY_TYPE_LANES
from rota.settings import Settings
from rota.store.claims import Claimed, Spot
from rota.store.database import Database
from rota.store.results import Deferred, Ended, Finished, Returned

P = ParamSpec("P")

HOUSEKEEPING_S = 0.1
IDLE_S = 0.5
"""Pause of the housekeeping while nothing runs."""
DRAIN_KILL_S = 3.0
"""After the grace time of a drain, running jobs get this long between the polite end and the hard one."""
LAST_WRITES_S = 5.0
"""How long a drain waits for the last results to be written."""
STOP_S = 2.0
NO_CODE = Outcome("interrupted", error="this worker does not have the type's code", delay_us=1_000_000, begun=False)


class Worker:
    """One worker process; implements the executors' ``Host``."""

    def __init__(self, db: Database, settings: Settings, executors: Sequence[Executor]) -> None:
        self._db = db
        self._settings = settings
        self._executors = {lane: executor for executor in executors for lane in executor.lanes}
        self._unique_executors = list(executors)
        self.slots = Slots({lane: size for executor in executors for lane, size in executor.lanes.items()})
        self.running: dict[tuple[str, int], Running] = {}
        self._stops = Stops(self.running, self._executors)
        self._ended: list[tuple[Running, Outcome]] = []
        self._unknown = Unknown()
        self._spans = attempt_spans()
        self.state = "running"
        self.turned = time.monotonic()
        """``time.monotonic()`` of the last turn of the event loop."""
        self._begun = asyncio.Event()
        """Set when the first of some runs begins."""
        lanes = msgspec.json.encode(self.slots.capacity).decode()
        queues = msgspec.json.encode(settings.queues).decode() if settings.queues else None
        labels = msgspec.json.encode(settings.labels).decode()
        self.lease = Lease(
            db,
            settings,
            new_record("worker", lanes=lanes, queues=queues, labels=labels),
            state=self._describe,
            alive=self._moves,
            on_lost=self._soon(lambda: self._stops.end_all("lease")),
            claimed_ago=self._claimed_ago,
        )
        self.registry = Registry(db, settings, self.lease)
        self.flusher = Flusher(db, self._flushed, room=self._make_room, turn=self._turn_to_claim)
        self._reports = Reports(self.running, self.flusher, settings)
        self.vault = Vault(db, settings.secret_keys, opened=self._soon(self._begin_opened))
        self.claimer = Claimer(
            db,
            settings,
            self.lease,
            self.slots,
            self.registry,
            claimed=self._soon(self._start),
            cancel=self._soon(self._stops.cancel),
            held=self._soon(self._give_back_unknown),
            clocks=self._soon(self._stops.set_clocks),
            hears=self._hears,
        )
        self.wakeups = Wakeups(
            db, {"jobs": [self.claimer.wake], "room": [self.claimer.wake], "cancel": [self.claimer.look_for_cancels]}
        )

    def _hears(self) -> bool:
        return self.wakeups.hears()

    # -- life ---------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event, stop_now: asyncio.Event) -> None:
        """Work until ``stop``; then drain, or end at once when ``stop_now`` comes."""
        self._loop = asyncio.get_running_loop()
        for executor in self._unique_executors:
            await executor.start(self)
        for lane in self._executors:
            if lane not in ANY_TYPE_LANES or self._settings.function_modules:
                self.slots.open(lane)
        for loop in (self.lease, self.registry, self.flusher, self.claimer, self.wakeups):
            loop.start()
        keeper = asyncio.create_task(self._housekeeping())
        try:
            await stop.wait()
            await self._drain(stop_now)
        finally:
            keeper.cancel()

    async def _housekeeping(self) -> None:
        """Deadlines, log flushes and the sign of life, ten times a second; while nothing runs, twice."""
        while True:
            self.turned = time.monotonic()
            try:
                self.lease.check()
                self._stops.end_overdue()
                self._reports.flush(self.lease.worker_id)
            except Exception as error:  # noqa: BLE001 - without it no deadline would hold any more
                logs.event_limited(
                    "loop/failed/housekeeping", "loop/failed", f"housekeeping: {error}", level="error",
                    loop="housekeeping", error=str(error), exc_info=error,
                )  # fmt: skip
            if self.running:
                await asyncio.sleep(HOUSEKEEPING_S)
                continue
            self._begun.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._begun.wait(), IDLE_S)

    async def _drain(self, stop_now: asyncio.Event) -> None:
        self.state = "draining"
        logs.event(
            "worker/draining", f"draining {len(self.running)} jobs", workerId=self.lease.worker_id,
            running=len(self.running),
        )  # fmt: skip
        await asyncio.to_thread(self.claimer.drain)
        self.lease.wake()
        for running in list(self.running.values()):
            if isinstance(self._executors[running.call.lane], Remote):
                self._stops.stop(running, "drain")
        await self._until_idle(self._settings.grace_us / 1e6, stop_now)
        self._stops.end_all("drain")
        await self._until_idle(DRAIN_KILL_S, stop_now)
        for executor in self._unique_executors:
            await self._close(executor)
        for running in list(self.running.values()):  # nothing of it runs any more
            running.stop = running.stop or "drain"
            self.done(running.call, Outcome("stopped"))
        self._hand_over()
        self._reports.flush(self.lease.worker_id)
        await asyncio.to_thread(self._finish_threads)
        logs.event("worker/stopped", "stopped", workerId=self.lease.worker_id)

    async def _close(self, executor: Executor) -> None:
        try:
            await executor.close()
        except Exception as error:  # noqa: BLE001 - what the others run must be given back all the same
            logs.event(
                "loop/failed", f"an executor does not close: {error}", level="error", loop="drain", error=str(error),
                exc_info=error,
            )  # fmt: skip

    async def _until_idle(self, seconds: float, stop_now: asyncio.Event) -> None:
        end = time.monotonic() + seconds
        while self.running and time.monotonic() < end and not stop_now.is_set():  # noqa: ASYNC110 - three conditions
            await asyncio.sleep(0.02)

    def _finish_threads(self) -> None:
        """Write what is left, and end the threads; a database that is away keeps a process only for so long."""
        end = time.monotonic() + LAST_WRITES_S
        while not self.flusher.idle and time.monotonic() < end:
            time.sleep(0.01)
        stop_all([self.flusher, self.claimer, self.vault, self.wakeups, self.registry, self.lease], STOP_S)
        self.lease.release()

    def _soon(self, method: Callable[P, None]) -> Callable[P, None]:
        """Return a function for other threads that calls ``method`` on the event loop."""

        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            self._loop.call_soon_threadsafe(functools.partial(method, *args, **kwargs))

        return call

    # -- from claim to start ------------------------------------------------------------------------------------------

    def _start(self, claimed: list[Claimed], worker: str) -> None:
        self._begun.set()
        calls: list[Call] = []
        asked: list[Asked] = []
        stale = worker != self.lease.worker_id
        if self._spans is not None:
            claimed = [self._spans.begin(one) for one in claimed]
        for one in claimed:
            call = one.call
            running = begin(one, worker)
            self.running[running.key] = running
            if stale:
                running.stop = "lease"
                self.done(call, Outcome("stopped", begun=False))
            elif call.lane in ANY_TYPE_LANES and call.target is None and not self.registry.knows(call.type):
                self.done(call, NO_CODE)
            else:
                tell_started(one)
                if names := secrets_of(call) or self.registry.secrets_of(call.type):
                    asked.append(Asked(running, names))
                else:
                    calls.append(call)
        self._distribute(calls)
        if asked:
            self.vault.ask(asked)

    def _begin_opened(self, answers: list[Answer]) -> None:
        """Begin attempts whose secrets are there, unless they were to end meanwhile."""
        calls: list[Call] = []
        for running, answer in answers:
            if self.running.get(running.key) is not running:
                continue
            if running.stop is not None:
                self.done(running.call, Outcome("stopped", begun=False))
            elif isinstance(answer, Outcome):
                self.done(running.call, answer)
            else:
                running.mask = Mask(answer.values())
                self._reports.shared.given(running.call, answer.values())
                logs.mask(*answer.values())
                calls.append(msgspec.structs.replace(running.call, secrets=answer))
        self._distribute(calls)

    def _distribute(self, all_calls: list[Call]) -> None:
        by_executor: dict[int, list[Call]] = {}
        for call in all_calls:
            by_executor.setdefault(id(self._executors[call.lane]), []).append(call)
        for executor in self._unique_executors:
            if calls := by_executor.get(id(executor)):
                self._submit(executor, calls)

    def _submit(self, executor: Executor, calls: list[Call]) -> None:
        try:
            executor.submit(calls)
        except Exception as error:  # noqa: BLE001 - one that breaks the contract must not keep its jobs for ever
            for call in calls:
                self.done(call, Outcome("failed", error=f"the executor failed: {type(error).__name__}: {error}"))

    # -- Host ---------------------------------------------------------------------------------------------------------

    def done(self, call: Call, outcome: Outcome) -> None:
        running = self.running.pop((call.job_id, call.attempt), None)
        if running is None:
            return
        if not self._ended:  # what ends in the same turn of the loop is handed over together
            self._loop.call_soon(self._hand_over)
        self._ended.append((running, hide_in_outcome(outcome, running.mask) if running.mask is not None else outcome))

    def _hand_over(self) -> None:
        """Pass ended runs on to the flusher, and their slots to the claimer."""
        ended, self._ended = self._ended, []
        now_us = time.time_ns() // 1000
        lanes = Counter(running.call.lane for running, _ in ended)
        self.slots.release(lanes)
        by_worker: dict[str, list[Finished | Returned | Deferred]] = {}
        room: Counter[Spot] = Counter()
        slow: list[tuple[str, int, str]] = []
        for running, outcome in ended:
            result = self._judge(running, outcome, now_us)
            result.log_lines = self._reports.last(running)
            result.exchange = outcome.exchange
            by_worker.setdefault(running.worker, []).append(result)
            if outcome.slow_us is not None:
                slow.append((running.call.queue, outcome.slow_us, outcome.slow_by or "a target"))
            if running.claimed.room is not None and not isinstance(result, Deferred):
                room[running.claimed.room] += 1
            tell_end(running, result)
            if self._spans is not None:
                self._spans.end(running, result)
        for worker, results in by_worker.items():
            self.flusher.add(worker, results, slow=slow, room=room)
        if not room:  # else the flusher claims with what it writes, or has it done
            self.claimer.freed(set(lanes))

    def _judge(self, running: Running, outcome: Outcome, now_us: int) -> Finished | Returned | Deferred:
        """Judge; whatever an executor reports must not keep the others that ended with it from being recorded."""
        try:
            return judge(running, outcome, now_us)
        except Exception as error:  # noqa: BLE001
            reason = f"its outcome cannot be understood: {type(error).__name__}: {error}"
            return judge(running, Outcome("failed", error=reason, permanent=True), now_us)

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        self._reports.lines(call, lines)

    def full(self, call: Call) -> bool:
        return self._reports.full(call)

    def progress(self, call: Call, value: float | None, message: str | None) -> None:
        self._reports.progress(call, value, message)

    def extend(self, call: Call, extra_us: int) -> None:
        self._reports.extend(call, extra_us)

    def checkpoint(self, call: Call, value: str) -> None:
        self._reports.checkpoint(call, value)

    def declared(self, types: Sequence[Declared], schedules: Sequence[str]) -> None:
        self.registry.declare(types, schedules)
        for lane in ANY_TYPE_LANES:
            if lane in self._executors:
                self.slots.open(lane)
        self.claimer.wake()

    # -- what the threads say -----------------------------------------------------------------------------------------

    def _give_back_unknown(self, held: list[tuple[str, int]], worker: str) -> None:
        """Give back what the database says we run and we do not: a claim whose answer was lost on the way.

        Or a run whose result the database does not take, so that it was given up.
        """
        ended = {running.key for running, _ in self._ended}
        for job_id, attempt in self._unknown.look(worker, held, self.running.keys() | ended | self.flusher.pending()):
            reason = "its worker held it and did not run it"
            logs.event("job/interrupted", reason, jobId=job_id, attempt=attempt, workerId=worker)
            lost = Returned(id=job_id, attempt=attempt, outcome="interrupted", error=reason)
            self.flusher.add(worker, (lost,))
        self.claimer.compared()
        if self._unknown.suspects:
            self.claimer.check_soon()

    def _flushed(self, written: Sequence[Ended], accepted: set[str], worker: str) -> None:
        for ended in written:
            if ended.id not in accepted:
                logs.event(
                    "job/result-refused", "the lease was lost; the result belongs to another attempt", level="warning",
                    jobId=ended.id, attempt=ended.attempt, workerId=worker,
                )  # fmt: skip

    def _make_room(self) -> None:
        """What waited for a limit may start: asked for at once, not only when the hint comes back."""
        self.claimer.wake()

    def _turn_to_claim(self) -> contextlib.AbstractContextManager[Turn | None]:
        return self.claimer.turn()

    def _moves(self) -> bool:
        return time.monotonic() - self.turned < self._settings.stall_us / 1e6

    def loops(self) -> tuple[Loop, ...]:
        """Return the loops that speak with the database."""
        return (self.claimer, self.flusher, self.lease, self.registry, self.wakeups)

    def _describe(self) -> tuple[str, int, object]:
        detail = {
            "slots": {lane: {"taken": n, "of": self.slots.capacity[lane]} for lane, n in self.slots.taken().items()},
            "loops": [loop.describe() for loop in self.loops()],
            "loopLagMs": int(self.late_s() * 1000),
            "sleeping": self.claimer.sleeping(),
        }
        return self.state, len(self.running), detail

    def late_s(self) -> float:
        """Return how late the event loop is (s)."""
        pause_s = HOUSEKEEPING_S if self.running else IDLE_S
        return max(0.0, time.monotonic() - self.turned - pause_s)

    def _claimed_ago(self) -> int | None:
        last = self.claimer.last_claim
        return None if last is None else max(0, int((time.time() - last) * 1e6))
