"""Who is whose child: the processes of this machine, by the system's own table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LINUX = sys.platform.startswith("linux")


def alive(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    if LINUX:
        fields = _stat(pid)
        return bool(fields) and fields[0] not in "ZX"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def children(pid: int) -> set[int]:
    """The living processes whose parent this is."""
    return {child for child, parent in _parents().items() if parent == pid}


def own_children() -> set[int]:
    """The living children of this process but for Python's helper of `multiprocessing`, which lives as long as it.

    Cheap on Linux, where each thread lists its own.
    """
    if not LINUX:
        found = children(os.getpid())
    else:
        lists = [task.joinpath("children") for task in Path("/proc/self/task").iterdir()]
        found = {int(pid) for file in lists for pid in _read(file).split() if alive(int(pid))}
    return {pid for pid in found if "multiprocessing.resource_tracker" not in command(pid)}


def descendants(pid: int) -> set[int]:
    """Children, their children and so on, as far as they are alive."""
    parents = _parents()
    found: set[int] = set()
    new = {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def command(pid: int) -> str:
    """The command line of a process, for messages."""
    return _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ").strip() or "?"


def _parents() -> dict[int, int]:
    if LINUX:
        table = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (fields := _stat(int(entry))) and fields[0] not in "ZX":
                table[int(entry)] = int(fields[1])
        return table
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in listing.stdout.splitlines())
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def _stat(pid: int) -> list[str]:
    """State, parent and what follows (nothing if there is no such process); the name before may hold anything."""
    return _read(Path(f"/proc/{pid}/stat")).rpartition(") ")[2].split()


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
