"""Access over the network: bearer tokens, and cookies where the Host is known."""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from rota.api.access import INVALID, MISSING, Bearer, Identity, bearer_token
from rota.api.ended_sessions import EndedSessions
from rota.api.hosts import is_allowed, is_loopback, listens_on_loopback, split_host
from rota.api.jwks import make_issuer
from rota.api.oidc import make_oidc
from rota.api.providers import ApiTokens, make_providers
from rota.api.service import Service
from rota.api.sessions import Sessions
from rota.errors import Unauthorized
from rota.store import meta


class NetworkAccess:
    """What a service that listens asks of its callers."""

    over_network = True

    def __init__(self, service: Service, local_token: str | None) -> None:
        settings = service.settings
        self.issuer = make_issuer(settings)
        providers = make_providers(service, local_token, self.issuer)
        self._settings = settings
        self._on_loopback = listens_on_loopback(settings)
        self.local_token = local_token
        self.bearer = Bearer(providers)
        self.api_tokens = next(provider for provider in providers if isinstance(provider, ApiTokens))
        known = [one for one in (*settings.secret_keys[-1:], settings.auth_secret, local_token) if one]
        self.sessions = Sessions(known or [_kept_secret(service)], root_path=settings.root_path)
        self.ended = EndedSessions(service)
        self.oidc = make_oidc(settings, self.issuer, self.sessions)

    async def identify(self, scope: Scope, headers: Headers) -> Identity:
        token = bearer_token(headers)
        if token is not None:
            return await self.bearer.identify(token)
        found = await self._by_cookie(headers)
        if found is None:
            raise Unauthorized(MISSING)
        return found

    def is_host_allowed(self, headers: Headers) -> bool:
        """Tell whether the Host may be called: on loopback a name of it, so that no page of another name gets in."""
        return not self._on_loopback or self.is_host_known(headers)

    def is_host_known(self, headers: Headers) -> bool:
        """Tell whether browsers may have a session under this Host."""
        given = headers.getlist("host")
        if len(given) != 1:
            return False
        found = split_host(given[0])
        if found is None:
            return False
        return is_loopback(found[0]) or is_allowed(given[0], self._settings.allowed_hosts)

    def session_of(self, headers: Headers) -> Identity | None:
        """Return whose session the cookie holds, without the database: it may have been ended."""
        value = cookie_value(headers, self.sessions.cookie)
        return self.sessions.read(value) if value is not None else None

    async def _by_cookie(self, headers: Headers) -> Identity | None:
        found = self.session_of(headers)
        if found is None or not self.is_host_known(headers):
            return None
        if found.session is not None and await self.ended.has(found.session):
            raise Unauthorized(INVALID, hint="this session was ended: log in again")
        if found.digest is not None and await self.api_tokens.find(found.digest) is None:
            raise Unauthorized(INVALID, hint="the token of this session was revoked or has expired")
        return found


def _kept_secret(service: Service) -> str:
    """Return the secret of sessions where no other is set: the first process makes it, all others find it."""
    made = secrets.token_hex(32)
    return service.db.run(lambda tx: meta.kept(tx, meta.SESSION_SECRET, made))


def cookie_value(headers: Headers, name: str) -> str | None:
    """Return the value of a cookie, or None."""
    for header in headers.getlist("cookie"):
        value = cookie_parser(header).get(name)
        if value is not None:
            return value
    return None
