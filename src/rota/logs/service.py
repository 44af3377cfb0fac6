"""The service's own log: one line for each event, cheap enough for several lines a job."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from rota.errors import SettingInvalid
from rota.logs.events import COMMON_FIELDS, EVENTS
from rota.logs.limiter import FIRST_WINDOW_S, Limiter, Repeated
from rota.logs.lines import JsonLines, Lines, TextLines, clean, with_times
from rota.logs.secrets import Masker
from rota.logs.sink import QUIET_S, Sink

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_URGENT = frozenset(("warning", "error"))
_LOOK_S = 1.0

MASKER = Masker()
"""The secrets of this process."""


class LogSettings(Protocol):
    """What the log needs of the settings."""

    @property
    def service_name(self) -> str: ...
    @property
    def log_format(self) -> str | None: ...
    @property
    def log_level(self) -> str: ...
    @property
    def log_file(self) -> str | None: ...
    @property
    def log_file_size(self) -> int: ...
    @property
    def log_file_kept(self) -> int: ...
    @property
    def log_rename(self) -> Mapping[str, str]: ...
    @property
    def secrets(self) -> Iterable[str]: ...


class Log:
    """Lines of one process: a format, a sink, and a thread that writes what waits."""

    def __init__(self, settings: LogSettings, role: str) -> None:
        self.settings = settings
        self.role = role
        self.threshold = LEVELS[settings.log_level]
        self._limiter = Limiter()
        self._next_report = 0.0
        try:
            self._sink = Sink(settings.log_file, largest=settings.log_file_size, kept=settings.log_file_kept)
        except OSError as error:
            raise SettingInvalid(
                "ROTA_LOG_FILE", f"{settings.log_file!r} cannot be opened: {error.strerror}", hint="make its folder"
            ) from error
        self._lines = self._make_lines()
        self._thread: threading.Thread | None = None
        # A bare lock as a flag: unlike an Event it may be set in a signal handler that interrupted its setting.
        self._wake = threading.Lock()
        self._wake.acquire()
        self._closed = False

    def emit(self, level: str, name: str, msg: str | None, fields: dict[str, Any]) -> None:
        line = self._lines.line(time.time_ns(), level, name, msg, fields)
        if self._sink.put(line, level in _URGENT) and self._wake.locked():
            self._arm()

    def emit_record(self, level: str, name: str, msg: str, fields: msgspec.Struct) -> None:
        line = self._lines.record(time.time_ns(), level, name, msg, fields)
        if self._sink.put(line, level in _URGENT) and self._wake.locked():
            self._arm()

    def emit_limited(self, key: str, level: str, name: str, msg: str | None, fields: dict[str, Any]) -> None:
        count = self._limiter.take(time.monotonic(), key, Repeated(level, name, msg, fields))
        if count is None:
            self._arm()
        else:
            self.emit(level, name, msg, {**fields, "repeated": count} if count else fields)

    def flush(self) -> None:
        """Write what waits, for a short time if the reader is slow."""
        deadline = time.monotonic() + 1.0
        while not self._sink.drain(wait=False) and time.monotonic() < deadline:
            time.sleep(0.005)

    def close(self) -> None:
        """Tell what was held back, write everything and end the thread."""
        self._emit_held(math.inf)
        self._report_dropped(math.inf)
        self._closed = True
        self._arm()
        self._sink.close()

    def after_fork(self) -> None:
        """Begin anew in a forked child: no thread, nothing that waits, its own process id."""
        self._sink.forget()
        self._thread = None
        self._wake = threading.Lock()
        self._wake.acquire()
        self._lines = self._make_lines()

    def _make_lines(self) -> Lines:
        terminal = self._sink.is_terminal
        if (self.settings.log_format or ("text" if terminal else "json")) == "text":
            colours = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
            return TextLines(MASKER, colours=colours, date=not terminal, rename=self.settings.log_rename)
        constant = {
            "service": self.settings.service_name,
            "role": self.role,
            "pid": os.getpid(),
            "hostname": socket.gethostname(),
        }
        return JsonLines(constant, MASKER, self.settings.log_rename)

    def _arm(self) -> None:
        """Wake the thread; it writes what waits soon."""
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._write_on, name="rota-log", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no thread can be had, or the interpreter ends: write here instead
                self._thread = None
                self._sink.drain(wait=False)
        try:
            self._wake.release()
        except RuntimeError:
            return  # it is awake already

    def _write_on(self) -> None:
        wake = self._wake
        while not self._closed:
            wake.acquire(timeout=_LOOK_S if self._sink.dropped or self._limiter.is_holding() else -1)
            time.sleep(QUIET_S)
            now = time.monotonic()
            self._emit_held(now)
            self._report_dropped(now)
            self._sink.drain(wait=True)

    def _emit_held(self, now: float) -> None:
        for held in self._limiter.due(now):
            self.emit(held.level, held.name, held.msg, {**held.fields, "repeated": held.count})

    def _report_dropped(self, now: float) -> None:
        count = self._sink.dropped
        if count and now >= self._next_report:
            self._next_report = now + FIRST_WINDOW_S
            self._sink.dropped = 0
            self.emit("warning", "log/dropped", f"lines that could not be written: {count}", {"count": count})
            if self._sink.dropped:  # this one neither
                self._sink.dropped += count - 1


_log: Log | None = None
_elsewhere = Limiter()
"""Counts what repeats in a program that has not called `configure`."""
_strict = bool(os.environ.get("ROTA_TEST_STRICT_EVENTS"))


def install(log: Log | None) -> None:
    """Make ``log`` the one that events go to, and end the one before."""
    global _log
    old, _log = _log, log
    if old is not None:
        old.close()


def forget_repeated() -> None:
    """Let all that was held back begin anew; for tests, which share a process."""
    global _elsewhere
    _elsewhere = Limiter()


def current() -> Log | None:
    """Return the log that events go to."""
    return _log


def flush() -> None:
    """Write what waits now; for the moment before a process is replaced or killed."""
    if _log is not None:
        _log.flush()


def mask(*secrets: str) -> None:
    """Register secrets that are replaced by ``***`` in every line."""
    MASKER.add(secrets)


def masked(text: str) -> str:
    """Return the text without registered secrets."""
    return MASKER.mask(text)


def is_on(level: str) -> bool:
    """Tell whether events of this level are written, for what is costly to describe."""
    return _log is not None and LEVELS[level] >= _log.threshold


def strict(on: bool) -> bool:
    """Make every event that `EVENTS` does not list, or with a field not listed there, an error; return what was.

    Tests do so, in this process and by ``ROTA_TEST_STRICT_EVENTS`` in those that it starts.
    """
    global _strict
    former, _strict = _strict, on
    return former


def event(
    name: str,
    msg: str | None = None,
    *,
    level: str = "info",
    exc_info: bool | BaseException | None = None,
    **fields: Any,
) -> None:
    """Write one line; never raises, whatever is wrong with the values, the stream or the disk.

    ``name`` is one of `EVENTS`, ``fields`` are JSON values in camelCase (None is left out; times may be µs UTC).
    ``exc_info`` adds the traceback of the exception being handled, or of the one given.  Before `configure`, as in a
    program that only uses Rota as a library, the event goes to the standard library's logger ``rota``.
    """
    if _strict:
        _check(name, level, fields)
    log = _log
    if log is None:
        _to_standard_library(name, msg, level, fields, exc_info)
    elif LEVELS[level] >= log.threshold:
        if exc_info:
            fields["trace"] = _trace(exc_info)
        log.emit(level, name, msg, fields)


def record(name: str, msg: str, fields: msgspec.Struct, level: str = "info") -> None:
    """As `event`, for what every job says: ``fields`` is a struct of JSON values that leaves out its defaults."""
    if _strict:
        _check(name, level, msgspec.to_builtins(fields))
    log = _log
    if log is None:
        _to_standard_library(name, msg, level, msgspec.to_builtins(fields), None)
    elif LEVELS[level] >= log.threshold:
        log.emit_record(level, name, msg, fields)


def event_limited(
    key: str,
    name: str,
    msg: str | None = None,
    *,
    level: str = "warning",
    exc_info: bool | BaseException | None = None,
    **fields: Any,
) -> None:
    """As `event`, for what may repeat: at most one line each 10 s (up to each minute) for a key.

    What was held back is counted in ``repeated``.
    """
    if _strict:
        _check(name, level, fields)
    log = _log
    if log is None:
        # By its text too: nobody here tells later what was held back.
        count = _elsewhere.take(time.monotonic(), f"{key} {msg}", Repeated(level, name, msg, {}))
        if count is not None:
            _to_standard_library(name, msg, level, {**fields, "repeated": count} if count else fields, exc_info)
    elif LEVELS[level] >= log.threshold:
        if exc_info:
            fields["trace"] = _trace(exc_info)
        log.emit_limited(key, level, name, msg, fields)


def _check(name: str, level: str, fields: Mapping[str, object]) -> None:
    listed = EVENTS.get("log/*" if name.startswith("log/") and name not in EVENTS else name)
    if listed is None:
        raise AssertionError(f"the event {name!r} is not listed in rota.logs.EVENTS")
    unknown = fields.keys() - set(listed.fields) - COMMON_FIELDS.keys()
    if unknown:
        raise AssertionError(f"the event {name!r} lists no fields {sorted(unknown)} in rota.logs.EVENTS")
    if level not in LEVELS:
        raise AssertionError(f"{level!r} is no level")


def _to_standard_library(
    name: str, msg: str | None, level: str, fields: dict[str, Any], exc_info: bool | BaseException | None
) -> None:
    """Hand an event to the application's own logging: as text, and with its fields for what writes more than text.

    They stand together in the record's ``rota``, since some are called as what every record has.
    """
    logger = logging.getLogger("rota")
    if logger.isEnabledFor(LEVELS[level]):
        said = with_times({key: value for key, value in fields.items() if value is not None})
        text = MASKER.mask(" ".join([name, msg or "", *(f"{key}={value}" for key, value in said.items())]))
        extra = {"rota": clean({"event": name, "msg": msg, **said}, MASKER)}
        logger.log(LEVELS[level], "%s", text, exc_info=exc_info, extra=extra)


def _trace(exc_info: bool | BaseException) -> str | None:
    error = exc_info if isinstance(exc_info, BaseException) else sys.exception()
    return "".join(traceback.format_exception(error)) if error is not None else None


def _after_fork() -> None:
    if _log is not None:
        _log.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
