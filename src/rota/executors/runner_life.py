"""How a runner lives: beside garbage that it does not look at, and not a moment longer than its worker."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def die_with(worker_pid: int) -> None:
    """Make the kernel end this process when the thread that started it ends.

    A thread of the runner sees the socket close and ends its whole process group; but a C extension that holds the
    interpreter would hold that thread too.  So the kernel sends SIGHUP besides, and its handler is libc's own
    ``alarm``, called with the number of the signal: one second later SIGALRM ends the process, without Python.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.signal.restype = ctypes.c_void_p
    libc.signal(signal.SIGHUP, ctypes.cast(libc.alarm, ctypes.c_void_p))
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
    if os.getppid() != worker_pid:  # it ended before the kernel was asked
        end_group()


def ignore_polite_signals() -> None:
    """Leave it to the worker when a run ends: service managers send TERM to every process of a service.

    Handlers, not SIG_IGN: what a function starts would inherit that, and could not be terminated.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _pass)


def spare_what_is_loaded() -> None:
    """Have the garbage collector pass by what is loaded by now, which stays for the life of the process.

    It went through all modules, classes and functions again and again: a tenth of what a short job costs.
    """
    gc.collect()
    gc.freeze()


def end_group() -> NoReturn:
    """End this process and what it started, at once."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _pass(_number: int, _frame: object) -> None:
    return
