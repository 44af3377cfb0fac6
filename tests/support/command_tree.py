"""The processes below an executor of commands: shepherd, keepers, and a command that leaves a daemon behind."""

from __future__ import annotations

import os
from pathlib import Path

from rota.executor import Call
from tests.support.command_calls import Running, python_call
from tests.support.procs import children, descendants
from tests.support.waiting import wait_until_async

DAEMON = """
import os, signal, sys
how = sys.argv[1].split()
if 'deaf' in how:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
ready, told = os.pipe()
if not os.fork():
    if 'setsid' in how:
        os.setsid()
    if 'double' not in how or not os.fork():
        os.write(1, b'%d\\n' % os.getpid())
        os.write(told, b'x')
        os.close(told)
        if 'silent' in how:
            os.closerange(0, 3)
        environ = {} if 'bare' in how else os.environ
        if 'stopped' in how:
            os.kill(os.getpid(), signal.SIGSTOP)
        os.execve('/bin/sleep', ['sleep', '600'], environ)
    os._exit(0)
os.close(told)
os.read(ready, 1)
if 'stay' in how:
    os.execv('/bin/sleep', ['sleep', '600'])
sys.exit(int(sys.argv[2]))
"""
"""A command that leaves a process behind, which it tells before it exits with the code that is its last argument."""


async def begun(rota: Running, how: str) -> tuple[Call, int, list[int]]:
    """Submit a command that stays, with its daemon; return it, its keeper, and all processes below that."""
    call = python_call(DAEMON, f"stay {how}", "0")
    rota.executor.submit([call])
    [daemon] = await rota.pids(call, 1)
    [keeper] = [pid for pid in children(await shepherd_of(os.getpid())) if daemon in descendants(pid)]
    tree = await wait_until_async(lambda: sorted(found) if len(found := descendants(keeper)) == 2 else [])
    assert daemon in tree
    return call, keeper, tree


async def shepherd_of(pid: int) -> int:
    """Wait for the one shepherd of a process."""
    [found] = await wait_until_async(lambda: [each for each in children(pid) if comm(each) == "rota-shepherd"])
    return found


async def keepers() -> list[int]:
    """Wait until the shepherd of this process has keepers; return them."""
    shepherd = await shepherd_of(os.getpid())
    return await wait_until_async(lambda: sorted(children(shepherd)))


def comm(pid: int) -> str:
    """Return the name of a process; nothing when there is none."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def all_children(pid: int) -> list[int]:
    """Return the children of a process, zombies too."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def with_argument(mark: str) -> list[int]:
    """Return the processes that have ``mark`` among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
