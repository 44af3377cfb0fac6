"""The kinds of bearer token: known ones, API tokens, those of an issuer, those signed with the shared secret."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

from rota.api.access import INVALID, NO_SUBJECT, Identity, Provider, capped
from rota.api.claims import ends_at, named_role, proven_claims
from rota.api.issuer import IssuerTokens
from rota.api.jwks import Issuer
from rota.api.service import Service
from rota.errors import Unauthorized
from rota.model import Role
from rota.settings import Settings
from rota.store import tokens

TOKEN_PREFIX = "rota_"
BELIEVED_FOR_S = 3.0
"""How long an API token is believed without being asked for again; so long it outlives its end."""
NOTED_FOR_S = 60.0
MOST_REMEMBERED = 10_000
_KEY_BYTES = 32


def make_providers(service: Service, local_token: str | None, issuer: Issuer | None) -> list[Provider]:
    """Return the providers that the settings ask for."""
    settings = service.settings
    found: list[Provider] = []
    if local_token is not None:
        found.append(FixedToken(local_token, Identity(subject="local", role="admin", source="local")))
    if settings.auth_secret is not None:
        role = capped("admin", settings.auth_secret_max_role)
        found.append(FixedToken(settings.auth_secret, Identity(subject="secret", role=role, source="secret")))
    found.append(ApiTokens(service))
    if issuer is not None:
        found.append(IssuerTokens(settings, issuer))
    if settings.auth_secret is not None:
        found.append(SignedTokens(settings, settings.auth_secret))
    return found


def digest_of(token: str) -> str:
    """Return what is stored of an API token: it has 256 bits of chance, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


class FixedToken:
    """A token that is known here."""

    def __init__(self, token: str, identity: Identity) -> None:
        self._token = token.encode()
        self._identity = identity

    async def identify(self, token: str) -> Identity | None:
        same = hmac.compare_digest(token.encode("utf-8", "replace"), self._token)
        return self._identity if same else None


class ApiTokens:
    """Tokens that were made with ``rota token create`` or over the API; stored as digests."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: dict[str, tuple[float, Identity]] = {}
        self._noted: dict[str, float] = {}
        self._asked: dict[str, asyncio.Task[Identity | None]] = {}
        service.when_token_ends.append(self._known.clear)

    async def identify(self, token: str) -> Identity | None:
        if not token.startswith(TOKEN_PREFIX):
            return None
        found = await self.find(digest_of(token))
        if found is None:
            raise Unauthorized(INVALID, hint="there is no such API token, or it has ended")
        return found

    async def find(self, digest: str) -> Identity | None:
        """Return whose token has this digest, or None when there is none or it has ended."""
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        task = self._asked.get(digest)
        if task is None:
            task = self._asked[digest] = asyncio.create_task(self._ask(digest))
            task.add_done_callback(lambda _: self._asked.pop(digest, None))
        return await asyncio.shield(task)

    async def _ask(self, digest: str) -> Identity | None:
        found = await self._service.read(lambda tx: tokens.find(tx, digest))
        if found is None:
            self._known.pop(digest, None)
            return None
        identity = Identity(subject=found["name"] or found["id"], role=found["role"], source="token", digest=digest)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (time.monotonic() + BELIEVED_FOR_S, identity)
        self._note_use(digest, found["id"])
        return identity

    def _note_use(self, digest: str, token_id: str) -> None:
        now = time.monotonic()
        if now - self._noted.get(digest, -NOTED_FOR_S) >= NOTED_FOR_S:
            if len(self._noted) >= MOST_REMEMBERED:
                self._noted.clear()
            self._noted[digest] = now
            self._service.later(lambda tx: tokens.touch(tx, token_id))


class SignedTokens:
    """HS256 tokens that were signed with the shared secret."""

    def __init__(self, settings: Settings, secret: str) -> None:
        self._settings = settings
        # HMAC fills a short key up with zeros itself; done here, PyJWT does not warn of it in every request.
        self._key = secret.encode().ljust(_KEY_BYTES, b"\0")

    async def identify(self, token: str) -> Identity | None:
        if token.count(".") != 2:
            return None
        settings = self._settings
        claims = proven_claims(token, self._key, "HS256", issuer=settings.auth_issuer, audience=settings.auth_audience)
        subject = claims.get("sub")
        return Identity(
            subject=subject if isinstance(subject, str) and subject else NO_SUBJECT,
            role=self._role(claims),
            source="signed",
            until=ends_at(claims),
        )

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        named, role = named_role(claims, self._settings.auth_role_claim)
        if not named:
            role = self._settings.auth_secret_role
        return None if role is None else capped(role, self._settings.auth_secret_max_role)
