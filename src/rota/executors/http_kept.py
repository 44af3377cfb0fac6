"""What is kept of an exchange with the job: the last request and the answer to it, bounded, without secrets."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from rota.executors.answer import one_line
from rota.executors.http_body import Body
from rota.executors.http_exchange import Answer, Request
from rota.executors.http_mask import MASK, Mask, is_secret_name, mask_url

MAX_BYTES = 64 << 10
"""Of the whole as JSON."""
MAX_HEADERS = 50
_BODY_CHARS = (16_000, 4_000, 1_000)
"""Heads of bodies, the longest of these with which the whole is small enough."""
_HEADER_CHARS = 400
_SHOWN = frozenset(("idempotency-key", "proxy-authenticate", "www-authenticate"))
"""Named like secrets, and none."""


def kept(request: Request, answer: Answer | None, mask: Mask) -> str:
    """Return the exchange as JSON text; ``answer`` is None where none came."""
    asked = Body(request.body or b"", len(request.body or b"")).text(request.headers.get("Content-Type", ""))
    said = answer.body.text(answer.headers.get("Content-Type", "")) if answer is not None else ""
    # Masked before they are cut: of a secret that lies across the cut, the half would remain.
    asked, said = mask(asked), mask(said)
    text = b""
    for limit in _BODY_CHARS:
        found: dict[str, Any] = {"request": _request(request, asked, mask, limit), "answer": None}
        if answer is not None:
            found["answer"] = _answer(answer, said, mask, limit)
        text = msgspec.json.encode(found)
        if len(text) <= MAX_BYTES:
            break
    return text.decode()


def _request(request: Request, body: str, mask: Mask, limit: int) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": _short(mask(mask_url(str(request.url))), limit),
        "headers": _headers(request.headers.items(), mask, limit),
        "body": None if request.body is None else _head(body, limit),
        "bodyBytes": len(request.body or b""),
        "truncated": len(body) > limit,
    }


def _answer(answer: Answer, body: str, mask: Mask, limit: int) -> dict[str, Any]:
    return {
        "status": answer.status,
        "reason": _short(mask(answer.reason), 200),
        "headers": _headers(answer.headers.items(), mask, limit),
        "body": _head(body, limit),
        "bodyBytes": answer.body.size,
        "truncated": len(body) > limit or not answer.body.whole,
        "durationMs": answer.ms,
    }


def _headers(headers: Iterable[tuple[str, str]], mask: Mask, limit: int) -> dict[str, str]:
    """Return the headers by name; of one that came several times, all its values."""
    found: dict[str, str] = {}
    most = min(_HEADER_CHARS, limit // 10)
    for name, value in headers:
        known, secret = _known(name)
        if known not in found and len(found) == MAX_HEADERS:
            continue
        text = MASK if secret else _short(mask_url(mask(value)), most)
        found[known] = _short(f"{found[known]}, {text}", most) if known in found else text
    return found


@lru_cache(maxsize=1024)
def _known(name: str) -> tuple[str, bool]:
    """Return a header's name as it is kept, and whether its value is a secret."""
    return _short(name, 100), is_secret_name(name) and name.lower() not in _SHOWN


def _short(text: str, most: int) -> str:
    if len(text) <= most and text.isascii() and text.isprintable():
        return text
    return one_line(text, most)


def _head(text: str, most: int) -> str:
    """Return the beginning of a body, with nothing in it that a database cannot store."""
    return text[:most].replace("\0", "�").encode("utf-8", "replace").decode()
