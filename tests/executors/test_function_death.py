"""Runners that die: who is to blame, who starts again, and that nobody is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import procs
from tests.support.function_calls import APP, ROOT, Functions, function_call, read_marks, running_functions
from tests.support.waiting import wait_until, wait_until_async

pytestmark = pytest.mark.usefixtures("from_root")


@pytest.fixture
async def functions(capfd: pytest.CaptureFixture[str]) -> AsyncIterator[Functions]:
    async with running_functions() as running:
        yield running


@pytest.mark.parametrize(("name", "how"), [("vanish", "exit code 7"), ("crash", "signal SIGSEGV")])
async def test_of_many_async_calls_the_one_that_ended_the_runner_failed(
    functions: Functions, caplog: pytest.LogCaptureFixture, name: str, how: str
) -> None:
    others = [function_call("wait") for _ in range(10)]
    for call in others:
        await functions.begin(call)
    culprit = function_call(name)
    outcome = await functions.run(culprit)
    assert (outcome.kind, outcome.permanent) == ("failed", False)
    assert outcome.error == f"the runner process died: {how}"
    assert outcome.detail is not None and outcome.detail.code == "runner-died"
    if name == "crash":
        assert "function_app.py" in (outcome.detail.trace or "")
    for call in others:
        assert (await functions.outcome(call)).kind == "interrupted"
    assert await functions.result(function_call("answer", value="alive")) == "alive"
    [told] = [record.message for record in caplog.records if "runner/" in record.message]
    assert told.startswith(f"runner/died a runner for async functions ended: {how} ") and "running=11" in told


async def test_a_sync_function_that_ends_its_runner_failed_and_its_log_is_kept(functions: Functions) -> None:
    call = function_call("sync_vanish")
    outcome = await functions.run(call)
    assert (outcome.kind, outcome.error) == ("failed", "the runner process died: exit code 7")
    assert functions.host.text(call) == "last words"
    assert await functions.result(function_call("sync_answer", value="alive")) == "alive"


async def test_results_sent_before_the_death_count(functions: Functions) -> None:
    calls = [function_call("answer", value=n) for n in range(50)] + [function_call("vanish")]
    functions.executor.submit(calls)
    for call in calls[:-1]:
        assert (await functions.outcome(call)).kind == "completed"
    assert (await functions.outcome(calls[-1])).kind == "failed"


async def test_when_nobody_is_known_to_blame_a_call_fails_at_the_third_death(functions: Functions) -> None:
    bystander, killer = function_call("wait"), function_call("crash_in_thread")
    for death in (1, 2, 3):
        for call in (bystander, killer):
            functions.host.outcomes.pop((call.job_id, call.attempt), None)
            functions.host.reports.clear()
        await functions.begin(bystander)
        outcome = await functions.run(killer)
        assert outcome.kind == ("failed" if death == 3 else "interrupted")
        await functions.outcome(bystander)
        functions.host.logs.clear()


async def test_a_runner_that_is_killed_from_outside_takes_no_innocent_attempts(functions: Functions) -> None:
    pid = (await functions.result(function_call("async_where")))["pid"]
    calls = [function_call("wait") for _ in range(3)]
    for call in calls:
        await functions.begin(call)
    os.kill(pid, signal.SIGKILL)
    for call in calls:
        outcome = await functions.outcome(call)
        assert (outcome.kind, outcome.error) == ("interrupted", "its runner process ended (signal SIGKILL)")


@pytest.mark.parametrize(("name", "home"), [("noop", "async_where"), ("sync_noop", "where")])
async def test_a_call_that_a_dying_runner_never_began_is_not_to_blame(
    functions: Functions, name: str, home: str
) -> None:
    pid = (await functions.result(function_call(home)))["pid"]
    os.kill(pid, signal.SIGSTOP)
    call = function_call(name)
    functions.executor.submit([call])
    os.kill(pid, signal.SIGKILL)
    assert (await functions.outcome(call)).kind == "interrupted"
    assert (await functions.run(function_call(name))).kind == "completed"


async def test_terminate_and_interrupt_are_left_to_the_worker(functions: Functions) -> None:
    pids = [(await functions.result(function_call(name)))["pid"] for name in ("where", "async_where")]
    for pid in pids:
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(pid, number)
    assert [(await functions.result(function_call(name)))["pid"] for name in ("where", "async_where")] == pids


WORKER = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.support.function_calls import *
async def main():
    async with running_functions([{APP!r}]) as functions:
        path = sys.argv[1]
        functions.executor.submit([
            function_call("wait", path=path), function_call("sync_sleep", path=path),
            function_call("hold_interpreter", path=path)])
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_when_the_worker_is_killed_its_runners_end_and_what_they_started(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, str(marks), cwd=ROOT)
    try:
        started = {int(pid) for line in await read_marks(marks, 3) for pid in line.split()}
        assert len(started) == 4 and started <= procs.descendants(worker.pid)
    finally:
        worker.kill()
        await worker.wait()
    # Who holds the interpreter ends a second later, by the kernel's hand; the others at once.
    await wait_until_async(lambda: not any(map(procs.alive, started)), what="all processes gone")


def test_a_runner_without_its_worker_ends_at_once() -> None:
    setup = '{"lane": "async", "socket": 0, "marker": 0, "worker_pid": 1, "apps": [], "modules": []}'  # not our pid
    runner = subprocess.Popen([sys.executable, "-m", "rota.executors.runner", setup], process_group=0)
    wait_until(lambda: runner.poll() is not None, what="the end of the runner")
    assert runner.returncode == -signal.SIGKILL
