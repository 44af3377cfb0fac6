"""The executor of commands: one keeper process per running command, begotten by one shepherd.

The worker never starts a command itself: it holds leases, secrets and memory, and may be killed.  Keepers outlive
their commands and are used again; every process of a command ends before its outcome is reported.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from rota import logs
from rota.durations import SECOND
from rota.errors import Invalid
from rota.executor import Call, ErrorDetail, Host, Line, Outcome, Stop
from rota.executors import frames, proctree
from rota.executors.channel import Channel
from rota.executors.command_env import base_env, marks
from rota.executors.command_outcome import BUSY_US
from rota.executors.command_run import CommandRun
from rota.executors.command_target import CommandTarget, check_target, read_target
from rota.executors.shepherd_client import Shepherd
from rota.executors.stopping import stopped

__all__ = ["CommandExecutor", "check_target", "default_slots"]

LANE = "command"
LEASE_GRACE_S = 1.0
"""Grace of a run whose lease is lost: another worker may start the job any moment."""
FORCE_S = 5.0
"""After the grace time: how long a keeper may take to report before it is killed itself."""
MOST_DEATHS = 3
"""So often a command may be there when a shepherd dies; the last time it counts as what killed it."""
MOST_REMEMBERED = 10_000
STABLE_S = 1.0
"""When two shepherds in a row lived shorter, the next is not started at once."""


def default_slots() -> int:
    """Return how many commands run at once: twice the cores, at least 8."""
    return max(8, 2 * (os.cpu_count() or 1))


class _Keeper:
    """A keeper as the worker sees it."""

    def __init__(self, shepherd: Shepherd, executor: CommandExecutor) -> None:
        """Raises `OSError` when this machine has no room for it."""
        self.shepherd = shepherd
        self.run: CommandRun | None = None
        self._executor = executor
        self.number, sock = shepherd.new_keeper()
        self.channel = Channel(sock, self._frames, self._ended, self._full)

    def _frames(self, found: Sequence[tuple[bytes, bytes]]) -> None:
        if self.run is not None:
            self.run.take(found)
            if self.run.outcome is not None:
                self._executor.ended(self, self.run)

    def _ended(self) -> None:
        self._executor.lost(self)

    def _full(self) -> bool:
        return self.run is not None and self.run.full()


class CommandExecutor:
    """Runs command targets in the lane ``command``."""

    def __init__(self, slots: int | None = None, grace_s: float = 20.0) -> None:
        """``grace_s`` is how long a command that is told to end may take before it is killed."""
        self._slots = default_slots() if slots is None else slots
        self.lanes: Mapping[str, int] = {LANE: self._slots}
        self._grace_s = grace_s
        self._host: Host | None = None
        self._environ: dict[str, str] = {}
        self._shepherd: Shepherd | None = None
        self._restart_at = 0.0
        self._short_lived = 0
        self._waiting: deque[Call] = deque()
        self._idle: list[_Keeper] = []
        self._keepers: set[_Keeper] = set()
        self._running: dict[tuple[str, int], _Keeper] = {}
        self._busy = 0
        self._moved: deque[Call] = deque(maxlen=100)
        """Calls whose keeper died before they began: they get another, but only once."""
        self._deaths: Counter[str] = Counter()
        """Job → how many shepherds died while it ran."""
        self._closing = False

    async def start(self, host: Host) -> None:
        """Start the shepherd.  Raises `ServiceUnavailable` when it does not come up."""
        self._host = host
        self._environ = base_env(os.environ)
        self._shepherd = Shepherd(self._environ, self._shepherd_ended)
        await self._shepherd.ready()

    def submit(self, calls: Sequence[Call]) -> None:
        """Begin to run ``calls``; what is beyond the slots waits for one."""
        if self._closing:
            for call in calls:
                self._report_soon(call, Outcome("interrupted", begun=False))
            return
        self._waiting.extend(calls)
        self._begin_waiting()

    def stop(self, job_id: str, attempt: int, why: Stop) -> None:
        """End a run: TERM to all its processes, and KILL after the grace time, which ``kill`` has none."""
        key = (job_id, attempt)
        keeper = self._running.get(key)
        if keeper is None or keeper.run is None:
            for call in [call for call in self._waiting if (call.job_id, call.attempt) == key]:
                self._waiting.remove(call)
                self._report_soon(call, stopped("it had not begun", begun=False))
            return
        keeper.run.stop(why)
        grace_s = self._grace_of(why)
        keeper.channel.send(frames.STOP, str(grace_s).encode())
        asyncio.get_running_loop().call_later(grace_s + FORCE_S, self._force, keeper, keeper.run)

    def _grace_of(self, why: Stop) -> float:
        if why == "kill":
            return 0.0
        return min(self._grace_s, LEASE_GRACE_S) if why == "lease" else self._grace_s

    async def close(self) -> None:
        """Kill what still runs, and wait until nothing of it is left."""
        self._closing = True
        while self._waiting:
            self._report(self._waiting.popleft(), Outcome("stopped", begun=False))
        for keeper in [*self._keepers]:
            if keeper.run is not None:
                keeper.run.closing = True
            keeper.channel.finish()
        shepherd, self._shepherd = self._shepherd, None
        if shepherd is not None:
            await shepherd.close()
        for keeper in [*self._keepers]:
            keeper.channel.close()
            self.lost(keeper)

    def ended(self, keeper: _Keeper, run: CommandRun) -> None:
        """Report a run that has ended, and give its keeper the next."""
        self._release(keeper)
        if not run.clean:
            self._retire(keeper)
        elif keeper in self._keepers:
            self._idle.append(keeper)
        self._report(run.call, run.outcome or Outcome("stopped"))
        self._begin_waiting()

    def lost(self, keeper: _Keeper) -> None:
        """Report the run of a keeper that is gone; as a rule nothing is left of its command by now."""
        self._retire(keeper)
        run = keeper.run
        if run is None:
            return
        if not run.begun and run.why is None and not self._closing and run.call not in self._moved:
            # It died idle, a moment before its next command reached it.
            self._moved.append(run.call)
            self._release(keeper)
            self._waiting.appendleft(run.call)
            self._begin_waiting()
            return
        alive = keeper.shepherd.alive()
        if not alive:
            proctree.end_marked(marks(run.call))
        run.lost(shepherd=not alive, often=not alive and self._was_there_too_often(run))
        self.ended(keeper, run)

    def _was_there_too_often(self, run: CommandRun) -> bool:
        """Tell whether a run is likely to be what kills shepherds: it would interrupt all others for ever."""
        if not run.begun or run.why is not None or self._closing:
            return False
        if len(self._deaths) > MOST_REMEMBERED:
            self._deaths.clear()
        self._deaths[run.call.job_id] += 1
        if self._deaths[run.call.job_id] < MOST_DEATHS:
            return False
        del self._deaths[run.call.job_id]
        return True

    def _begin_waiting(self) -> None:
        while self._waiting and self._busy < self._slots and not self._closing:
            call = self._waiting.popleft()
            try:
                self._begin(call, read_target(call.target or "null"))
            except (Invalid, UnicodeError) as error:
                text = f"the target cannot be run: {error}"
                outcome = Outcome("failed", error=text, detail=ErrorDetail("target", message=text), permanent=True)
                self._report_soon(call, outcome)
            except OSError as error:
                # This machine is short of something; the job is not to blame.
                text = f"could not be started here: {error.strerror or error}"
                line = Line(time.time_ns() // 1000, "system", text)
                self._report_soon(call, Outcome("snoozed", error=text, delay_us=BUSY_US), line)

    def _begin(self, call: Call, target: CommandTarget) -> None:
        assert self._host is not None, "start() comes first"
        run = CommandRun(call, target, self._host)
        spec = run.spec()
        keeper = self._idle_keeper() or self._new_keeper()
        keeper.run = run
        self._running[call.job_id, call.attempt] = keeper
        self._busy += 1
        keeper.channel.send(frames.RUN, spec)

    def _idle_keeper(self) -> _Keeper | None:
        while self._idle:
            keeper = self._idle.pop()
            if not keeper.channel.ended():
                return keeper
        return None

    def _new_keeper(self) -> _Keeper:
        if self._shepherd is None or not self._shepherd.alive():
            if asyncio.get_running_loop().time() < self._restart_at:
                raise OSError(0, "the process that starts commands does not stay up")
            self._shepherd = Shepherd(self._environ, self._shepherd_ended)
        keeper = _Keeper(self._shepherd, self)
        self._keepers.add(keeper)
        return keeper

    def _release(self, keeper: _Keeper) -> None:
        run, keeper.run = keeper.run, None
        self._busy -= 1
        if run is not None and self._running.get((run.call.job_id, run.call.attempt)) is keeper:
            del self._running[run.call.job_id, run.call.attempt]

    def _retire(self, keeper: _Keeper) -> None:
        keeper.channel.close()
        self._keepers.discard(keeper)
        if keeper in self._idle:
            self._idle.remove(keeper)

    def _shepherd_ended(self) -> None:
        """Forget the shepherd; the next command starts another.  Its keepers end what runs, and then say so."""
        shepherd, self._shepherd = self._shepherd, None
        if shepherd is not None:
            if not self._closing and shepherd.reaped is not None:
                running = sum(keeper.run is not None for keeper in self._keepers)
                shepherd.reaped.add_done_callback(functools.partial(_tell_death, running))
            now = asyncio.get_running_loop().time()
            self._short_lived = self._short_lived + 1 if now - shepherd.started_at < STABLE_S else 0
            if self._short_lived > 1:
                self._restart_at = now + BUSY_US / SECOND
            for keeper in [*self._idle]:
                self._retire(keeper)

    def _force(self, keeper: _Keeper, run: CommandRun) -> None:
        """The keeper of a run that was told to end does not answer: somebody has stopped it."""
        if keeper.run is run:
            keeper.shepherd.kill_keeper(keeper.number)
            asyncio.get_running_loop().call_later(FORCE_S, self._force_all, keeper, run)

    def _force_all(self, keeper: _Keeper, run: CommandRun) -> None:
        if keeper.run is run:
            keeper.shepherd.kill()

    def _report_soon(self, call: Call, outcome: Outcome, *lines: Line) -> None:
        """Report after the caller is done: nothing is reported from within ``submit`` or ``stop``."""
        asyncio.get_running_loop().call_soon(self._report, call, outcome, *lines)

    def _report(self, call: Call, outcome: Outcome, *lines: Line) -> None:
        assert self._host is not None, "start() comes first"
        if lines:
            self._host.lines(call, lines)
        self._host.done(call, outcome)


def _tell_death(running: int, reaped: asyncio.Future[int]) -> None:
    logs.event(
        "shepherd/died", "the process that starts commands ended, and they with it", level="error",
        exitCode=reaped.result(), running=running,
    )  # fmt: skip
