"""A service as its clients see it: what is sent to it, what is repeated, and which error an answer becomes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from rota import traces
from rota.client.script import Feed, Give, Pause, Script, Send, call
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
"""How long a request is repeated by default while the service, or the database behind it, is away or busy."""
TIMEOUT_S = 30.0
CONNECT_S = 5.0
PAUSE_S = (0.1, 2.0)
"""First and longest pause before a request is repeated."""

BUSY = frozenset((429,))
"""Answers to what was not even begun."""
AWAY = BUSY | {502, 503, 504}
"""Answers that may be another in a moment; of 502 and 504 nobody knows what was done."""

DIVIDED = ("/api/job-types",)
"""Where names may have a ``/`` in them."""
NAMED = ("/api/queues", "/api/calendars", "/api/secrets", "/api/job-types")
"""What is called by a name, not by an id."""

_BY_STATUS: dict[int, type[RotaError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    503: DatabaseUnavailable,
}


class Address:
    """A service as calls see it, whoever makes them: its address, its token, and what is repeated."""

    http: httpx.Client | httpx.AsyncClient

    def _set_up(self, url: str, token: str | None, timeout_s: float, patience_s: float) -> dict[str, Any]:
        """Return what httpx must know; raises Invalid for ``url`` and ``token``."""
        _check_url(url)
        headers = {"Accept": "application/json", "User-Agent": "rota-client"}
        if token:
            if not (token.isascii() and token.isprintable()) or " " in token:
                raise Invalid("token", "holds characters that no token has", hint="copy it again")
            headers["Authorization"] = f"Bearer {token}"
        self.url = url
        self._patience_s = patience_s
        self._was_reached = False
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_S)
        return {"base_url": url.rstrip("/"), "headers": headers, "timeout": timeout, "trust_env": False}

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
        patience_s: float | None = None,
    ) -> Script[Any]:
        """Send a request and return the decoded answer; raises the error of ``rota.errors`` that a problem names.

        A lost connection and an unreachable database are tried again, where doing it twice does nothing twice: reads,
        puts, deletes, and whatever has an idempotency key.  What the service was too busy for (429) always is.
        """
        request = self.build(method, path, body, params, idempotency_key, timeout_s)
        is_safe = method in ("GET", "PUT", "DELETE", "HEAD") or idempotency_key is not None
        return decode((yield from self.send(request, is_safe=is_safe, patience_s=patience_s)))

    request = call(ask)
    """The same for callers."""

    def send(
        self, request: httpx.Request, *, is_safe: bool, patience_s: float | None = None, streamed: bool = False
    ) -> Script[httpx.Response]:
        """Return the answer to a request, repeated while the service is away or busy; ``is_safe``: twice is as once."""
        give_up = time.monotonic() + (self._patience_s if patience_s is None else patience_s)
        pause, longest = PAUSE_S
        while True:
            wait = pause * random.uniform(0.5, 1.0)
            try:
                answer: httpx.Response = yield Send(request, streamed)
            except httpx.HTTPError as error:
                if not is_safe or not self._was_reached or time.monotonic() + wait > give_up:
                    raise self.unreachable(error) from error
            else:
                self._was_reached = True
                if answer.status_code not in (AWAY if is_safe else BUSY):
                    return answer
                # Never sooner than the service asks for, and not all clients in the same instant.
                wait = max(wait, _asked_pause(answer) * random.uniform(1.0, 1.1))
                if time.monotonic() + wait > give_up:
                    return answer
            yield Pause(wait)
            pause = min(pause * 2, longest)

    def pages(self, path: str, items: str, params: Mapping[str, Any], limit: int | None) -> Feed[Any]:
        """Walk through a list page by page, at most ``limit`` items."""
        left = limit
        cursor: str | None = None
        while left is None or left > 0:
            size = 200 if left is None else min(200, left)
            page = yield from self.ask("GET", path, params={**params, "limit": size, "cursor": cursor})
            for item in page[items]:
                yield Give(item)
            cursor = page.get("nextCursor")
            if cursor is None:
                return
            if left is not None:
                left -= len(page[items])

    def build(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Request:
        """Return a request that can be sent; raises Invalid for what cannot."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        if (trace := traces.current()) is not None:
            headers["traceparent"] = trace
        content = None
        try:
            if body is not None:
                content = msgspec.json.encode(body)
                headers["Content-Type"] = "application/json"
            query = dict(_query(params or {}))
            timeout = self.http.timeout if timeout_s is None else httpx.Timeout(timeout_s, connect=CONNECT_S)
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
    if "@" in url.partition("//")[2].partition("/")[0]:  # it would be sent in place of the token, and told in messages
        raise Invalid("url", "has a user or a password in it", hint="give the address alone, and a token beside it")
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
        if part in (".", "..") or not part.isprintable() or ("/" in part and parts[0] not in DIVIDED):
            raise Invalid(called, f"{part[:100]!r} is not a name", hint="names have letters, digits and . _ : -")
    return "/".join([parts[0], *(quote(part, safe="") for part in parts[1:])])


def _noun(path: str) -> str:
    """Return what is called by a name there, in one word or two: ``queue``, ``job type``."""
    words = path.rpartition("/")[2].replace("-", " ")
    return words.removesuffix("es" if words.endswith("ches") else "s")


def decode(answer: httpx.Response) -> Any:
    """Return what an answer says; raises the error of ``rota.errors`` that a problem names."""
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


def _asked_pause(answer: httpx.Response) -> float:
    """Return for how many seconds the service wants not to be asked."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0.0


def _query(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of an address; what is given in parts is said part by part: ``args.user.id=42``."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{part}", one) for part, one in value.items())
        elif value is not None:
            yield name, value
