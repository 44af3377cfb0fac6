"""Login at an issuer by OpenID Connect: the code flow with PKCE.

Nothing is kept between the two halves but a short-lived signed cookie of the browser; nonce and verifier are made of
its state with a key that never leaves the service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from rota.api.access import INVALID, Identity
from rota.api.issuer import IssuerTokens
from rota.api.jwks import Issuer, discover
from rota.api.outside import NoAnswer, ask_object
from rota.api.sessions import Sessions, Signer
from rota.errors import RotaError, ServiceUnavailable, Unauthorized
from rota.settings import Settings

FLOW_S = 600
"""How long a person may take at the issuer."""
SESSION_S = 12 * 3600
"""How long a session lasts that an issuer has opened: its role is looked at again after this."""
KNOWN_S = 600.0
WITHIN_S = 5.0
_ERROR = re.compile(r"[a-z_]{1,40}")


class LoginRefused(RotaError):
    """The login did not succeed."""

    code = "login-refused"
    status = 401


class Flow(msgspec.Struct, array_like=True, frozen=True):
    """What the browser keeps while a person is at the issuer."""

    state: str
    next: str
    until: int


class CallbackQuery(msgspec.Struct, kw_only=True):
    """With what the issuer sends a person back; it may say more."""

    code: str = ""
    state: str = ""
    error: str = ""
    iss: str = ""


class Oidc:
    """Login at the issuer of the settings; belongs to one event loop."""

    def __init__(self, settings: Settings, issuer: Issuer, client_id: str, signer: Signer) -> None:
        self._settings = settings
        self._issuer = issuer
        self._tokens = IssuerTokens(settings, issuer)
        self._client_id = client_id
        self._signer = signer
        self._known: dict[str, object] = {}
        self._known_until = 0.0

    @property
    def host(self) -> str:
        """The name of the issuer for people."""
        return urlsplit(self._issuer.name or "").netloc

    async def begin(self, redirect_uri: str, next_path: str) -> tuple[str, str]:
        """Return where a browser goes to log in, and what it keeps meanwhile; raises ServiceUnavailable."""
        flow = Flow(secrets.token_urlsafe(32), next_path, int(time.time()) + FLOW_S)
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.oidc_scopes,
            "state": flow.state,
            "nonce": self._derived(flow, "nonce"),
            "code_challenge": _url_safe(hashlib.sha256(self._derived(flow, "verifier").encode()).digest()),
            "code_challenge_method": "S256",
        }
        address = await self._endpoint("authorization_endpoint")
        divider = "&" if urlsplit(address).query else "?"
        return f"{address}{divider}{urlencode(asked)}", self._signer.pack(msgspec.json.encode(flow))

    def flow_of(self, kept: str | None, state: str) -> Flow:
        """Return the flow that a browser began here and now ends; raises LoginRefused."""
        body = self._signer.unpack(kept) if kept else None
        flow = msgspec.json.decode(body, type=Flow) if body is not None else None
        if flow is None or flow.until < time.time():
            raise LoginRefused("This login was begun elsewhere, or too long ago: please begin again")
        if not hmac.compare_digest(flow.state.encode(), state.encode("utf-8", "replace")):
            raise LoginRefused("This answer belongs to another login: please begin again")
        return flow

    async def finish(self, flow: Flow, query: CallbackQuery, redirect_uri: str) -> Identity:
        """Return who has logged in; raises LoginRefused, Unauthorized and ServiceUnavailable."""
        if query.iss and query.iss != self._issuer.name:
            raise LoginRefused("This answer comes from another issuer: please begin again")
        if query.error or not query.code:
            word = query.error if _ERROR.fullmatch(query.error) else "no code was given"
            raise LoginRefused(f"{self.host} did not log you in: {word.replace('_', ' ')}")
        token = await self._exchange(flow, query.code, redirect_uri)
        claims = await self._issuer.verify(token, (self._client_id,))
        self._check_claims(flow, claims)
        identity = await self._tokens.identity_of(claims)
        return msgspec.structs.replace(identity, until=time.time() + SESSION_S)

    def _check_claims(self, flow: Flow, claims: Mapping[str, Any]) -> None:
        nonce = claims.get("nonce")
        wanted = self._derived(flow, "nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode("utf-8", "replace"), wanted.encode()):
            raise Unauthorized(INVALID, hint="its nonce is not of this login")
        if claims.get("azp", self._client_id) != self._client_id:
            raise Unauthorized(INVALID, hint="it is for another client")

    async def _exchange(self, flow: Flow, code: str, redirect_uri: str) -> str:
        """Return the id token for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._client_id,
            "code_verifier": self._derived(flow, "verifier"),
        }
        address = await self._endpoint("token_endpoint")
        headers: dict[str, str] = {}
        secret = self._settings.oidc_client_secret
        if secret is not None:
            if self._takes_basic():
                pair = f"{quote_plus(self._client_id)}:{quote_plus(secret)}"
                headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                form["client_secret"] = secret
        try:
            found = await ask_object(address, within_s=WITHIN_S, headers=headers, form=form)
        except NoAnswer as error:
            if error.status is not None and 400 <= error.status < 500:
                raise LoginRefused(
                    f"{self.host} did not accept this login: please begin again", hint=f"its token endpoint: {error}"
                ) from None
            raise self._unavailable(error) from None
        token = found.get("id_token")
        if not isinstance(token, str):
            raise LoginRefused(f"{self.host} gave no proof of who you are", hint="the answer has no id_token")
        return token

    def _takes_basic(self) -> bool:
        methods = self._known.get("token_endpoint_auth_methods_supported")
        return not isinstance(methods, list) or not methods or "client_secret_basic" in methods

    async def _endpoint(self, name: str) -> str:
        if time.monotonic() >= self._known_until:
            try:
                self._known = await discover(self._issuer.name or "")
            except NoAnswer as error:
                raise self._unavailable(error) from None
            self._known_until = time.monotonic() + KNOWN_S
        address = self._known.get(name)
        own = urlsplit(self._issuer.name or "").scheme
        if not isinstance(address, str) or urlsplit(address).scheme not in ("https", own):
            raise ServiceUnavailable(f"{self.host} cannot log anybody in", hint=f"its discovery has no {name}")
        return address

    def _unavailable(self, error: NoAnswer) -> ServiceUnavailable:
        return ServiceUnavailable(f"{self.host} does not answer as it should", hint=str(error))

    def _derived(self, flow: Flow, purpose: str) -> str:
        return _url_safe(self._signer.sign(f"{purpose}\0{flow.state}".encode()))


def make_oidc(settings: Settings, issuer: Issuer | None, sessions: Sessions) -> Oidc | None:
    """Return the login at the issuer, None where the settings ask for none."""
    client_id = settings.oidc_client_id
    if client_id is None or issuer is None:
        return None
    return Oidc(settings, issuer, client_id, sessions.signer("oidc"))


def _url_safe(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
