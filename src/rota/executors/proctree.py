"""What the operating system offers to know, end and shield processes; each call does nothing where it is missing.

Linux has all of it.  Elsewhere there are no subreapers and no ``/proc``: a command is then its process group.
Standard library only, as in everything that the shepherd loads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from typing import NamedTuple

LINUX = sys.platform == "linux"

_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36


class Process(NamedTuple):
    """A process as ``/proc`` shows it."""

    pid: int
    name: str
    ended: bool
    """Its main thread has ended: nothing but a zombie, as a rule."""
    parent: int
    group: int
    session: int


def make_undumpable() -> bool:
    """Forbid processes of the same user to read this one's memory and environment; tell whether it worked.

    Every process that holds secrets calls this before it starts what could look.  It holds against root in a
    container too, but not against root with all its privileges.
    """
    return _prctl(_PR_SET_DUMPABLE, 0)


def become_subreaper() -> bool:
    """Make this process the parent of every descendant whose own parent ends; tell whether it worked."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def name_process(name: str) -> None:
    """Set the name (15 bytes) that ``ps`` and ``top`` show."""
    if LINUX:
        buffer = ctypes.create_string_buffer(name.encode())
        _prctl(_PR_SET_NAME, ctypes.addressof(buffer))


def read(pid: int) -> Process | None:
    """Return the process, or None when there is none (any more)."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            text = file.read(1024)
    except OSError:
        return None
    # The name is in parentheses and may hold any character, these too.
    name, _, rest = text.partition(b"(")[2].rpartition(b")")
    fields = rest.split()
    ended = fields[0] in (b"Z", b"X")
    return Process(pid, name.decode("utf-8", "replace"), ended, int(fields[1]), int(fields[2]), int(fields[3]))


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb", buffering=0) as file:
                found += map(int, file.readall().split())
    except OSError:
        if os.path.isdir(f"/proc/{pid}/task") and not os.path.exists("/proc/thread-self/children"):
            return [each.pid for each in _all() if each.parent == pid]
    return found


def descendants(*roots: int) -> list[Process]:
    """Return all that the processes ``roots`` started, and what these started, and so on."""
    found: dict[int, Process] = {}
    level: Iterable[int] = roots
    while True:
        below = [process for pid in level for process in map(read, children(pid)) if process is not None]
        new = [process for process in below if process.pid not in found]
        if not new:
            return [*found.values()]
        found.update((process.pid, process) for process in new)
        level = [process.pid for process in new]


def send(process: Process, number: int) -> bool:
    """Send a signal to exactly this process; tell whether it could be sent.

    A process id may have been given to another process meanwhile: the signal goes through a handle, and only when
    what it holds still has the parent that it had, or has been adopted by this process.
    """
    try:
        if not hasattr(os, "pidfd_open"):
            os.kill(process.pid, number)
            return True
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        now = read(process.pid)
        if now is None or now.parent not in (process.parent, os.getpid()):
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def send_group(group: int, number: int) -> None:
    """Send a signal to a process group, if there is one that may be signalled."""
    try:
        os.killpg(group, number)
    except OSError:
        return


def end_marked(marks: Iterable[str]) -> int:
    """Kill the processes whose environment has all ``marks`` (``NAME=value``), and those of their sessions.

    The last resort, for when nobody is left who knows whose child they were; returns how many were killed.
    """
    if not LINUX:
        return 0
    wanted = [b"\0" + mark.encode() + b"\0" for mark in marks]
    own = os.getsid(0)
    killed: set[int] = set()
    for _ in range(3):
        processes = [process for process in _all() if process.pid not in killed and process.session != own]
        marked = {process.session for process in processes if _has_mark(process.pid, wanted)}
        doomed = [process for process in processes if process.session in marked]
        if not doomed:
            break
        killed.update(process.pid for process in doomed if send(process, signal.SIGKILL))
    return len(killed)


def _has_mark(pid: int, wanted: list[bytes]) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = b"\0" + file.read() + b"\0"
    except OSError:
        return False
    return all(mark in environ for mark in wanted)


def _all() -> list[Process]:
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()] if LINUX else []
    return [process for process in map(read, pids) if process is not None]


def _prctl(option: int, value: int) -> bool:
    if not LINUX:
        return False
    call = ctypes.CDLL(None).prctl
    call.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    return int(call(option, value, 0, 0, 0)) == 0
