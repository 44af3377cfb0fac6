"""Answers: JSON by msgspec, and problems as RFC 9457 describes them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from rota.errors import DatabaseError, Invalid, RotaError, SchemaMismatch, ServiceUnavailable, Unauthorized

RETRY_AFTER_S = 2
_encoder = msgspec.json.Encoder()
_Headers = dict[str, str]


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Why a request was refused (RFC 9457)."""

    status: int
    title: str
    detail: str
    code: str
    """Machine-readable, stable."""
    error: str
    """The same as ``detail``."""
    field: str | None = None
    """The field that is wrong, as a dotted path."""
    hint: str | None = None
    """What would help."""


class JsonReply(Response):
    """An answer whose content is encoded at once; nothing is copied or checked again."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: _Headers | None = None) -> None:
        super().__init__(_encoder.encode(content), status_code, headers, self.media_type)


class ProblemReply(JsonReply):
    """A refusal."""

    media_type = "application/problem+json"


def problem(status: int, detail: str, code: str, *, field: str | None = None, hint: str | None = None) -> Problem:
    """Return a problem of this status."""
    return Problem(
        status=status,
        title=HTTPStatus(status).phrase,
        detail=detail,
        error=detail,
        code=code,
        field=field or None,
        hint=hint,
    )


def problem_of(error: RotaError) -> Problem:
    """Return what the outside sees of one of our errors."""
    field = error.field if isinstance(error, Invalid) else None
    return problem(error.status, _plain(error.message), error.code, field=field and _plain(field), hint=error.hint)


def refusal(found: Problem, headers: _Headers | None = None) -> ProblemReply:
    """Return the answer that carries a problem."""
    return ProblemReply(found, found.status, headers)


def refusal_of(error: RotaError) -> ProblemReply:
    """Return the answer to a request that raised one of our errors."""
    headers: _Headers = {}
    if isinstance(error, (DatabaseError, SchemaMismatch, ServiceUnavailable)):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    elif isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="rota"'
    return refusal(problem_of(error), headers)


def internal_error() -> ProblemReply:
    """Return the answer when something broke that should not: without a trace, which is in the log."""
    return refusal(problem(500, "Something went wrong inside the service", "internal-error", hint="its log says what"))


def _plain(text: str) -> str:
    """What a client sent may hold what no answer can: lone surrogates."""
    return text.encode("utf-8", "replace").decode()
