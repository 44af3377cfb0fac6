"""The kinds of bearer token: local admin token, shared secret, API tokens, tokens signed with the shared secret."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

import jwt

from rota.api.access import INVALID, Identity, Provider, capped
from rota.api.service import Service
from rota.errors import Unauthorized
from rota.model import ROLES, Role
from rota.settings import Settings
from rota.store import tokens

TOKEN_PREFIX = "rota_"
OUTGOING_AUDIENCE = "rota-target"
LEEWAY_S = 30
BELIEVED_FOR_S = 3.0
"""How long an API token is believed without being asked for again; so long it outlives its end."""
NOTED_FOR_S = 60.0
MOST_REMEMBERED = 10_000
_KEY_BYTES = 32
_LATEST = 2**53
_ROLE_CLAIMS = ("public_metadata.role", "metadata.role", "role")


def make_providers(service: Service, local_token: str | None) -> list[Provider]:
    """Return the providers that the settings ask for."""
    settings = service.settings
    found: list[Provider] = []
    if local_token is not None:
        found.append(FixedToken(local_token, Identity(subject="local", role="admin", source="local")))
    if settings.auth_secret is not None:
        role = capped("admin", settings.auth_secret_max_role)
        found.append(FixedToken(settings.auth_secret, Identity(subject="secret", role=role, source="secret")))
    found.append(ApiTokens(service))
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
            raise Unauthorized(INVALID)
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
        claims = self._claims(token)
        if OUTGOING_AUDIENCE in _audiences(claims):
            raise Unauthorized(INVALID, hint="this token is for a target of Rota, not for Rota")
        subject = claims.get("sub")
        return Identity(
            subject=subject if isinstance(subject, str) and subject else "signed",
            role=self._role(claims),
            source="signed",
            until=float(min(int(claims["exp"]), _LATEST)),
        )

    def _claims(self, token: str) -> dict[str, Any]:
        audience = list(self._settings.auth_audience)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=audience or None,
                issuer=self._settings.auth_issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp"], "verify_aud": bool(audience), "verify_sub": False, "verify_jti": False},
            )
        except jwt.MissingRequiredClaimError as error:
            raise Unauthorized(INVALID, hint=f"it has no {error.claim}") from None
        except jwt.ExpiredSignatureError:
            raise Unauthorized(INVALID, hint="it has expired") from None
        except jwt.ImmatureSignatureError:
            raise Unauthorized(INVALID, hint="it is not valid yet; compare the clocks") from None
        except jwt.InvalidAudienceError:
            raise Unauthorized(INVALID, hint="it is for another audience") from None
        except jwt.InvalidIssuerError:
            raise Unauthorized(INVALID, hint="it is of another issuer") from None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
            raise Unauthorized(INVALID) from None
        return claims

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        named, role = named_role(claims, self._settings.auth_role_claim)
        if not named:
            role = self._settings.auth_secret_role
        return None if role is None else capped(role, self._settings.auth_secret_max_role)


def named_role(claims: Mapping[str, Any], claim: str | None) -> tuple[bool, Role | None]:
    """Return (whether the claims name a role, which of the three it is)."""
    for path in (claim,) if claim else _ROLE_CLAIMS:
        found = _at(claims, path)
        if found is not None:
            return True, next((role for role in ROLES if role == found), None)
    return False, None


def _at(claims: Mapping[str, Any], path: str) -> Any:
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _audiences(claims: Mapping[str, Any]) -> list[Any]:
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]
