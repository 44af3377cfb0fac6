"""What viewers do not see where ``ROTA_VIEWER_PAYLOADS`` is ``hide``: what jobs take, give and say.

It is taken out of whatever an operation answers, by the names of the fields, so that none can forget it.  Names that
people gave (ids, types, queues, keys, tags, notes) stay.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rota.api.reply import JsonReply, ProblemReply
from rota.errors import Forbidden

HIDDEN = "hidden"
EVENT_STREAM = "text/event-stream"
_ENDED = frozenset(("failed", "timeout", "silent", "replaced", "parent-failed", "cancelled"))
"""Causes that tell the error of a job behind a colon."""
_LOG_LINE = frozenset(("n", "stream", "text"))
_CHANGE = frozenset(("field", "from", "to"))


def check_search(request: Request) -> None:
    """Raise Forbidden for a search in payloads: what it finds would tell what is in them."""
    if any(name == "q" or name.startswith("args") for name in request.query_params):
        raise Forbidden("Payloads are hidden", hint="a viewer cannot search in them here; leave q and args out")


def hidden(answer: Response) -> Response:
    """Return an answer without payloads."""
    if isinstance(answer, StreamingResponse):
        return _stream(answer)
    if isinstance(answer, JsonReply) and not isinstance(answer, ProblemReply):
        headers = {
            name: text for name, text in answer.headers.items() if name not in ("content-length", "content-type")
        }
        return JsonReply(masked(msgspec.json.decode(answer.body)), answer.status_code, headers)
    return answer


def masked(value: Any) -> Any:
    """Return a decoded document without payloads."""
    if isinstance(value, list):
        return [masked(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.keys() >= _LOG_LINE:
        return {**value, "text": HIDDEN}
    if value.keys() >= _CHANGE:
        return {**value, "from": _all(value["from"]), "to": _all(value["to"])}
    if value.get("code") in _ENDED and "text" in value:
        return {**value, "text": _before_colon(value["text"])}
    found = {name: _RULES.get(name, masked)(one) for name, one in value.items()}
    if "causes" in found and any(one.get("code") in _ENDED for one in value["causes"]):
        found["text"] = _before_colon(value["text"])
    return found


def _stream(answer: StreamingResponse) -> Response:
    if answer.media_type == EVENT_STREAM:
        answer.body_iterator = _events(answer.body_iterator)
        return answer
    return Response(f"{HIDDEN}\n", answer.status_code, media_type="text/plain")


async def _events(pieces: AsyncIterable[Any]) -> AsyncIterator[bytes]:
    """Mask the data of events; pieces may end anywhere."""
    rest = b""
    async for piece in pieces:
        whole, newline, rest = (rest + bytes(piece)).rpartition(b"\n")
        if newline:
            yield b"\n".join(map(_event_line, whole.split(b"\n"))) + b"\n"


def _event_line(line: bytes) -> bytes:
    if not line.startswith(b"data: "):
        return line
    return b"data: " + msgspec.json.encode(masked(msgspec.json.decode(line[6:])))


def _all(value: Any) -> Any:
    return None if value is None else HIDDEN


def _before_colon(text: str) -> str:
    """Return what is said before the error of a job."""
    told, colon, _ = text.partition(": ")
    return f"{told}: {HIDDEN}" if colon else told


def _but(*kept: str) -> Callable[[Any], Any]:
    """Return what keeps some fields of an object, and hides all others."""

    def rule(value: Any) -> Any:
        if not isinstance(value, dict):
            return _all(value)
        return {name: one if name in kept else _shape(one) for name, one in value.items()}

    return rule


def _shape(value: Any) -> Any:
    """Return a text for a text and an object for an object, so that typed clients can read it."""
    return {} if isinstance(value, dict) else _all(value)


def _target(value: Any) -> Any:
    return {"kind": value.get("kind"), HIDDEN: True} if isinstance(value, dict) else _all(value)


def _exchange(value: Any) -> Any:
    rule = _but("method", "status", "bodyBytes", "truncated", "durationMs")
    return {name: rule(one) for name, one in value.items()} if isinstance(value, dict) else _all(value)


_RULES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            "args",
            "result",
            "checkpoint",
            "before",
            "after",
            "error",
            "message",
            "trace",
            "callbackUrl",
            "head",
            "q",
            "body",
        ),
        _all,
    ),
    "target": _target,
    "errorDetail": _but("code"),
    "progress": _but("value"),
    "exchange": _exchange,
}
