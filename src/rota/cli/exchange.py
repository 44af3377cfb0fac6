"""The request and the answer of an HTTP job, in two lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rota.cli.output import milliseconds
from rota.cli.terminal import cut

if TYPE_CHECKING:
    from rota.client import Json

HEAD_CHARS = 300


def exchanged(found: Json | None) -> list[tuple[str, str]]:
    """Return what was sent to a target and what came back; --json has the headers and more of the bodies."""
    if found is None:
        return []
    request, answer = found["request"], found["answer"]
    sent = f"{request['method']} {request['url']}, {request['bodyBytes']:,} bytes"
    if answer is None:
        return [("sent", sent), ("answer", "none")]
    said = f"{answer['status']} {answer['reason']}".rstrip()
    took = f"{said} after {milliseconds(answer['durationMs'])}, {answer['bodyBytes']:,} bytes"
    head = cut(answer["body"], HEAD_CHARS)
    return [("sent", sent), ("answer", f"{took}: {head}" if head else took)]
