"""Judges an answer: what its status, its headers and its body mean for the attempt."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import msgspec
from yarl import URL

from rota.executor import ErrorDetail, Outcome
from rota.executors.answer import judge, one_line
from rota.executors.http_body import Body
from rota.executors.http_exchange import Answer
from rota.executors.http_mask import Mask
from rota.executors.http_target import HttpTarget

RETRIED = frozenset((408, 425, 429))
"""Statuses below 500 that a second try can turn."""
MAX_RETRY_AFTER = 86_400
"""Seconds; what a target asks for beyond that is cut."""
SLOWS = frozenset((429, 503))
"""Statuses that, with ``Retry-After``, speak of all calls and not of this one."""
MAX_SLOW_US = 600_000_000
"""A target that asks for more slows its queue for so long only: it is asked again then."""
_DIGITS = re.compile(r"[0-9]{1,400}", re.ASCII)
_SHORT = 200


def accepted(answer: Answer, target: HttpTarget) -> bool:
    """Tell whether the status says that the work is done, as far as a status can."""
    return answer.status in target.expect if target.expect else 200 <= answer.status < 300


def is_deferred(answer: Answer, target: HttpTarget) -> bool:
    """Tell whether the target has taken the work and will report its end itself."""
    said = answer.headers.get("Rota-Async", "").strip().lower()
    return answer.status == 202 and said == "true" and (not target.expect or 202 in target.expect)


def outcome_of(answer: Answer, target: HttpTarget, mask: Mask, kept: int) -> Outcome:
    """Return the outcome that ``answer`` stands for.

    The JSON body is the result; a body that is none becomes ``{"status", "body"}``; one that is too large, or of
    plain text beyond ``kept`` bytes, completes as ``{"bytes", "head"}``: the work is done and must not be repeated.
    """
    content_type = answer.headers.get("Content-Type", "")
    if not accepted(answer, target):
        return _rejected(answer, mask, content_type)
    body = answer.body
    if not body.whole:
        return _cut(body, mask, content_type, kept)
    text = mask(body.text(content_type))
    if target.answer is not None:
        return _pointed(text, target.answer)
    if text:
        outcome = judge(text)
        if outcome.detail is None or outcome.detail.code != "result-not-json" or _is_json(content_type):
            return outcome
    if body.size > kept:
        return _cut(body, mask, content_type, kept)
    return Outcome("completed", result=_encode({"status": answer.status, "body": text}))


def retry_after(value: str | None, now: float) -> int | None:
    """Return the microseconds that ``Retry-After`` asks to wait from ``now`` (seconds UTC), at most a day.

    None when it asks for nothing that can be understood, or for a time that has passed.
    """
    text = (value or "").strip()
    if not text:
        return None
    if _DIGITS.fullmatch(text):
        seconds = float(min(int(text), MAX_RETRY_AFTER))
    else:
        try:
            date = parsedate_to_datetime(text)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return int(min(seconds, MAX_RETRY_AFTER) * 1_000_000) if seconds > 0 else None


def slowing(outcome: Outcome, answer: Answer, url: URL, mask: Mask) -> Outcome:
    """Return the outcome of a rejected call, which slows the queue where the answer asks for that."""
    asked_us = retry_after(answer.headers.get("Retry-After"), time.time())
    if asked_us is None:
        return outcome
    shown = one_line(mask(str(url.with_user(None).with_query(None).with_fragment(None))), _SHORT)
    return msgspec.structs.replace(
        outcome, slow_us=min(asked_us, MAX_SLOW_US), slow_by=f"{shown} answered {answer.status}"
    )


def _rejected(answer: Answer, mask: Mask, content_type: str) -> Outcome:
    # Below 200 only an upgrade that nobody asked for arrives here: a broken answer.
    retry = answer.status in RETRIED or answer.status >= 500 or answer.status < 200
    head = one_line(mask(answer.body.text(content_type)[: 4 * _SHORT]), _SHORT)
    line = one_line(f"HTTP {answer.status} {_phrase(answer)}" + (f": {head}" if head else ""))
    if 300 <= answer.status < 400 and "Location" in answer.headers:
        line += " (redirects are followed only when the target sets how many)"
    return Outcome(
        "failed",
        error=line,
        detail=ErrorDetail(f"http-{answer.status}", message=line),
        permanent=not retry,
        delay_us=retry_after(answer.headers.get("Retry-After"), time.time()) if retry else None,
    )


def _phrase(answer: Answer) -> str:
    if answer.reason:
        return one_line(answer.reason, 80)
    try:
        return HTTPStatus(answer.status).phrase
    except ValueError:
        return ""


def _cut(body: Body, mask: Mask, content_type: str, kept: int) -> Outcome:
    head = mask(Body(body.data[:kept]).text(content_type))
    return Outcome("completed", result=_encode({"bytes": body.size, "head": head}), truncated=body.size)


def _pointed(text: str, steps: tuple[str, ...]) -> Outcome:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return judge(text)
    for step in steps:
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and re.fullmatch(r"0|[1-9][0-9]{0,8}", step, re.ASCII) and int(step) < len(found):
            found = found[int(step)]
        else:
            line = one_line(f"the answer has no {step!r}, to which the target's answer points")
            return Outcome("failed", error=line, detail=ErrorDetail("answer-missing", message=line), permanent=True)
    return judge(_encode(found))


def _is_json(content_type: str) -> bool:
    plain = content_type.partition(";")[0].strip().lower()
    return plain == "application/json" or plain.endswith("+json")


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
