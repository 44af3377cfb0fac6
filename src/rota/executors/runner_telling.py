"""What the service's log says of runner processes."""

from __future__ import annotations

from typing import Any

from rota import logs
from rota.executor import Call, Stop
from rota.executors.runner_process import Runner


def started(runner: Runner) -> None:
    """A runner is ready."""
    logs.event("runner/started", f"a runner for {runner.lane} functions is ready", level="debug", **_which(runner))


def died(runner: Runner, how: str) -> None:
    """A runner ended though nobody had asked it to."""
    logs.event(
        "runner/died", f"a runner for {runner.lane} functions ended: {how}", level="error",
        exitCode=runner.exit_code, running=len(runner.calls), **_which(runner),
    )  # fmt: skip


def killed(runner: Runner, call: Call, why: Stop) -> None:
    """A call was asked to end and did not, or is to end at once: its runner is killed for it."""
    because = "is to end at once" if why == "kill" else "did not end in its grace time"
    logs.event(
        "runner/killed", f"{call.type or 'a function'} {because}: its runner is killed",
        level="warning", reason=why, jobId=call.job_id, attempt=call.attempt, jobType=call.type, queue=call.queue,
        **_which(runner),
    )  # fmt: skip


def recycled(runner: Runner, reason: str) -> None:
    """A runner is replaced, though nothing is wrong with it."""
    logs.event(
        "runner/recycled", f"a runner for {runner.lane} functions is replaced: {reason}", reason=reason,
        **_which(runner),
    )  # fmt: skip


def _which(runner: Runner) -> dict[str, Any]:
    return {"runner": runner.lane, "runnerPid": runner.pid}
