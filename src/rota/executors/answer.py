"""What a result means: the one place that judges the answer of a function, an HTTP target or a command.

A JSON object may carry more than a value: ``{"success": false, "errors": […]}`` fails the attempt,
``{"status": "retry", "delayMs": n}`` starts the job again later without using an attempt, and
``{"status": "failed", "error": …}`` fails it for good.  Everything else is a result.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from rota.executor import ErrorDetail, Outcome

MAX_RESULT_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_ERROR_CHARS = 1000
MAX_DELAY_US = 365 * 86_400_000_000
_HEAD_CHARS = 4096
_MAX_KIND = 100


class _Answer(msgspec.Struct):
    success: Any = None
    status: Any = None
    delayMs: Any = None
    error: Any = None
    errors: Any = None
    message: Any = None


_decoder = msgspec.json.Decoder(_Answer)
_checker = msgspec.json.Decoder()
_skipper = msgspec.json.Decoder(msgspec.Raw)


def judge(result_json: str, *, max_bytes: int = MAX_RESULT_BYTES, max_depth: int = MAX_DEPTH) -> Outcome:
    """Return the outcome that a result (JSON text) stands for.

    Text that is no JSON, or is nested deeper than ``max_depth``, fails for good: the work is done, and another
    attempt would only repeat it.  A result above ``max_bytes`` completes, cut to its head.
    """
    try:
        answer = _read(result_json, whole=len(result_json) <= max_bytes)
        if len(result_json) <= max_bytes and depth_exceeds(result_json, max_depth):
            return not_json(f"nested deeper than {max_depth} levels")
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        return not_json(str(error))
    if answer is not None:
        if answer.status == "retry":
            return _snoozed(answer.delayMs)
        if answer.status == "failed":
            text = _words(answer.error) or _words(answer.errors) or _words(answer.message)
            line = text or "the answer says status failed"
            kind = _kind(answer.error) or _kind(answer.errors)
            return bounded(_failed(line, result_json, kind, permanent=True), max_bytes=max_bytes)
        if answer.success is False:
            text = _words(answer.errors) or _words(answer.error) or _words(answer.message)
            line = text or "the answer says success false"
            kind = _kind(answer.errors) or _kind(answer.error)
            return bounded(_failed(line, result_json, kind, permanent=False), max_bytes=max_bytes)
    return bounded(Outcome("completed", result=result_json), max_bytes=max_bytes)


def not_json(reason: str) -> Outcome:
    """Return the outcome of finished work whose result cannot be kept as JSON."""
    line = one_line(f"the result is not JSON: {reason}")
    return Outcome("failed", error=line, detail=ErrorDetail("result-not-json", message=line), permanent=True)


def bounded(outcome: Outcome, *, max_bytes: int = MAX_RESULT_BYTES) -> Outcome:
    """Return ``outcome`` with its result cut to ``{"bytes", "head"}`` when it is above ``max_bytes``."""
    text = outcome.result
    if text is None or len(text) * 4 <= max_bytes:
        return outcome
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size <= max_bytes:
        return outcome
    head = text[: min(_HEAD_CHARS, max_bytes // 8)].encode("utf-8", "replace").decode()
    short = msgspec.json.encode({"bytes": size, "head": head}).decode()
    return msgspec.structs.replace(outcome, result=short, truncated=size)


def one_line(text: str, limit: int = MAX_ERROR_CHARS) -> str:
    """Return ``text`` as one printable line of at most ``limit`` characters."""
    line = " ".join(text[: 4 * limit].split()).replace("\0", "�")
    line = line.encode("utf-8", "replace").decode()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def depth_exceeds(text: str, limit: int) -> bool:
    """Tell whether valid JSON ``text`` nests arrays and objects deeper than ``limit``."""
    if text.count("{") + text.count("[") <= limit:
        return False
    return _deeper(_checker.decode(text), limit)


def _deeper(value: Any, limit: int) -> bool:
    """Walk without recursion, level by level: depth is what the caller does not trust."""
    level = [value]
    for _ in range(limit):
        level = [item for each in level for item in _children(each)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [item for item in value.values() if isinstance(item, (dict, list))]
    return [item for item in value if isinstance(item, (dict, list))] if isinstance(value, list) else []


def _read(text: str, *, whole: bool) -> _Answer | None:
    """Return what the text says beside its value; None unless it is an object.

    Without ``whole`` values are only skipped over: a result that is cut anyway is not built in memory.  Else all is
    read once: of a number that nobody can read, nobody could read the job.
    """
    (_checker if whole else _skipper).decode(text)
    return _decoder.decode(text) if text[:64].lstrip()[:1] == "{" else None


def _snoozed(delay: object) -> Outcome:
    if isinstance(delay, bool) or not isinstance(delay, (int, float)) or not math.isfinite(delay) or delay < 0:
        line = "the answer says status retry without delayMs, a number of milliseconds from 0"
        return Outcome("failed", error=line, detail=ErrorDetail("answer-invalid", message=line))
    return Outcome("snoozed", delay_us=min(int(delay * 1000), MAX_DELAY_US))


def _failed(text: str, result: str, kind: str | None, *, permanent: bool) -> Outcome:
    line = one_line(text)
    detail = ErrorDetail("answer-failed", type=kind, message=line)
    return Outcome("failed", result=result, error=line, detail=detail, permanent=permanent)


def _kind(value: object) -> str | None:
    """Return the code that an ``error``, or the first of ``errors``, has beside its message."""
    if isinstance(value, list) and value:
        value = value[0]
    code = value.get("code") if isinstance(value, dict) else None
    return one_line(str(code), _MAX_KIND) if isinstance(code, (str, int)) and not isinstance(code, bool) else None


def _words(value: object) -> str:
    """Return what an ``error`` or ``errors`` of any shape says, in words."""
    if value is None or value == [] or value == {}:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(_words(item) for item in value[:5]) + (f" (and {len(value) - 5} more)" * (len(value) > 5))
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        return str(value["message"])
    return msgspec.json.encode(value).decode()
