"""Setting up the log of a process: its own events, its libraries, its crashes."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rota.errors import SettingInvalid
from rota.logs.events import COMMON_FIELDS, EVENTS
from rota.logs.library import release_libraries, route_libraries
from rota.logs.service import MASKER, Log, LogSettings, event, install

_hooks_before: list[tuple[Any, Any]] = []


def configure(settings: LogSettings, role: str) -> None:
    """Begin to write events, the logging of libraries, and crashes, as the settings say.

    ``role`` is the ``role`` of each line: ``api``, ``scheduler``, ``worker`` …  Raises `SettingInvalid` when the file
    cannot be opened or a field to rename does not exist.  May be called again.
    """
    _check_rename(settings.log_rename)
    MASKER.add(settings.secrets)
    install(Log(settings, role))
    route_libraries(settings)
    if sys.excepthook is not _report_crash:
        _hooks_before.append((sys.excepthook, threading.excepthook))
        sys.excepthook, threading.excepthook = _report_crash, _report_thread_crash
        atexit.register(close)


def close() -> None:
    """Write everything and stop; later events go to the standard library's logger ``rota``."""
    atexit.unregister(close)
    if sys.excepthook is _report_crash:
        sys.excepthook, threading.excepthook = _hooks_before.pop()
    release_libraries()
    install(None)


def _check_rename(rename: Mapping[str, str]) -> None:
    known = {*COMMON_FIELDS, *(field for listed in EVENTS.values() for field in listed.fields)}
    for field, fresh in rename.items():
        if field not in known:
            raise SettingInvalid("ROTA_LOG_RENAME", f"there is no field {field!r}", hint="docs/reference/events.md")
        if fresh in known and fresh not in rename:
            raise SettingInvalid("ROTA_LOG_RENAME", f"{fresh!r} is the name of another field")


def _report_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        event("process/crashed", f"{kind.__name__}: {error}", level="error", error=str(error), exc_info=error)


def _report_thread_crash(arguments: threading.ExceptHookArgs) -> None:
    error = arguments.exc_value
    if error is not None and not isinstance(error, SystemExit):
        name = arguments.thread.name if arguments.thread else None
        message = f"{type(error).__name__}: {error}"
        event("process/crashed", message, level="error", thread=name, error=str(error), exc_info=error)
