"""One attempt of a command, as the worker sees it: what its keeper reports becomes log, progress and outcome."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence

import msgspec

from rota.durations import parse_duration
from rota.errors import Invalid
from rota.executor import MAX_CHECKPOINT_BYTES, Call, ErrorDetail, Host, Line, Outcome, Stop, Stream
from rota.executors import frames
from rota.executors.command_env import job_env
from rota.executors.command_outcome import (
    Exit,
    describe,
    outcome_of,
    read_exit,
    read_gap,
    read_refusal,
    refused,
    stopped_outcome,
)
from rota.executors.command_target import CommandTarget, filled_env
from rota.executors.lines import MAX_LINE_BYTES
from rota.executors.secret_refs import fill
from rota.jsontext import check_json

_STREAMS: dict[bytes, Stream] = {frames.STDOUT: "stdout", frames.STDERR: "stderr"}
_KEPT_STDERR_LINES = 20
_KEPT_STDERR_CHARS = 4000
_MAX_MESSAGE_CHARS = 1000
_encoder = msgspec.json.Encoder()


class CommandRun:
    """A command that runs.  `take` gets what its keeper reports; ``outcome`` is set when it has ended."""

    def __init__(self, call: Call, target: CommandTarget, host: Host) -> None:
        self.call = call
        self.why: Stop | None = None
        """Why it was told to end."""
        self.closing = False
        """The executor itself is being closed."""
        self.begun = False
        """Its keeper has taken it."""
        self.outcome: Outcome | None = None
        self.clean = True
        """Nothing is left of it, so that its keeper may take the next."""
        self._target = target
        self._host = host
        self._started = time.monotonic()
        self._result: tuple[int, bytes] | None = None
        self._stderr: deque[str] = deque(maxlen=_KEPT_STDERR_LINES)
        self._lines: list[Line] = []

    def spec(self) -> bytes:
        """Return what its keeper is to run.  Raises `Invalid` where a secret does not fit."""
        target = self._target
        return _encoder.encode(
            {
                "argv": target.argv,
                "env": job_env(self.call, filled_env(target.env, self.call.secrets)),
                "cwd": target.cwd,
                "stdin": None if target.stdin is None else fill(target.stdin, self.call.secrets, "target.stdin"),
                "user": target.user,
                "limits": target.limits,
            }
        )

    def take(self, found: Sequence[tuple[bytes, bytes]]) -> None:
        """Report what arrived together."""
        progress: bytes | None = None
        checkpoint: bytes | None = None
        self.begun = True
        for kind, payload in found:
            if kind == frames.OUTPUT:
                self._output(payload)
            elif kind == frames.PROGRESS:
                progress = payload
            elif kind == frames.EXTEND:
                self._extend(payload.decode("utf-8", "backslashreplace").replace("\0", "\\x00").strip())
            elif kind == frames.CHECKPOINT:
                checkpoint = payload
            elif kind == frames.RESULT:
                self._result = frames.unpack_result(payload)
            elif kind == frames.LEFT_OUT:
                gap = read_gap(payload)
                self._say(f"… {gap.lines:,} lines ({gap.bytes:,} bytes) left out: more than a log can take")
            elif kind == frames.REFUSED:
                self.outcome = refused(read_refusal(payload), self._target)
                self._say(self.outcome.error or "")
            elif kind == frames.EXIT:
                self._exited(read_exit(payload))
        if progress is not None:
            self._progress(progress.decode("utf-8", "backslashreplace").replace("\0", "\\x00").strip())
        if checkpoint is not None:
            self._checkpoint(checkpoint)
        self._hand_on()

    def full(self) -> bool:
        """Tell whether it says more than can be stored."""
        return self.why is None and self._host.full(self.call)

    def stop(self, why: Stop) -> None:
        """Note that it is told to end, perhaps a second time, at once."""
        if self.why is None or (why == "kill" and self.why != why):
            self.why = why
            self._say(f"stopped: {why}")
            self._hand_on()

    def lost(self, *, shepherd: bool, often: bool = False) -> None:
        """Set the outcome of a run whose keeper is gone without a report, and perhaps the shepherd with it.

        ``often`` says that it was there when others died, too.
        """
        self.clean = False
        if self.closing or self.why is not None:
            self.outcome = Outcome("stopped")
        elif shepherd and not often:
            self.outcome = Outcome("interrupted", error="the process that starts commands was killed")
        else:
            # As a rule it was the command itself that killed it, and would again.
            text = "the process that watched over the command was killed"
            if often:
                text = "the process that starts commands was killed three times while this one ran"
            self.outcome = Outcome("failed", error=text, detail=ErrorDetail("keeper-lost", message="137"))

    def _hand_on(self) -> None:
        if self._lines:
            self._host.lines(self.call, self._lines)
            self._lines = []

    def _exited(self, end: Exit) -> None:
        self.clean = not end.survivors
        if self.closing or self.why is not None:
            self.outcome = stopped_outcome(end, self._result, self.why)
        else:
            self.outcome = outcome_of(end, self._target, self._result, "\n".join(self._stderr)[-_KEPT_STDERR_CHARS:])
        if end.killed and self.why is None and not self.closing:
            self._say(f"killed {end.killed} process{'es' * (end.killed > 1)} that the command left behind")
        if end.survivors:
            self._say(f"could not kill process {', '.join(end.survivors)}")
        facts = [f"{describe(end)} after {time.monotonic() - self._started:.2f} s", f"CPU {end.cpu_s:.2f} s"]
        if end.rss_kib:
            facts.append(f"{end.rss_kib / 1024:.0f} MB")
        self._say(", ".join(facts))

    def _output(self, payload: bytes) -> None:
        stream, at_us, block = frames.unpack_output(payload)
        name = _STREAMS[stream]
        texts = decode_lines(block)
        self._lines += [Line(at_us, name, text) for text in texts]
        if name == "stderr":
            self._stderr.extend(texts[-_KEPT_STDERR_LINES:])

    def _progress(self, text: str) -> None:
        number, _, message = text.partition(" ")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if 0 <= value <= 1:
            self._host.progress(self.call, value, message.strip()[:_MAX_MESSAGE_CHARS] or None)
        else:
            self._say(f"::rota progress {text[:200]}: progress is a number from 0 to 1, then perhaps a message")

    def _extend(self, text: str) -> None:
        try:
            extra_us = parse_duration(text, "extend")
        except Invalid as error:
            self._say(f"::rota {error}")
        else:
            self._host.extend(self.call, extra_us)

    def _checkpoint(self, text: bytes) -> None:
        try:
            value = check_json(text, "checkpoint", max_bytes=MAX_CHECKPOINT_BYTES)
        except Invalid as error:
            self._say(f"::rota checkpoint was not kept: {error}")
        else:
            self._host.checkpoint(self.call, value)

    def _say(self, text: str) -> None:
        self._lines.append(Line(time.time_ns() // 1000, "system", text))


def decode_lines(block: bytes) -> list[str]:
    r"""Return the lines of a block as text that can be stored anywhere.

    Bytes that are not UTF-8, and NUL, appear as ``\xNN``.  Of a line that was overwritten by carriage returns, as
    progress bars do, what a terminal would show last remains.
    """
    text = block.decode("utf-8", "backslashreplace")
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    lines = text.removesuffix("\n").split("\n")
    if len(text) > len(block):
        # Each byte that is shown as four characters makes a line longer than it may be.
        lines = [line if len(line) <= MAX_LINE_BYTES else f"{line[:MAX_LINE_BYTES]}… [cut]" for line in lines]
    if "\r" in text:
        lines = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
    return lines
