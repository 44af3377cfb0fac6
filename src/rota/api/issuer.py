"""Tokens of an issuer as bearers: who they are for, and the role that they, or Clerk, name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rota.api.access import INVALID, Identity
from rota.api.claims import ends_at, named_role
from rota.api.clerk import ClerkRoles
from rota.api.jwks import Issuer, is_by_issuer
from rota.errors import Unauthorized
from rota.settings import Settings


class IssuerTokens:
    """RS256 and ES256 tokens that an issuer has signed."""

    def __init__(self, settings: Settings, issuer: Issuer) -> None:
        self._issuer = issuer
        self._audience = settings.auth_audience
        self._role_claim = settings.auth_role_claim
        key = settings.clerk_secret_key
        self._clerk = None if key is None else ClerkRoles(settings.clerk_api_url, key)

    async def identify(self, token: str) -> Identity | None:
        if not is_by_issuer(token):
            return None
        return await self.identity_of(await self._issuer.verify(token, self._audience))

    async def identity_of(self, claims: Mapping[str, Any]) -> Identity:
        """Return who proven claims are of; raises Unauthorized, and RoleUnavailable."""
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise Unauthorized(INVALID, hint="it has no sub")
        named, role = named_role(claims, self._role_claim)
        if not named and self._clerk is not None:
            role = await self._clerk.role_of(subject)
        return Identity(subject=subject, role=role, source="issuer", until=ends_at(claims))
