"""Login and logout of browsers."""

from __future__ import annotations

import hashlib
from html import escape
from urllib.parse import parse_qs

import msgspec
from starlette.responses import RedirectResponse, Response

from rota.api.access import Identity
from rota.api.answers import LoggedIn
from rota.api.context import Context
from rota.api.entering import check_host, client_of, is_secure, local_path, with_session
from rota.api.failures import Failures
from rota.api.html import Page
from rota.api.network import NetworkAccess
from rota.api.oidc_login import OidcLogin
from rota.api.operations import Operations
from rota.api.reply import JsonReply, problem, refusal, refusal_of
from rota.errors import Forbidden, Invalid, RotaError, Unauthorized
from rota.local_token import is_login_code
from rota.store import tokens
from rota.store.database import Tx


class LoginIn(msgspec.Struct, forbid_unknown_fields=True):
    """A token to log in with."""

    token: str
    next: str = ""


class LoginQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where to go on, or a code of a login link."""

    next: str = ""
    code: str | None = None


class Login:
    """The login of one service."""

    def __init__(self, access: NetworkAccess) -> None:
        self._access = access
        self._failures = Failures()
        oidc = access.oidc
        self._oidc = None if oidc is None else OidcLogin(access, oidc, self._failures)
        self.operations = Operations("Login")
        self._declare()

    def _declare(self) -> None:
        add = self.operations.add
        ways = {303: "Logged in, on to the page asked for", 401: "The code was used or is too old"}
        add("GET", "/login", "getLogin", role=None, query=LoginQuery, media_type="text/html", also=ways)(self.page)
        details = {"body": LoginIn, "example": {"token": "rota_…"}, "answer": LoggedIn, "problems": (401, 403, 429)}
        add("POST", "/login", "logIn", role=None, **details)(self.log_in)
        add("POST", "/logout", "logOut", role=None, status=204, also={303: "On to the login"}, problems=(403,))(
            self.log_out
        )
        if self._oidc is not None:
            self._oidc.declare(self.operations)

    async def page(self, context: Context) -> Response:
        """Show the login page, or log in by the code of a login link, which works once within ten minutes."""
        query = context.query(LoginQuery)
        if query.code is None:
            return self._form(context, query.next)
        check_host(self._access, context)
        if await self._take_code(context, query.code):
            return self._enter(context, Identity(subject="local", role="admin", source="local"), query.next)
        return self._form(context, query.next, "This link was used or is too old.", 401)

    async def log_in(self, context: Context) -> Response:
        """Begin a browser session with a token.

        The page sends a form; programs may send JSON.
        """
        check_host(self._access, context)
        client = client_of(context)
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
        return with_session(self._access, context, identity, JsonReply(shown))

    async def log_out(self, context: Context) -> Response:
        """End the browser session: whoever has a copy of its cookie is logged out too."""
        answer: Response = Response(None, 204)
        if "text/html" in context.request.headers.get("accept", ""):
            answer = RedirectResponse(f"{context.settings.root_path}/login", 303)
        # Not who asks as the gate knows him: where the database is slow or away it knows nobody.
        found = self._access.session_of(context.request.headers)
        if found is not None and found.session is not None and found.until is not None:
            try:
                await self._access.ended.add(found.session, found.until)
            except RotaError as error:
                answer = refusal_of(error)
        answer.headers["set-cookie"] = self._access.sessions.end(secure=is_secure(context))
        return answer

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
        answer = RedirectResponse(context.settings.root_path + (local_path(next_path) or "/"), 303)
        return with_session(self._access, context, identity, answer)

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
        elsewhere = "" if self._oidc is None else self._oidc.button(root_path, local_path(next_path))
        body = (
            f"<h1>Log in</h1>{told}{elsewhere}"
            f'<form method="post" action="{escape(root_path)}/login">'
            '<label for="token">Token</label>'
            '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>'
            f'<input type="hidden" name="next" value="{escape(local_path(next_path))}">'
            '<button type="submit">Log in</button></form>'
            '<p class="dim">An API token, or the shared secret. <code>rota up</code> prints a link that logs in.</p>'
        )
        return Page("Log in – Rota", body, status, root_path=root_path, narrow=True)


def _from_form(raw: bytes) -> LoginIn:
    try:
        fields = parse_qs(raw.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise Invalid("body", "is no form", hint="send the field token") from None
    if "token" not in fields:
        raise Invalid("token", "is missing")
    return LoginIn(fields["token"][0], fields.get("next", [""])[0])
