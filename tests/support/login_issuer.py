"""An issuer at which people log in: the code flow with PKCE, as strict as real ones are."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode

from tests.support.issuer import IssuerServer
from tests.support.target import Answer, Request, TargetServer, running_target

CLIENT = "rota client/1"
CLIENT_SECRET = "s3cret: of the client"
AUTHORIZE_PATH = "/authorize"
TOKEN_PATH = "/token"


@dataclass
class Person:
    """Who logs in: the claims of the id token, and how the issuer behaves meanwhile."""

    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "user_2abc123", "role": "operator"})
    refuses: str | None = None
    """The error with which the issuer sends the browser back."""
    key: Any = None
    token: str | None = None
    """Given instead of an id token."""
    trouble: Answer | None = None
    """What the token endpoint answers instead."""


class LoginIssuer(IssuerServer):
    """Gives codes to browsers, and id tokens to the client that can prove that it asked for them."""

    def __init__(self, server: TargetServer) -> None:
        super().__init__(server)
        self.person = Person()
        self.client_secret: str | None = CLIENT_SECRET
        self.methods: list[str] | None = None
        self._codes: dict[str, dict[str, str]] = {}
        self.discovery |= {
            "authorization_endpoint": server.url(f"{AUTHORIZE_PATH}?tenant=one"),
            "token_endpoint": server.url(TOKEN_PATH),
        }
        server.answer(AUTHORIZE_PATH, self._authorize)
        server.answer(TOKEN_PATH, self._exchange)

    def settings(self, **more: str) -> dict[str, str]:
        """The environment of a service at which people log in by this issuer."""
        secret = {} if self.client_secret is None else {"ROTA_OIDC_CLIENT_SECRET": self.client_secret}
        return {"ROTA_AUTH_ISSUER": self.name, "ROTA_OIDC_CLIENT_ID": CLIENT, **secret, **more}

    def _authorize(self, request: Request) -> Answer:
        asked = request.query
        wanted = {"response_type": "code", "client_id": CLIENT, "code_challenge_method": "S256", "tenant": "one"}
        wrong = [name for name, value in wanted.items() if asked.get(name) != value]
        missing = [name for name in ("redirect_uri", "state", "nonce", "code_challenge") if not asked.get(name)]
        if wrong or missing or "openid" not in asked.get("scope", "").split():
            return Answer(400, f"wrong {wrong}, missing {missing}")
        said = {"state": asked["state"], "iss": self.name}
        if self.person.refuses is not None:
            said |= {"error": self.person.refuses, "error_description": "<b>call 0900-1234</b>"}
        else:
            said["code"] = secrets.token_urlsafe(16)
            self._codes[said["code"]] = asked
        return Answer(302, "", {"Location": f"{asked['redirect_uri']}?{urlencode(said)}"})

    def _exchange(self, request: Request) -> Answer:
        if self.person.trouble is not None:
            return self.person.trouble
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if request.method != "POST" or not self._is_client(request, form):
            return Answer(401, {"error": "invalid_client"})
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or form.get("grant_type") != "authorization_code":
            return Answer(400, {"error": "invalid_grant"})
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (challenge, form.get("redirect_uri")) != (asked["code_challenge"], asked["redirect_uri"]):
            return Answer(400, {"error": "invalid_grant"})
        claims = {"aud": CLIENT, "nonce": asked["nonce"], **self.person.claims}
        token = self.person.token or self.token(key=self.person.key, **claims)
        return Answer(body={"access_token": "opaque", "token_type": "Bearer", "id_token": token})

    def _is_client(self, request: Request, form: dict[str, str]) -> bool:
        if self.client_secret is None:
            return form.get("client_id") == CLIENT and "authorization" not in request.headers
        if self.methods == ["client_secret_post"]:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, self.client_secret)
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        name, _, secret = base64.b64decode(value).decode().partition(":")
        return scheme == "Basic" and (unquote_plus(name), unquote_plus(secret)) == (CLIENT, self.client_secret)


@contextlib.contextmanager
def running_login_issuer() -> Iterator[LoginIssuer]:
    """An issuer that serves until the end of the block."""
    with running_target() as server:
        yield LoginIssuer(server)
