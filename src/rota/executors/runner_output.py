"""What a function prints and logs goes to the log of its job; what belongs to no job goes to the worker's stderr."""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import sys
import time
from contextvars import ContextVar
from typing import Any, TextIO

from rota.executor import Line, Stream
from rota.executors.runner_link import Link

_MARK = "… [%d characters left out]"


class Output:
    """The output of one call, line by line.  After ``close`` nothing is taken any more."""

    __slots__ = ("_link", "_max_chars", "_number", "_open", "_parts")

    def __init__(self, link: Link, number: int, max_chars: int) -> None:
        self._link = link
        self._number = number
        self._max_chars = max_chars
        self._parts: dict[Stream, str] | None = None
        self._open = True

    @property
    def open(self) -> bool:
        """Whether text still belongs to this call."""
        return self._open and not self._link.silent

    def write(self, stream: Stream, text: str) -> None:
        """Take text; a line is passed on when its end has come."""
        parts = self._parts
        if parts is None:
            parts = self._parts = {}
        head, newline, rest = text.rpartition("\n")
        if not newline:
            begun = parts.get(stream, "")
            # Of an endless line only what will be shown is kept.
            parts[stream] = begun + text if len(begun) <= self._max_chars else begun
            return
        whole = parts.pop(stream, "") + head
        if rest:
            parts[stream] = rest
        self.lines(stream, whole)

    def lines(self, stream: Stream, text: str) -> None:
        """Pass on whole lines."""
        now = time.time_ns() // 1000
        for line in text.split("\n"):
            self._link.line(self._number, Line(now, stream, self._clean(line)))

    def close(self) -> None:
        """Pass on what has no newline of its own, and stop."""
        self._open = False
        for stream, text in (self._parts or {}).items():
            self.lines(stream, text)

    def _clean(self, line: str) -> str:
        if len(line) > self._max_chars:
            line = line[: self._max_chars] + _MARK % (len(line) - self._max_chars)
        if line.isascii():
            return line.replace("\0", "�") if "\0" in line else line
        return line.encode("utf-8", "replace").decode().replace("\0", "�")


current: ContextVar[Output | None] = ContextVar("rota_output", default=None)
"""The output of the async call in whose context code runs."""


class Only:
    """The output of the one call that a sync runner runs: whatever appears meanwhile, in any thread, is its own."""

    output: Output | None = None


def current_output() -> Output | None:
    """Return where output belongs just now; None when it belongs to no call."""
    output = current.get() or Only.output
    return output if output is not None and output.open else None


class CapturedStream(io.TextIOBase):
    """Stands in for ``sys.stdout`` and ``sys.stderr``."""

    def __init__(self, stream: Stream, original: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._original = original
        self.buffer = CapturedBytes(self)

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        output = current_output()
        if output is not None:
            output.write(self._stream, text)
        elif self._original is not None:
            self._original.write(text)
        return len(text)

    def flush(self) -> None:
        if self._original is not None:
            self._original.flush()

    def fileno(self) -> int:
        return self._original.fileno()

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed, read-only in CPython
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # as above
        return "replace"


class CapturedBytes(io.RawIOBase):
    """What ``sys.stdout.buffer`` is: bytes that are taken as text."""

    def __init__(self, stream: CapturedStream) -> None:
        super().__init__()
        self._text = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: Any) -> int:
        raw = bytes(data)
        self._text.write(self._decoder.decode(raw))
        return len(raw)

    def flush(self) -> None:
        self._text.flush()

    def writable(self) -> bool:
        return True


class JobLogHandler(logging.Handler):
    """Takes the records of ``logging`` that are made while a call runs."""

    def emit(self, record: logging.LogRecord) -> None:
        output = current_output()
        if output is None:
            if record.levelno >= logging.WARNING:
                self._elsewhere(record)
        elif not _shown_besides():
            try:
                output.lines("log", self.format(record))
            except Exception:  # noqa: BLE001 - a record that cannot be formatted must not fail the work
                self.handleError(record)

    def format(self, record: logging.LogRecord) -> str:
        name = "" if record.name in ("rota.job", "root") else f"{record.name}: "
        text = f"{record.levelname} {name}{record.getMessage()}"
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        return "\n".join(filter(None, (text, record.exc_text, record.stack_info)))

    def _elsewhere(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(self.format(record) + "\n")


def _shown_besides() -> bool:
    """Tell whether the application logs to a captured stream by itself, so that its format wins."""
    return any(
        isinstance(handler, logging.StreamHandler) and isinstance(handler.stream, CapturedStream)
        for handler in logging.root.handlers
    )


def capture_streams() -> None:
    """Begin to take what is printed."""
    for name in ("stdout", "stderr"):
        original = getattr(sys, name)
        original.reconfigure(line_buffering=True, errors="backslashreplace")
        setattr(sys, name, CapturedStream("stdout" if name == "stdout" else "stderr", original))


def capture_logging() -> None:
    """Begin to take what is logged; called when the applications are loaded, so that what they set up counts."""
    if not logging.root.handlers:
        logging.root.setLevel(logging.INFO)
    logging.root.addHandler(JobLogHandler())
    logging.getLogger("rota.job").setLevel(min(logging.INFO, logging.root.level))
