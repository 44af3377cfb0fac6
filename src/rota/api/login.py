"""Login and logout of browsers."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from html import escape
from urllib.parse import parse_qs

import msgspec
from starlette.responses import RedirectResponse, Response

from rota.api.access import Identity
from rota.api.answers import Me
from rota.api.context import Context
from rota.api.html import Page
from rota.api.network import NetworkAccess
from rota.api.operations import Operations
from rota.api.reply import JsonReply, problem, refusal
from rota.errors import Forbidden, Invalid, Unauthorized
from rota.local_token import is_login_code
from rota.store import tokens
from rota.store.database import Tx

TRIES = 10
WITHIN_S = 60.0
_MOST_CLIENTS = 10_000
_LONGEST_NEXT = 1000


class LoginIn(msgspec.Struct, forbid_unknown_fields=True):
    """A token to log in with."""

    token: str
    next: str = ""


class LoginQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where to go on, or a code of a login link."""

    next: str = ""
    code: str | None = None


class Failures:
    """How often a client has failed to log in of late."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def retry_after(self, client: str) -> int:
        """Return in how many seconds the client may try again, 0 for now."""
        now = time.monotonic()
        recent = [at for at in self._failed.get(client, ()) if now - at < WITHIN_S]
        return int(WITHIN_S - (now - recent[0])) + 1 if len(recent) >= TRIES else 0

    def note(self, client: str) -> None:
        """Note a failure."""
        now = time.monotonic()
        recent = [at for at in self._failed.pop(client, ()) if now - at < WITHIN_S]
        self._failed[client] = [*recent, now][-TRIES:]
        while len(self._failed) > _MOST_CLIENTS:
            self._failed.popitem(last=False)


class Login:
    """The login of one service."""

    def __init__(self, access: NetworkAccess) -> None:
        self._access = access
        self._failures = Failures()
        self.operations = Operations("Login")
        self._declare()

    def _declare(self) -> None:
        add = self.operations.add
        ways = {303: "Logged in, on to the page asked for", 401: "The code was used or is too old"}
        add("GET", "/login", "getLogin", role=None, query=LoginQuery, media_type="text/html", also=ways)(self.page)
        details = {"body": LoginIn, "example": {"token": "rota_…"}, "answer": Me, "problems": (401, 403, 429)}
        add("POST", "/login", "logIn", role=None, **details)(self.log_in)
        add("POST", "/logout", "logOut", role=None, status=204, also={303: "On to the login"}, problems=(403,))(
            self.log_out
        )

    async def page(self, context: Context) -> Response:
        """Show the login page, or log in by the code of a login link, which works once within ten minutes."""
        query = context.query(LoginQuery)
        if query.code is None:
            return self._form(context, query.next)
        self._check_host(context)
        if await self._take_code(context, query.code):
            return self._enter(context, Identity(subject="local", role="admin", source="local"), query.next)
        return self._form(context, query.next, "This link was used or is too old.", 401)

    async def log_in(self, context: Context) -> Response:
        """Begin a browser session with a token.

        The page sends a form; programs may send JSON.
        """
        self._check_host(context)
        client = (context.request.client or ("", 0))[0]
        is_form = not context.request.headers.get("content-type", "").startswith("application/json")
        given = _from_form(await context.raw_body()) if is_form else await context.body(LoginIn)
        if retry_after := self._failures.retry_after(client):
            return self._too_many(context, given, retry_after, is_form=is_form)
        try:
            identity = await self._access.bearer.identify(given.token.strip())
            identity.require("viewer")
        except (Unauthorized, Forbidden) as error:
            self._failures.note(client)
            if not is_form:
                raise
            return self._form(context, given.next, f"{error.message}.", error.status)
        if is_form:
            return self._enter(context, identity, given.next)
        shown = {"subject": identity.subject, "role": identity.role, "source": identity.source}
        return self._with_session(context, identity, JsonReply(shown))

    async def log_out(self, context: Context) -> Response:
        """End the browser session."""
        wants_page = "text/html" in context.request.headers.get("accept", "")
        answer = RedirectResponse(f"{context.settings.root_path}/login", 303) if wants_page else Response(None, 204)
        answer.headers["set-cookie"] = self._access.sessions.end(secure=_is_secure(context))
        return answer

    def _check_host(self, context: Context) -> None:
        if not self._access.is_host_known(context.request.headers):
            raise Forbidden("Host not allowed", hint="add the name of this service to ROTA_ALLOWED_HOSTS")

    async def _take_code(self, context: Context, code: str) -> bool:
        """Use a code up; it counts once, whichever process is asked."""
        token = self._access.local_token
        if token is None or not is_login_code(token, code):
            return False
        name = "login-code:" + hashlib.sha256(code.encode()).hexdigest()

        def take(tx: Tx) -> bool:
            return tokens.remember(tx, name, "", 204, "null")

        return await context.write(take)

    def _enter(self, context: Context, identity: Identity, next_path: str) -> Response:
        answer = RedirectResponse(context.settings.root_path + (_local_path(next_path) or "/"), 303)
        return self._with_session(context, identity, answer)

    def _with_session(self, context: Context, identity: Identity, answer: Response) -> Response:
        answer.headers["set-cookie"] = self._access.sessions.begin(identity, secure=_is_secure(context))
        return answer

    def _too_many(self, context: Context, given: LoginIn, retry_after: int, *, is_form: bool) -> Response:
        detail = "Too many failed logins"
        hint = f"try again in {retry_after} s"
        if is_form:
            answer: Response = self._form(context, given.next, f"{detail}; {hint}.", 429)
        else:
            answer = refusal(problem(429, detail, "too-many-logins", hint=hint))
        answer.headers["retry-after"] = str(retry_after)
        return answer

    def _form(self, context: Context, next_path: str, error: str = "", status: int = 200) -> Page:
        root_path = context.settings.root_path
        told = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
        body = (
            f"<h1>Log in</h1>{told}"
            f'<form method="post" action="{escape(root_path)}/login">'
            '<label for="token">Token</label>'
            '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>'
            f'<input type="hidden" name="next" value="{escape(_local_path(next_path))}">'
            '<button type="submit">Log in</button></form>'
            "<p>An API token, or the shared secret. <code>rota up</code> prints a link that logs in.</p>"
        )
        return Page("Log in – Rota", body, status, root_path=root_path)


def _from_form(raw: bytes) -> LoginIn:
    try:
        fields = parse_qs(raw.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise Invalid("body", "is no form", hint="send the field token") from None
    if "token" not in fields:
        raise Invalid("token", "is missing")
    return LoginIn(fields["token"][0], fields.get("next", [""])[0])


def _local_path(text: str) -> str:
    """Return a path of this service, or nothing: a login must not lead elsewhere."""
    safe = text.isascii() and text.isprintable() and "\\" not in text and len(text) <= _LONGEST_NEXT
    return text if safe and text.startswith("/") and not text.startswith("//") else ""


def _is_secure(context: Context) -> bool:
    return context.request.url.scheme == "https"
