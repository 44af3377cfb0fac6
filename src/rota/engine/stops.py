"""The ends that the engine asks of running attempts: their time is over, somebody wants it, the worker has to go."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rota.engine.attempt import Running
from rota.executor import Executor, Stop, Timed
from rota.store.awaiting import Clock
from rota.store.turns import Mode


class Stops:
    """Asks executors to end attempts; of the worker's event loop."""

    def __init__(self, running: Mapping[tuple[str, int], Running], executors: Mapping[str, Executor]) -> None:
        """``executors`` by lane."""
        self._running = running
        self._executors = executors

    def end_overdue(self) -> None:
        """End what has run, or been silent, for too long."""
        now = time.monotonic()
        for running in list(self._running.values()):
            if running.stop is None and (why := running.over(now)) is not None:
                self.stop(running, why)

    def end_all(self, why: Stop) -> None:
        """End everything."""
        for running in list(self._running.values()):
            self.stop(running, why)

    def stop(self, running: Running, why: Stop) -> None:
        """End a run, politely first; what was asked before remains the reason, but for a lease that is lost."""
        if running.stop is None or why in ("drain", "lease"):
            running.stop = running.stop if running.stop and why == "drain" else why
            self._executors[running.call.lane].stop(running.call.job_id, running.call.attempt, why)

    def cancel(self, wanted: Sequence[tuple[str, int, Mode]]) -> None:
        """End what somebody wants ended: (job, attempt, how)."""
        for job_id, attempt, mode in wanted:
            running = self._running.get((job_id, attempt))
            if running is not None and mode == "kill":
                self._kill(running)
            elif running is not None and running.stop is None:
                self.stop(running, "cancel")

    def _kill(self, running: Running) -> None:
        """End a run at once, also one that was asked to end before."""
        if not running.killed:
            running.killed = True
            running.stop = "kill" if running.stop in (None, "cancel") else running.stop
            self._executors[running.call.lane].stop(running.call.job_id, running.call.attempt, "kill")

    def set_clocks(self, told: Sequence[Clock]) -> None:
        """Learn what was said over REST of the time of runs."""
        now = time.monotonic()
        for clock in told:
            running = self._running.get((clock.id, clock.attempt))
            if running is None:
                continue
            if clock.left_us is not None:
                running.extend(now + clock.left_us / 1e6)
                executor = self._executors[running.call.lane]
                if isinstance(executor, Timed):
                    executor.give_time(clock.id, clock.attempt, clock.left_us)
            if clock.silence_left_us is not None:
                running.silent_at = max(running.silent_at or 0.0, now + clock.silence_left_us / 1e6)
