"""The functions that a runner knows: those of the applications, and those of the modules open to targets."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from rota.executor import Declared, ErrorDetail, Outcome
from rota.executors.answer import one_line
from rota.executors.runner_frames import LoadError, Work
from rota.job import JobFunction

_TRACE_CHARS = 16 * 1024
UNKNOWN_DELAY_US = 5_000_000
"""A job whose function is not loaded here comes back after this time; by then another worker may have it."""


class Application(Protocol):
    """What an ``--app MODULE:ATTR`` names."""

    @property
    def jobs(self) -> Mapping[str, JobFunction[..., Any]]:
        """The job functions by name."""

    @property
    def schedules(self) -> Sequence[str]:
        """The declared schedules as JSON documents."""


class Refused(Exception):
    """A call cannot be run here; ``outcome`` says what becomes of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


class Target(msgspec.Struct):
    """The part of a function target that matters here."""

    function: str = ""


_decode_target = msgspec.json.Decoder(Target).decode


class Functions:
    """All functions that calls may name."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.errors: list[LoadError] = []
        self.schedules: list[str] = []
        self._modules = tuple(modules)
        self._named: dict[str, JobFunction[..., Any]] = {}
        self._inline: dict[str, JobFunction[..., Any]] = {}

    def load(self, app: str) -> None:
        """Import an application; what goes wrong is kept in ``errors``."""
        try:
            loaded = _application(app)
            jobs, schedules = dict(loaded.jobs), list(loaded.schedules)
        except BaseException as error:  # noqa: BLE001 - a module may raise anything, SystemExit too
            line = one_line(f"cannot load {app}: {type(error).__name__}: {error}")
            self.errors.append(LoadError(app, line, trace_of(error)))
            return
        for name, function in jobs.items():
            other = self._named.setdefault(name, function)
            if other is not function:
                line = f"cannot load all of {app}: job type {name} is declared twice, {other.path} and {function.path}"
                self.errors.append(LoadError(app, line, ""))
        self.schedules += schedules

    def declared(self) -> list[Declared]:
        """Return the job types; one whose signature cannot be read is left out and kept in ``errors``."""
        found = []
        for name, each in self._named.items():
            try:
                found.append(Declared(name, each.lane, each.path, each.args_schema, each.defaults_json, each.secrets))
            except Exception as error:  # noqa: BLE001 - annotations are the author's code
                line = one_line(f"cannot declare {name} ({each.path}): {error}")
                self.errors.append(LoadError(each.path, line, trace_of(error)))
        return found

    def find(self, work: Work) -> JobFunction[..., Any]:
        """Return the function of a call; raises `Refused`."""
        if work.target is not None:
            try:
                path = _decode_target(work.target).function
            except msgspec.MsgspecError as error:
                raise Refused(_failed("target-invalid", f"the target is malformed: {error}", permanent=True)) from error
            return self._resolve(path)
        function = self._named.get(work.type or "")
        if function is None and self._is_open(work.type or ""):
            return self._resolve(work.type or "")  # a type that is named by the path of its function
        if function is None:
            reason = self.errors[0].line if self.errors else f"this worker has no function for job type {work.type}"
            detail = ErrorDetail("function-not-loaded", message=reason)
            raise Refused(Outcome("interrupted", error=reason, detail=detail, delay_us=UNKNOWN_DELAY_US, begun=False))
        return function

    def _is_open(self, path: str) -> bool:
        module, _, name = path.partition(":")
        return bool(name) and any(module == each or module.startswith(f"{each}.") for each in self._modules)

    def _resolve(self, path: str) -> JobFunction[..., Any]:
        found = self._inline.get(path)
        if found is not None:
            return found
        module, _, name = path.partition(":")
        if not self._is_open(path):
            reason = f"{path or 'the target'} is not open to targets (add its package to ROTA_FUNCTION_MODULES)"
            raise Refused(_failed("function-forbidden", reason, permanent=True))
        try:
            value: Any = importlib.import_module(module)
        except BaseException as error:
            line = f"cannot import {module}: {type(error).__name__}: {error}"
            raise Refused(_failed("import-error", line, trace=trace_of(error))) from error
        try:
            for part in name.split("."):
                value = getattr(value, part)
            found = value if isinstance(value, JobFunction) else JobFunction(value, name=path)
        except Exception as error:
            raise Refused(_failed("function-not-found", f"{path}: {error}", permanent=True)) from error
        self._inline[path] = found
        return found


def load(apps: Sequence[str], modules: Sequence[str]) -> Functions:
    """Import the applications, from the current directory too."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    functions = Functions(modules)
    for app in apps:
        functions.load(app)
    return functions


def trace_of(error: BaseException) -> str:
    """Return the traceback of an exception, without the frames of the runner, head and tail when it is long."""
    frames = error.__traceback__
    while frames is not None and _is_own(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    try:
        text = "".join(traceback.TracebackException(type(error), error, frames, compact=True).format())
    except Exception as trouble:  # noqa: BLE001 - the exception's own code may raise
        text = f"{type(error).__name__} (its traceback cannot be shown: {type(trouble).__name__})"
    text = text.encode("utf-8", "replace").decode().replace("\0", "�")
    if len(text) <= _TRACE_CHARS:
        return text
    head, tail = _TRACE_CHARS // 4, _TRACE_CHARS * 3 // 4
    return f"{text[:head]}\n… [{len(text) - head - tail} characters left out]\n{text[-tail:]}"


def _is_own(path: str) -> bool:
    folder, name = os.path.split(path)
    return (folder == os.path.dirname(__file__) and name.startswith("runner")) or path.startswith("<frozen importlib")


def _application(app: str) -> Application:
    module, _, attribute = app.partition(":")
    value: Any = importlib.import_module(module)
    for part in (attribute or "rota").split("."):
        value = getattr(value, part)
    if not hasattr(value, "jobs") or not hasattr(value, "schedules"):
        raise TypeError(f"{attribute or 'rota'} is a {type(value).__name__}, not a Rota()")
    return value  # type: ignore[no-any-return]  # any object of that shape will do


def _failed(code: str, line: str, *, permanent: bool = False, trace: str | None = None) -> Outcome:
    line = one_line(line)
    return Outcome("failed", error=line, detail=ErrorDetail(code, message=line, trace=trace), permanent=permanent)
