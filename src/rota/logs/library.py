"""The logging of libraries (uvicorn, aiohttp, asyncio, psycopg …), routed into the service's own log."""

from __future__ import annotations

import logging

from rota.logs.service import LEVELS, LogSettings, current, event, event_limited

_level_before: list[int] = []


class LibraryHandler(logging.Handler):
    """Turns each record into an event ``log/<logger>``; warnings and errors that repeat are counted."""

    def emit(self, record: logging.LogRecord) -> None:
        if current() is None:  # events would come back here by way of the logger "rota"
            return
        try:
            level = _level(record.levelno)
            name = f"log/{record.name}"
            trace = record.exc_info[1] if record.exc_info else None
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a record whose arguments do not fit its text must not raise here
            name, level, trace, message = f"log/{record.name}", "warning", None, str(record.msg)
        error = f"{type(trace).__name__}: {trace}" if trace else None
        if level in ("warning", "error"):
            # The text before its arguments are filled in: those differ each time.
            key = f"{name} {record.msg!s:.200}"
            event_limited(key, name, message, level=level, error=error, exc_info=trace)
        else:
            event(name, message, level=level, error=error, exc_info=trace)


def route_libraries(settings: LogSettings) -> None:
    """Make `LibraryHandler` the only handler of the standard library's logging.

    Libraries are chatty at ``info``: below ``debug`` only their warnings are taken.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        # Exactly what logging.basicConfig made: handlers of other classes are somebody's intention.
        if type(handler) in (LibraryHandler, logging.StreamHandler):
            root.removeHandler(handler)
    root.addHandler(LibraryHandler())
    _level_before.append(root.level)
    threshold = LEVELS[settings.log_level]
    root.setLevel(threshold if threshold == logging.DEBUG else max(threshold, logging.WARNING))
    logging.captureWarnings(capture=True)
    # The text of these is written to the terminal by handlers of their own unless told otherwise.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def release_libraries() -> None:
    """Undo `route_libraries`."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, LibraryHandler):
            root.removeHandler(handler)
            root.setLevel(_level_before[0])
            _level_before.clear()
    logging.captureWarnings(capture=False)


def _level(number: int) -> str:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"
