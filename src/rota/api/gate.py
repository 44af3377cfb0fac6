"""The way in: Host, credentials, origin and size are checked before a body is read, and no trace gets out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rota import logs
from rota.api.access import ANYBODY, IDENTITY, TARGET, Access, Identity
from rota.api.bodies import drain
from rota.api.hosts import is_same_origin
from rota.api.oidc_paths import CALLBACK, PATH
from rota.api.reply import internal_error, refusal_of
from rota.api.service import Service
from rota.api.web import ASSETS, ICON
from rota.errors import Conflict, DatabaseError, Forbidden, RotaError, ServiceUnavailable, TooLarge, Unauthorized
from rota.masking import MASK
from rota.store.database import Duplicate

OPEN_PATHS = frozenset(("/live", "/ready", "/health", "/hello", "/scheduler/hello", "/login", "/logout", ICON))
METRICS_PATH = "/metrics"
PINGS = "/ping/"
UNASKED = (PINGS, "/badge/", "/status/")
"""Where nobody is asked who he is: the address says all, or it is for anybody."""
OPEN_FOLDERS = (ASSETS, "/demo/", *UNASKED)
OPEN_WAIT_S = 0.5
"""How long an open path waits to know who asks: probes must hear of a lost database in time."""
WATERMARK_WAIT_S = 0.5
"""How long an answer waits for the watermark; that of an open path, which must not need the database, not at all."""
DOCS_PATH = "/api/docs"
ANSWER_TOKEN = "rota-answer-token"
_ANSWERS = re.compile(r"/api/jobs/[^/]+/(complete|heartbeat|snooze)")
"""Where the target of a job proves itself by the token of its attempt, and by nothing else."""
NO_SCRIPTS = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
"""For a page that says nothing itself."""
ONLY_HTTPS = "max-age=31536000"
"""A year, of this name only: what else runs under the domain is not ours to decide on."""
ASK_AGAIN_S = 10.0
"""How long a stream goes on before it is asked again whether its API token or session still holds."""
EVENTS = "text/event-stream"
_READING = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
_FORM_PATHS = frozenset(("/login", "/logout"))
_FORM = "application/x-www-form-urlencoded"


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, service: Service, access: Access) -> None:
        self._app = app
        self._service = service
        self._access = access
        self._root_path = service.settings.root_path
        self._limit_body = service.settings.limit_body
        self._open_paths = OPEN_PATHS | ({METRICS_PATH} if service.settings.metrics_public else set())
        if service.settings.oidc_client_id is not None:
            self._open_paths |= {PATH, CALLBACK}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._service.refresh_watermark()
        scope = self._placed(scope)
        wait_s = 0.0 if self._is_open(scope["path"]) else WATERMARK_WAIT_S
        is_unasked = scope["path"].startswith(UNASKED)
        is_https = scope.get("scheme") == "https"
        answer = Answer(send, self._service, None if is_unasked else wait_s, is_https=is_https)
        answer.still_holds = partial(self._still_holds, scope)
        try:
            refused = await self._refused(scope)
            if refused is not None:
                if refused.status_code == TooLarge.status:
                    await drain(receive)
                await refused(scope, receive, answer.send)
            else:
                await self._app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - the last line of defence
            if answer.is_cut_off:
                return
            await self._broken(error, scope, receive, answer)

    def _placed(self, scope: Scope) -> Scope:
        """Take the root path off, whether the proxy in front has left it there or not."""
        path, method = scope["path"], scope["method"]
        if method == "HEAD" and not path.endswith(("/stream", "/events")):
            method = "GET"  # the server leaves the content out
        if self._root_path and (path == self._root_path or path.startswith(f"{self._root_path}/")):
            path = path[len(self._root_path) :] or "/"
        return {**scope, "path": path, "root_path": "", "method": method}

    async def _refused(self, scope: Scope) -> Response | None:
        """Return the refusal of a request that may not go on."""
        headers = Headers(scope=scope)
        is_open = self._is_open(scope["path"])
        try:
            if not self._access.is_host_allowed(headers):
                raise Forbidden("Host not allowed", hint="call it as localhost, or set ROTA_ALLOWED_HOSTS")
            identity = await self._identity(scope, headers, is_open=is_open)
            if identity is None and scope["path"] == METRICS_PATH:
                identity = ANYBODY
            scope[IDENTITY] = identity
            if identity is not None and not is_open:
                identity.require("viewer")
            if not scope["path"].startswith(PINGS):  # any body will do, and little of it is read
                if self._access.over_network and scope["method"] not in _READING:
                    _check_change(scope, headers, identity)
                self._check_size(headers)
        except RotaError as error:
            return self._refusal(error, scope, headers)
        return None

    async def _identity(self, scope: Scope, headers: Headers, *, is_open: bool) -> Identity | None:
        if ANSWER_TOKEN in headers and scope["method"] == "POST" and _ANSWERS.fullmatch(scope["path"]):
            return TARGET
        if not is_open:
            return await self._access.identify(scope, headers)
        if scope["path"].startswith(UNASKED):
            return None
        try:
            async with asyncio.timeout(OPEN_WAIT_S):
                return await self._access.identify(scope, headers)
        except (Unauthorized, DatabaseError, ServiceUnavailable, TimeoutError):
            return None

    async def _still_holds(self, scope: Scope) -> bool:
        """Tell whether what can be revoked, an API token or a session, still lets its caller in."""
        identity: Identity | None = scope.get(IDENTITY)
        if identity is None or (identity.digest is None and identity.session is None):
            return True
        try:
            found = await self._access.identify(scope, Headers(scope=scope))
        except Unauthorized:
            return False
        except RotaError:
            return True  # nobody knows now: asked again soon
        return found.role == identity.role

    def _is_open(self, path: str) -> bool:
        return path in self._open_paths or path.startswith(OPEN_FOLDERS)

    def _check_size(self, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not length.isdigit() or len(length) > 18 or int(length) > self._limit_body:
            raise TooLarge("body", f"is larger than {self._limit_body} bytes")

    def _refusal(self, error: RotaError, scope: Scope, headers: Headers) -> Response:
        if error.status in (401, 403):
            _tell_refused(error, scope)
        if isinstance(error, Unauthorized) and _wants_page(scope, headers):
            return RedirectResponse(login_address(self._root_path, scope["path"]), 303)
        return refusal_of(error)

    async def _broken(self, error: Exception, scope: Scope, receive: Receive, answer: Answer) -> None:
        if answer.begun:
            raise error
        if isinstance(error, Duplicate):
            error = Conflict("the same was stored a moment ago", hint="look whether it is what you wanted")
        if isinstance(error, RotaError):
            await refusal_of(error)(scope, receive, answer.send)
            return
        logs.event_limited(
            f"request/failed/{type(error).__name__}/{'/'.join(scope['path'].split('/')[:3])}",
            "request/failed",
            "a request ended in an error of the service",
            level="error",
            exc_info=error,
            method=scope["method"],
            path=told_path(scope["path"]),
            status=500,
        )
        await internal_error()(scope, receive, answer.send)


class UnsupportedMediaType(RotaError):
    """The body must be JSON."""

    code = "unsupported-media-type"
    status = 415


class Answer:
    """Adds to every answer what each must have."""

    def __init__(self, send: Send, service: Service, wait_s: float | None, *, is_https: bool) -> None:
        self._send = send
        self._service = service
        self._wait_s = wait_s
        self._is_https = is_https
        self._ask_again = 0.0
        self.begun = False
        self.still_holds: Callable[[], Awaitable[bool]] | None = None
        """Asked now and then of a stream, which ends where it does not."""
        self.is_cut_off = False

    async def send(self, message: Message) -> None:
        """Send a message of the answer."""
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            headers["x-content-type-options"] = "nosniff"
            headers.setdefault("cache-control", "no-store")
            headers.setdefault("referrer-policy", "same-origin")
            headers.setdefault("x-frame-options", "DENY")
            if headers.get("content-type", "").startswith("text/html"):
                headers.setdefault("content-security-policy", NO_SCRIPTS)
            if self._is_https:
                headers.setdefault("strict-transport-security", ONLY_HTTPS)
            watermark = None if self._wait_s is None else await self._service.watermark(self._wait_s)
            if watermark is not None:
                headers["rota-accounted-to"] = watermark
            if headers.get("content-type", "").startswith(EVENTS):
                self._ask_again = monotonic() + ASK_AGAIN_S
        elif self._ask_again and monotonic() >= self._ask_again and self.still_holds is not None:
            if not await self.still_holds():
                await self._cut_off()
            self._ask_again = monotonic() + ASK_AGAIN_S
        await self._send(message)

    async def _cut_off(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        self.is_cut_off = True
        raise Unauthorized


def told_path(path: str) -> str:
    """Return a path as it may be logged: without the key of a ping, and without the name of a page for some."""
    for folder in UNASKED:
        if path.startswith(folder):
            return f"{folder}{MASK}"
    return path


def login_address(root_path: str, path: str) -> str:
    """Return where a browser logs in, and comes back from."""
    return f"{root_path}/login" if path == "/" else f"{root_path}/login?next={quote(path, safe='/')}"


def _wants_page(scope: Scope, headers: Headers) -> bool:
    path = scope["path"]
    is_page = path == DOCS_PATH or not path.startswith("/api/")
    return is_page and scope["method"] == "GET" and "text/html" in headers.get("accept", "")


def _check_change(scope: Scope, headers: Headers, identity: Identity | None) -> None:
    """A page of another origin must not change anything in the name of who looks at it."""
    by_cookie = identity is not None and identity.by_cookie
    if by_cookie or scope["path"] in _FORM_PATHS:
        _check_origin(scope, headers, required=by_cookie)
    if scope["method"] not in _WITH_BODY:
        return
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if scope["path"] in _FORM_PATHS and kind in (_FORM, ""):
        return
    if kind != "application/json" and (has_body or kind):
        raise UnsupportedMediaType(hint="send Content-Type: application/json")


def _check_origin(scope: Scope, headers: Headers, *, required: bool) -> None:
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None:
        same = is_same_origin(origin, headers.get("host", ""), scope.get("scheme", "http"))
    elif site is not None:
        same = site == "same-origin"
    else:
        same = not required
    if not same:
        raise Forbidden("Origin not allowed", hint="a session may be used by its own pages only")


def _tell_refused(error: RotaError, scope: Scope) -> None:
    identity: Identity | None = scope.get(IDENTITY)
    client = scope.get("client") or ("", 0)
    logs.event_limited(
        f"refused/{client[0]}/{error.status}",
        "auth/refused",
        error.message,
        status=error.status,
        method=scope["method"],
        path=told_path(scope["path"])[:200],
        client=client[0],
        reason=error.hint,
        subject=identity.subject if identity else None,
    )
