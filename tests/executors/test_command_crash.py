"""Killed workers, shepherds and keepers: no command outlives them, and the service goes on."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from rota.errors import ServiceUnavailable
from rota.executor import Outcome
from rota.executors import command
from rota.executors.command import CommandExecutor
from tests.support.command_calls import all_gone, command_call, python_call, running
from tests.support.command_tree import DAEMON, begun, keepers, shepherd_of
from tests.support.command_worker import worker
from tests.support.host import RecordingHost
from tests.support.procs import alive, descendants
from tests.support.waiting import wait_until_async

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a command is its process group"),
]

HIDDEN = "setsid double bare silent"


async def test_a_killed_worker_leaves_nothing() -> None:
    calls = [python_call(DAEMON, f"stay deaf {how}", "0") for how in ("plain", "setsid double bare silent")]
    async with worker(calls) as started:
        await started.next_lines(2)
        shepherd = await shepherd_of(started.process.pid)
        tree = await wait_until_async(lambda: sorted(found) if len(found := descendants(shepherd)) == 6 else [])
        began = time.monotonic()
        await started.kill()
        await wait_until_async(lambda: not any(map(alive, [shepherd, *tree])), 5)
        assert time.monotonic() - began < 2


async def test_a_killed_shepherd_interrupts_its_commands_and_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as rota:
        runs = [await begun(rota, HIDDEN) for _ in range(3)]
        shepherd = await shepherd_of(os.getpid())
        os.kill(shepherd, signal.SIGKILL)
        for call, _, tree in runs:
            outcome = await rota.outcome(call)
            assert outcome.kind == "interrupted"
            assert [pid for pid in tree if alive(pid)] == []
        assert (await rota.shell("echo well"))[1] == ["well"]
        assert await shepherd_of(os.getpid()) != shepherd
    [told] = [record.message for record in caplog.records]  # and nothing of the one that went with the executor
    assert told.startswith("shepherd/died the process that starts commands ended") and "exitCode=-9 running=3" in told


async def test_a_shepherd_that_dies_at_once_is_not_started_in_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "STABLE_S", 3600)
    async with running() as rota:
        for _ in range(2):
            call, _, _ = await begun(rota, HIDDEN)
            os.kill(await shepherd_of(os.getpid()), signal.SIGKILL)
            assert (await rota.outcome(call)).kind == "interrupted"
        call = command_call("true")
        outcome = await rota.call(call)
        assert (outcome.kind, outcome.delay_us) == ("snoozed", 5_000_000)
        assert "does not stay up" in rota.system(call)


async def test_shepherd_and_keepers_killed_at_once_leave_nothing_that_can_be_known() -> None:
    async with running() as rota:
        call, keeper, tree = await begun(rota, "deaf setsid double silent")
        shepherd = await shepherd_of(os.getpid())
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in (shepherd, keeper):
                os.kill(pid, number)
        assert (await rota.outcome(call)).kind == "interrupted"
        await wait_until_async(lambda: not any(map(alive, tree)), 5)


async def test_a_killed_keeper_fails_its_own_command_alone() -> None:
    async with running() as rota:
        other, _, strangers = await begun(rota, HIDDEN)
        call, keeper, tree = await begun(rota, HIDDEN)
        os.kill(keeper, signal.SIGKILL)
        outcome = await rota.outcome(call)
        assert (outcome.kind, outcome.error) == ("failed", "the process that watched over the command was killed")
        assert [pid for pid in tree if alive(pid)] == []
        assert all(map(alive, strangers))
        assert (await rota.shell("echo well"))[1] == ["well"]
        rota.stop(other)
        await rota.outcome(other)
        await all_gone(strangers)


async def test_a_command_that_kills_its_keeper_fails() -> None:
    async with running() as rota:
        outcome, _ = await rota.shell("kill -KILL $PPID; sleep 600")
        assert outcome.kind == "failed"
        assert (await rota.shell("kill -TERM $PPID; kill -INT $PPID; kill -HUP $PPID; echo well"))[1] == ["well"]


async def test_a_keeper_that_died_idle_harms_nobody() -> None:
    async with running() as rota:
        await rota.shell("true")
        for _ in range(20):
            [keeper] = await keepers()
            os.kill(keeper, signal.SIGKILL)
            while alive(keeper):  # before the event loop turns again
                os.sched_yield()
            assert (await rota.shell("echo well"))[1] == ["well"]


@pytest.mark.parametrize("also", [False, True])
async def test_a_keeper_that_stands_still_does_not_hold_its_job(also: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "FORCE_S", 0.2)
    async with running(grace_s=0.1) as rota:
        call, keeper, tree = await begun(rota, HIDDEN)
        for pid in [keeper, *([await shepherd_of(os.getpid())] if also else [])]:
            os.kill(pid, signal.SIGSTOP)
        rota.stop(call, "timeout")
        assert (await rota.outcome(call, timeout=5)).kind == "stopped"
        await wait_until_async(lambda: not any(map(alive, tree)), 5)
        assert (await rota.shell("echo well"))[1] == ["well"]


async def test_closing_ends_everything_at_once() -> None:
    async with running() as rota:
        call, _, tree = await begun(rota, "deaf setsid double bare silent")
        waiting = [command_call("sleep", "600") for _ in range(rota.executor.lanes["command"])]
        rota.executor.submit(waiting)
        shepherd = await shepherd_of(os.getpid())
        began = time.monotonic()
        await rota.executor.close()
        assert time.monotonic() - began < 2
        assert [rota.host.outcome(each).kind for each in (call, *waiting)] == ["stopped"] * (1 + len(waiting))
        assert rota.host.outcome(call).begun
        assert not rota.host.outcome(waiting[-1]).begun  # one more than there are slots
        assert [pid for pid in (shepherd, *tree) if alive(pid)] == []
        late = command_call("true")
        assert await rota.call(late) == Outcome("interrupted", begun=False)


async def test_a_shepherd_that_does_not_come_up_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    executor = CommandExecutor()
    with pytest.raises(ServiceUnavailable, match="did not come up"):
        await executor.start(RecordingHost())
    await executor.close()
