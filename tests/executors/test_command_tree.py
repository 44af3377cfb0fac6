"""What commands start: nothing of it is left alive, however it tried to get away, and nothing else is touched."""

from __future__ import annotations

import os
import re
import sys
import time

import pytest

from rota.executor import Outcome
from tests.support.command_calls import all_gone, command_call, exists, python_call, running
from tests.support.command_tree import DAEMON, all_children, keepers, with_argument
from tests.support.procs import alive, descendants
from tests.support.waiting import wait_until_async

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a command is its process group"),
]

WAYS = ["plain", "setsid", "double", "setsid double", "setsid double bare silent", "deaf setsid bare", "stopped double"]


@pytest.mark.parametrize("how", WAYS)
async def test_what_a_command_leaves_behind_is_killed_and_its_exit_code_stands(how: str) -> None:
    async with running() as rota:
        call = python_call(DAEMON, how, "7")
        outcome = await rota.call(call)
        [pid] = await rota.pids(call, 1)
        assert not exists(pid)
        assert outcome.error == "exit code 7"
        # Of two forks, the first may not have ended yet.
        assert re.search("killed (1 process|2 processes) that the command left behind", rota.system(call))
        assert await rota.call(python_call(DAEMON, how, "0")) == Outcome("completed", result='{"exitCode":0}')


@pytest.mark.parametrize("how", WAYS)
async def test_a_stopped_command_ends_with_all_it_started(how: str) -> None:
    async with running(grace_s=0.2) as rota:
        call = python_call(DAEMON, f"stay {how}", "0")
        rota.executor.submit([call])
        [pid] = await rota.pids(call, 1)
        rota.stop(call, "cancel")
        assert (await rota.outcome(call, timeout=3)).kind == "stopped"
        assert not exists(pid)
        assert "stopped: cancel" in rota.system(call)


async def test_a_killed_command_has_no_grace_time() -> None:
    # A TERM that hits the fork of the last sleep before its exec is lost with the handler there: it must be short.
    ignoring = "trap 'echo asked' TERM; sleep 600 & echo $!; while :; do sleep 0.1; done"
    async with running(grace_s=600) as rota:
        calls = [command_call(shell=ignoring) for _ in range(2)]
        rota.executor.submit(calls)
        pids = [(await rota.pids(call, 1))[0] for call in calls]
        rota.stop(calls[1], "cancel")
        await rota.host.wait_text(calls[1], "asked")
        for call, said in zip(calls, (["stopped: kill"], ["stopped: cancel", "stopped: kill"]), strict=True):
            rota.stop(call, "kill")
            assert (await rota.outcome(call, timeout=5)).error == "killed at once, as was asked"
            assert [line for line in rota.system(call).split("\n") if line.startswith("stopped")] == said
        assert rota.output(calls[0]) == [str(pids[0])]
        assert not any(map(exists, pids))


async def test_who_fled_into_a_session_of_its_own_is_asked_to_end_too() -> None:
    """Its parent ends by the same TERM: in that moment it is nobody's child, and was overlooked now and then."""
    async with running(slots=20) as rota:
        calls = [command_call(shell="sleep 600 & setsid sleep 600 & echo $!; sleep 600") for _ in range(20)]
        rota.executor.submit(calls)
        for call in calls:
            await rota.pids(call, 1)
        for call in calls:
            rota.stop(call, "cancel")
        for call in calls:
            assert (await rota.outcome(call, timeout=10)).kind == "stopped"  # and not after the grace time, 20 s


async def test_a_shell_with_grandchildren_ends_in_time() -> None:
    text = "(sleep 600 & sleep 600) & (trap '' TERM; echo $$; while :; do sleep 600; done) & wait"
    async with running(grace_s=0.3) as rota:
        call = command_call(shell=text)
        rota.executor.submit([call])
        await rota.pids(call, 1)
        [keeper] = await keepers()
        tree = await wait_until_async(lambda: found if len(found := descendants(keeper)) >= 4 else set[int]())
        began = time.monotonic()
        rota.stop(call, "timeout")
        assert (await rota.outcome(call)).kind == "stopped"
        assert 0.25 < time.monotonic() - began < 2.3
        assert not any(map(exists, tree))


async def test_all_have_the_grace_time_though_the_shell_ends_at_once() -> None:
    clean = """
import signal, sys, time
def end(*_):
    time.sleep(0.2); print('cleaned up'); sys.exit()
signal.signal(signal.SIGTERM, end)
print('ready', flush=True)
signal.pause()
"""
    async with running(grace_s=10) as rota:
        call = command_call("sh", "-c", '"$@"; echo never', "sh", sys.executable, "-c", clean)
        rota.executor.submit([call])
        await rota.host.wait_text(call, "ready")
        rota.stop(call, "timeout")
        assert (await rota.outcome(call, timeout=5)).kind == "stopped"
        assert rota.output(call) == ["ready", "cleaned up"]


