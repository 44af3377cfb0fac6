"""What the end of a command means.

``detail.message`` of a command that failed is the status that a shell would report (``$?``), so that who ran it can
end alike: the exit code, 128 and the signal's number, 127 for a missing program, 126 for one that cannot be run.
"""

from __future__ import annotations

import errno
import os
import signal

import msgspec

from rota.durations import SECOND, format_duration
from rota.executor import ErrorDetail, Outcome, Stop
from rota.executors.answer import MAX_RESULT_BYTES, judge, not_json, one_line
from rota.executors.command_target import CommandTarget
from rota.executors.stopping import killed, stopped

SNOOZE_US = 30 * SECOND
"""How long a command that exits with 75 sleeps."""
BUSY_US = 5 * SECOND
"""How long a command waits that this machine could not start for want of processes, memory or handles."""
_HEAD_CHARS = 4096
_USED_UP = frozenset((errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE))


class Exit(msgspec.Struct, frozen=True):
    """How a command ended, as its keeper reports it."""

    status: int | None
    """The exit code; a signal's number, negative; None when it could not be killed."""
    cpu_s: float
    rss_kib: int
    killed: int
    """How many processes that it left behind were killed."""
    survivors: list[str]
    """Processes that could not be killed."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a command was not started, as its keeper reports it."""

    step: str
    errno: int
    text: str


class Gap(msgspec.Struct, frozen=True):
    """Output that was left out, as a keeper reports it."""

    lines: int
    bytes: int


read_exit = msgspec.json.Decoder(Exit).decode
read_refusal = msgspec.json.Decoder(Refusal).decode
read_gap = msgspec.json.Decoder(Gap).decode


def outcome_of(end: Exit, target: CommandTarget, result: tuple[int, bytes] | None, stderr: str) -> Outcome:
    """Return the outcome of a command that ended by itself; ``stderr`` is the end of what it said."""
    trace = stderr or None
    if end.status is None:
        text = f"could not be killed: process {', '.join(end.survivors)}"
        return Outcome("failed", error=text, detail=ErrorDetail("unkillable", message="137"))
    if end.status < 0:
        return _killed(-end.status, target, trace)
    action = target.exit_codes.get(end.status, "retry")
    if action == "snooze":
        return Outcome("snoozed", delay_us=SNOOZE_US)
    if action == "complete":
        return completed(end.status, result)
    detail = ErrorDetail("exit-code", message=str(end.status), trace=trace)
    return Outcome("failed", error=f"exit code {end.status}", detail=detail, permanent=action == "fail")


def completed(status: int, result: tuple[int, bytes] | None) -> Outcome:
    """Return the outcome of a command that did its work: its own result is judged as any other."""
    if result is None:
        return Outcome("completed", result=f'{{"exitCode":{status}}}')
    size, text = result
    if size > MAX_RESULT_BYTES:
        head = text[: 4 * _HEAD_CHARS].decode("utf-8", "replace")[:_HEAD_CHARS]
        short = msgspec.json.encode({"bytes": size, "head": head}).decode()
        return Outcome("completed", result=short, truncated=size)
    try:
        return judge(text.decode())
    except UnicodeDecodeError:
        return not_json("it is not UTF-8")


def stopped_outcome(end: Exit, result: tuple[int, bytes] | None, why: Stop | None) -> Outcome:
    """Return the outcome of a command that was told to end.

    One that exits with 0 after it reported a result has done its work, which must not be done again.
    """
    if end.status == 0 and result is not None:
        return completed(0, result)
    if end.status is None or end.status == -signal.SIGKILL:
        return killed(why)
    if end.status < 0:
        return stopped(f"stopped by {_signal(-end.status)}")
    return stopped(f"ended by itself after SIGTERM, with exit code {end.status}")


def describe(end: Exit) -> str:
    """Return in words how a command ended."""
    if end.status is None:
        return "could not be killed"
    return f"exit code {end.status}" if end.status >= 0 else f"killed by {_signal(-end.status)}"


def refused(refusal: Refusal, target: CommandTarget) -> Outcome:
    """Return the outcome of a command that could not be started.

    What is missing now is missing in a minute: it fails for good, unless only this machine was too busy.
    """
    if refusal.errno in _USED_UP:
        return Outcome("snoozed", error=f"could not be started here: {refusal.text}", delay_us=BUSY_US)
    code, status, text = "not-started", 126, f"could not be started: {refusal.text}"
    program = one_line(target.argv[0], 200)
    if refusal.step == "user":
        text = refusal.text
    elif refusal.step == "cwd":
        text = f"working directory {target.cwd}: {refusal.text}"
    elif os.path.isdir(target.argv[0]):
        code, text = "not-executable", f"no program: {program} is a directory"
    elif refusal.errno == errno.ENOENT and os.path.isfile(target.argv[0]):
        code, status, text = "not-found", 127, f"{program} needs an interpreter that is not there: see its first line"
    elif refusal.errno in (errno.ENOENT, errno.ENOTDIR):
        code, status, text = "not-found", 127, f"command not found: {program}"
    elif refusal.errno == errno.EACCES:
        code, text = "not-executable", f"permission denied: {program}"
    elif refusal.errno == errno.ENOEXEC:
        code, text = ("not-executable", f"no program: {program} (a script begins with a line such as #!/bin/sh)")
    elif refusal.errno == errno.E2BIG:
        text = "arguments and environment (ROTA_ARGS among them) are larger than a program can get"
    detail = ErrorDetail(code, type=errno.errorcode.get(refusal.errno), message=str(status))
    return Outcome("failed", error=one_line(text), detail=detail, permanent=True)


def _killed(number: int, target: CommandTarget, trace: str | None) -> Outcome:
    name = _signal(number)
    code, text = "signal", f"killed by {name}"
    if name == "SIGXCPU" and "cpu" in target.limits:
        code, text = ("cpu-limit", f"used up its {format_duration(target.limits['cpu'] * SECOND)} of CPU time")
    elif name == "SIGKILL":
        text += " (not by Rota; out of memory?)"
    detail = ErrorDetail(code, type=name, message=str(128 + number), trace=trace)
    return Outcome("failed", error=text, detail=detail)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
