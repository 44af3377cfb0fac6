"""Keeps one process of a test and all that it starts, and lets none of them outlive the test.

Called with ``DIRECTORY PROGRAM ARGUMENT…`` it runs the program in a session of its own, its output in the files
``stdout`` and ``stderr`` of the directory, its process id in ``pid`` and at the end its exit code in ``exit``.  As a
*subreaper* it inherits every orphan below it, so that whoever escapes by a double fork or a new session is still found
among its descendants.  When its standard input closes, which the end of the test does in every case, it kills them all.
Standard library only, so that it starts quickly.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from tests.support import procs

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run the program, reap it and every orphan, and kill what is left when nobody needs it any more."""
    directory = Path(sys.argv[1])
    if procs.LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with open(directory / "stdout", "wb") as stdout, open(directory / "stderr", "wb") as stderr:
        child = subprocess.Popen(
            sys.argv[2:], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
        )
    _tell(directory / "pid", child.pid)
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _reap(directory, child.pid)
        if 0 in ready:
            break
    while left := procs.descendants(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        select.select([], [], [], 0.002)  # not time.sleep, which fails below libfaketime
    _reap(directory, child.pid)


def _reap(directory: Path, main_pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid == main_pid:
                _tell(directory / "exit", os.waitstatus_to_exitcode(status))


def _tell(file: Path, number: int) -> None:
    # Renamed into place, so that whoever sees the file can read it.
    unfinished = file.with_suffix(".new")
    unfinished.write_text(str(number))
    unfinished.rename(file)