async def test_each_process_is_asked_once() -> None:
    count = """
import os, signal, sys, time
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
if sys.argv[1:]:
    os.setsid()
os.write(1, b'ready\\n')
while not told:
    time.sleep(0.01)
time.sleep(0.2)
os.write(1, b'asked %d\\n' % len(told))
"""
    async with running(grace_s=10) as rota:
        text = f'"{sys.executable}" -c "$CODE" & "{sys.executable}" -c "$CODE" apart & trap "" TERM; wait; wait'
        call = command_call(shell=text, env={"CODE": count})
        rota.executor.submit([call])
        await rota.host.wait(lambda: rota.output(call) == ["ready", "ready"], 60)
        rota.stop(call)
        rota.stop(call)
        await rota.outcome(call)
        assert rota.output(call)[2:] == ["asked 1", "asked 1"]


async def test_work_that_was_done_when_it_was_told_to_end_is_not_done_again() -> None:
    async with running(grace_s=5) as rota:
        text = "trap 'echo ::rota result 42; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
        done, idle = command_call(shell=text), command_call(shell=text.replace("::rota", ""))
        rota.executor.submit([done, idle])
        for call in (done, idle):
            await rota.host.wait_text(call, "ready")
            rota.stop(call, "drain")
        assert await rota.outcome(done) == Outcome("completed", result="42")
        assert (await rota.outcome(idle)).kind == "stopped"


async def test_a_lost_lease_leaves_little_time() -> None:
    async with running(grace_s=60) as rota:
        call = command_call(shell="trap '' TERM; echo ready; while :; do sleep 0.02; done")
        rota.executor.submit([call])
        await rota.host.wait_text(call, "ready")
        rota.stop(call, "lease")
        assert (await rota.outcome(call, timeout=4)).kind == "stopped"


async def test_the_end_of_one_command_touches_no_other() -> None:
    async with running(grace_s=0.2) as rota:
        others = [python_call(DAEMON, "stay setsid double bare", "0") for _ in range(3)]
        rota.executor.submit(others)
        strangers = [(await rota.pids(call, 1))[0] for call in others]
        for _ in range(10):
            await rota.call(python_call(DAEMON, "setsid double bare", "0"))
        stopped, *rest = others
        rota.stop(stopped)
        await rota.outcome(stopped)
        assert [alive(pid) for pid in strangers] == [False, True, True]
        for call in rest:
            rota.stop(call)
        await rota.host.wait_done(13)
        await all_gone(strangers)


COMET = """
import os, sys, time
if not os.fork():
    os.setsid()
    while True:
        if os.fork():
            os._exit(0)
time.sleep(0.2)
"""

BRUSH = """
import os, time
end = time.monotonic() + 1.5
for _ in range(6):
    os.fork()
while time.monotonic() < end:
    if not os.fork():
        time.sleep(0.05)
        os._exit(0)
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
    time.sleep(0.005)
time.sleep(600)
"""


@pytest.mark.parametrize("code", [COMET, "import os\nif not os.fork():\n" + BRUSH.replace("\n", "\n    ")])
async def test_processes_that_flee_by_forking_are_caught(code: str) -> None:
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    async with running() as rota:
        call = python_call(code, mark)
        assert (await rota.call(call, timeout=60)).kind == "completed"
        assert with_argument(mark) == []


async def test_many_quick_commands_leave_no_zombie_and_mix_nothing_up() -> None:
    async with running() as rota:
        calls = [command_call("echo", f"number {number}") for number in range(1000)]
        rota.executor.submit(calls)
        await rota.host.wait_done(1000, timeout=60)
        for number, call in enumerate(calls):
            assert rota.host.outcome(call).kind == "completed"
            assert rota.output(call) == [f"number {number}"]
        found = await keepers()
        assert len(found) <= rota.executor.lanes["command"]
        assert [child for keeper in found for child in all_children(keeper)] == []


async def test_slots_are_not_exceeded_and_what_waits_can_be_stopped() -> None:
    async with running(slots=2, grace_s=0) as rota:
        calls = [command_call(shell="echo $$; sleep 600") for _ in range(4)]
        rota.executor.submit(calls)
        for call in calls[:2]:
            await rota.pids(call, 1)
        rota.stop(calls[2])
        assert not (await rota.outcome(calls[2])).begun
        assert [rota.output(call) for call in calls[2:]] == [[], []]
        rota.stop(calls[0])
        await rota.pids(calls[3], 1)
        rota.executor.stop("unknown", 1, "cancel")
        for call in (calls[1], calls[3]):
            rota.stop(call)
        await rota.host.wait_done(4)
