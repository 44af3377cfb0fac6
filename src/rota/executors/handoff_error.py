"""What the traceback of a foreign worker says: one line, the type of the exception, and the rest."""

from __future__ import annotations

import re

from rota.executor import Outcome
from rota.executors.handoff_fleet import failed

_HEAD = re.compile(r"([A-Za-z_][\w.]*)(?:: ?(.*))?", re.ASCII)
TIMEOUTS = ("JobTimeoutException", "SoftTimeLimitExceeded", "TimeLimitExceeded")
MAX_TYPE = 200


def error_of(trace: str) -> Outcome:
    """Return the failed attempt that a traceback (text) tells of."""
    lines = trace.strip().splitlines()
    last = max((n for n, line in enumerate(lines) if line.startswith(" ")), default=None)
    if last is None or last + 1 >= len(lines):
        return failed("remote", trace, trace=trace if len(lines) > 1 else None)
    match = _HEAD.fullmatch(lines[last + 1])
    if match is None:
        return failed("remote", lines[last + 1], trace=trace)
    message = "\n".join([match[2] or "", *lines[last + 2 :]]).strip()
    return exception(match[1], message, trace)


def exception(type_: str, message: str, trace: str | None) -> Outcome:
    """Return the failed attempt of an exception, called as a function of Rota's own would be."""
    kind = type_.removeprefix("builtins.")[:MAX_TYPE]
    name = kind.rpartition(".")[2]
    line = f"{name}: {message}" if message else name
    return failed("timeout" if name in TIMEOUTS else "exception", line, message=message, trace=trace, type_=kind)
