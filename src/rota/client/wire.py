"""Requests to a service: repeated where that does no harm, with the errors of ``rota.errors`` for what is refused."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from rota.errors import (
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    Invalid,
    NotFound,
    RotaError,
    ServiceUnavailable,
    TooLarge,
    Unauthorized,
)

Json = dict[str, Any]

PATIENCE_S = 3.0
"""How long a request is repeated by default while the connection, or the database behind the service, is lost."""
TIMEOUT = httpx.Timeout(30.0, connect=5.0)

DIVIDED = "/api/job-types"
"""Where names may have a ``/`` in them."""
NAMED = ("/api/queues", "/api/calendars", "/api/secrets", DIVIDED)
"""What is called by a name, not by an id."""

_BY_STATUS: dict[int, type[RotaError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    503: DatabaseUnavailable,
}


class Wire:
    """The connection to one service."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """See `rota.client.Client`; raises Invalid for ``url`` and ``token``."""
        _check_url(url)
        headers = {"Accept": "application/json", "User-Agent": "rota-client"}
        if token:
            if not (token.isascii() and token.isprintable()) or " " in token:
                raise Invalid("token", "holds characters that no token has", hint="copy it again")
            headers["Authorization"] = f"Bearer {token}"
        self.http = httpx.Client(
            base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT, transport=transport, trust_env=False
        )
        self.url = url
        self._patience_s = patience_s
        self._was_reached = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
        patience_s: float | None = None,
    ) -> Any:
        """Send a request and return the decoded answer; raises the error of ``rota.errors`` that a problem names.

        A lost connection and an unreachable database are tried again, where doing it twice does nothing twice: reads,
        puts, deletes, and whatever has an idempotency key.
        """
        request = self._request(method, path, body, params, idempotency_key, timeout_s)
        repeatable = method in ("GET", "PUT", "DELETE", "HEAD") or idempotency_key is not None
        give_up = time.monotonic() + (self._patience_s if patience_s is None else patience_s)
        pause = 0.1
        while True:
            is_last = not repeatable or time.monotonic() + pause > give_up
            try:
                answer = self.http.send(request)
            except httpx.HTTPError as error:
                if is_last or not self._was_reached:
                    raise self.unreachable(error) from error
            else:
                self._was_reached = True
                if answer.status_code != 503 or is_last:
                    return _decode(answer)
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, 2.0)

    def pages(self, path: str, items: str, params: Mapping[str, Any], limit: int | None) -> Iterator[Json]:
        """Walk through a list page by page, at most ``limit`` items."""
        left = limit
        cursor: str | None = None
        while left is None or left > 0:
            size = 200 if left is None else min(200, left)
            page = self.request("GET", path, params={**params, "limit": size, "cursor": cursor})
            yield from page[items]
            cursor = page.get("nextCursor")
            if cursor is None:
                return
            if left is not None:
                left -= len(page[items])

    def _request(
        self,
        method: str,
        path: str,
        body: Any,
        params: Mapping[str, Any] | None,
        idempotency_key: str | None,
        timeout_s: float | None,
    ) -> httpx.Request:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        content = None
        try:
            if body is not None:
                content = msgspec.json.encode(body)
                headers["Content-Type"] = "application/json"
            query = {name: value for name, value in (params or {}).items() if value is not None}
            timeout = TIMEOUT if timeout_s is None else httpx.Timeout(timeout_s, connect=5.0)
            return self.http.build_request(
                method, path, content=content, params=query, headers=headers, timeout=timeout
            )
        except UnicodeEncodeError as error:
            raise Invalid("body" if content is None else "path", "holds half of a character") from error
        except (TypeError, ValueError, RecursionError) as error:
            raise Invalid("body", f"cannot be sent as JSON: {error}") from error
        except httpx.InvalidURL as error:
            raise Invalid("path", str(error)) from error

    def unreachable(self, error: httpx.HTTPError) -> ServiceUnavailable:
        """Return our own error for a connection that failed."""
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        while cause.args and isinstance(cause.args[0], Exception):  # as httpcore wraps them
            cause = cause.args[0]
        reason = getattr(cause, "strerror", None) or str(error) or type(error).__name__
        return ServiceUnavailable(f"{self.url} cannot be reached: {reason}", hint="is `rota up` running there?")


def _check_url(url: str) -> None:
    hint = "for example http://127.0.0.1:7005"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise Invalid("url", f"{url[:200]!r} is no address: {error}", hint=hint) from error
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise Invalid("url", f"{url[:200]!r} is no address of a service", hint=hint)


def path_of(*parts: str) -> str:
    """Return a path; the first part is ours, the others are names that somebody gave."""
    called = "name" if parts[0] in NAMED else "id"
    for part in parts[1:]:
        if not part:
            raise Invalid(called, f"the {_noun(parts[0])}'s {called} is empty")
        if part in (".", "..") or not part.isprintable() or ("/" in part and parts[0] != DIVIDED):
            raise Invalid(called, f"{part[:100]!r} is not a name", hint="names have letters, digits and . _ : -")
    return "/".join([parts[0], *(quote(part, safe="") for part in parts[1:])])


def _noun(path: str) -> str:
    """Return what is called by a name there, in one word or two: ``queue``, ``job type``."""
    words = path.rpartition("/")[2].replace("-", " ")
    return words.removesuffix("es" if words.endswith("ches") else "s")


def _decode(answer: httpx.Response) -> Any:
    if answer.status_code == 204:
        return None
    document = document_of(answer)
    if answer.is_success:
        return document
    raise _error(answer.status_code, document if isinstance(document, dict) else {})


def document_of(answer: httpx.Response) -> Any:
    """Return the JSON of an answer; raises ServiceUnavailable where it is none."""
    try:
        return msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ServiceUnavailable(
            f"HTTP {answer.status_code} without JSON from {answer.url}", hint="is this the address of a Rota?"
        ) from None


def _error(status: int, problem: Json) -> RotaError:
    detail = str(problem.get("detail") or problem.get("error") or problem.get("title") or f"HTTP {status}")
    hint = problem.get("hint")
    field = problem.get("field")
    if field and status in (400, 413, 422):
        reason = detail.removeprefix(f"{field}: ")
        if hint:
            reason = reason.removesuffix(f" ({hint})")
        return (TooLarge if status == 413 else Invalid)(str(field), reason, hint=hint)
    if hint:
        detail = detail.removesuffix(f" ({hint})")
    error = _BY_STATUS.get(status, RotaError)(detail, hint=hint)
    error.status = status
    if isinstance(problem.get("code"), str):
        error.code = problem["code"]
    return error
