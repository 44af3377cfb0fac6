"""The two pages of a login at an issuer: away, and back."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from rota import logs
from rota.api.access import Identity
from rota.api.context import Context
from rota.api.entering import check_host, client_of, is_secure, local_path, with_session
from rota.api.failures import Failures
from rota.api.html import Page
from rota.api.network import NetworkAccess, cookie_value
from rota.api.oidc import FLOW_S, CallbackQuery, Oidc
from rota.api.oidc_paths import CALLBACK, PATH
from rota.api.operations import Operations
from rota.errors import Forbidden, RotaError, Unauthorized

COOKIE = "rota_login"


class OidcLogin:
    """Begins and ends the logins at one issuer."""

    def __init__(self, access: NetworkAccess, oidc: Oidc, failures: Failures) -> None:
        self._access = access
        self._oidc = oidc
        self._failures = failures

    def declare(self, operations: Operations) -> None:
        """Add the two pages."""
        pages = {"role": None, "media_type": "text/html", "problems": (401, 403, 429, 503)}
        operations.add("GET", PATH, "beginLogin", also={303: "On to the issuer"}, **pages)(self.begin)
        operations.add("GET", CALLBACK, "endLogin", **pages)(self.end)

    def button(self, root_path: str, next_path: str) -> str:
        """Return the HTML of what leads there from the login page."""
        query = f"?next={quote(next_path, safe='/')}" if next_path else ""
        link = f'<a class="button" href="{escape(root_path + PATH + query)}">Log in with {escape(self._oidc.host)}</a>'
        return f'{link}<p class="or">or</p>'

    async def begin(self, context: Context) -> Response:
        """Send the browser to the issuer."""
        try:
            check_host(self._access, context)
            next_path = local_path(context.request.query_params.get("next", ""))
            address, kept = await self._oidc.begin(_redirect_uri(context), next_path)
        except RotaError as error:
            return self._refused(context, error)
        answer = RedirectResponse(address, 303)
        answer.headers["set-cookie"] = _cookie(context, kept, FLOW_S)
        return answer

    async def end(self, context: Context) -> Response:
        """Begin a browser session when the issuer says who it is, and go on from a page of our own.

        The way back began at another site, so that no browser would send the new cookie with a mere redirect.
        """
        client = client_of(context)
        if retry_after := self._failures.retry_after(client):
            return self._page(context, f"Too many failed logins: try again in {retry_after} s", 429)
        try:
            check_host(self._access, context)
            identity, next_path = await self._identity(context)
        except RotaError as error:
            self._failures.note(client)
            return self._refused(context, error)
        target = context.settings.root_path + (next_path or "/")
        body = f'<h1>You are logged in</h1><p><a href="{escape(target)}">Go on</a></p>'
        answer = Page("Logged in – Rota", body, root_path=context.settings.root_path, go_to=target, narrow=True)
        answer.headers["set-cookie"] = _cookie(context, "", 0)
        return with_session(self._access, context, identity, answer)

    async def _identity(self, context: Context) -> tuple[Identity, str]:
        query = context.query(CallbackQuery)
        flow = self._oidc.flow_of(cookie_value(context.request.headers, COOKIE), query.state)
        identity = await self._oidc.finish(flow, query, _redirect_uri(context))
        if identity.role is None:
            raise Forbidden(f"{self._oidc.host} names none of the roles viewer, operator and admin for you")
        return identity, flow.next

    def _refused(self, context: Context, error: RotaError) -> Response:
        logs.event_limited(
            f"oidc/{error.code}", "auth/refused", error.message, status=error.status, method="GET",
            path=context.request.url.path, client=client_of(context), reason=error.hint,
        )  # fmt: skip
        said = error.message
        if isinstance(error, Unauthorized):
            said = f"What {self._oidc.host} says of you is not accepted: {error.hint}"
        return self._page(context, said, error.status)

    def _page(self, context: Context, sentence: str, status: int) -> Response:
        root_path = context.settings.root_path
        body = (
            f'<h1>Not logged in</h1><p class="error" role="alert">{escape(sentence)}.</p>'
            f'<p><a href="{escape(root_path)}/login">Log in</a></p>'
        )
        answer = Page("Not logged in – Rota", body, status, root_path=root_path, narrow=True)
        answer.headers["set-cookie"] = _cookie(context, "", 0)
        return answer


def _redirect_uri(context: Context) -> str:
    """Return where the issuer sends the browser back to; the Host was looked at before."""
    scheme = "https" if is_secure(context) else "http"
    return f"{scheme}://{context.request.headers['host']}{context.settings.root_path}{CALLBACK}"


def _cookie(context: Context, value: str, age_s: int) -> str:
    """Return the cookie of a login under way; Lax, since the way back begins at another site."""
    flags = "; Secure" if is_secure(context) else ""
    path = context.settings.root_path + PATH
    return f"{COOKIE}={value}; Path={path}; Max-Age={age_s}; HttpOnly; SameSite=Lax{flags}"
