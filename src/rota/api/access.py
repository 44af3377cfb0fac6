"""Who asks: identities, and the providers that make one of a bearer token."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
from starlette.datastructures import Headers
from starlette.types import Scope

from rota.actions.specs import Caller
from rota.errors import Forbidden, Unauthorized
from rota.model import ROLES, Role, Via

Source = Literal["local", "secret", "token", "signed", "trusted", "answer", "open"]
"""The local admin token, the shared secret, an API token, a signed token, the caller's own process; the token of one
attempt, which the operation itself checks; nothing, where the settings open a path for everybody."""

MISSING = "Missing authorization"
INVALID = "Invalid token"
TOO_LITTLE = "Admin access required"
_RANK = {role: place for place, role in enumerate(ROLES)}


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what vouches for it."""

    subject: str
    role: Role | None
    """None when a valid token names none of the three roles: it may do nothing."""
    source: Source
    digest: str | None = None
    """Of an API token: whether it still holds is asked again for each session."""
    until: float | None = None
    """When the credential ends, seconds UTC."""
    by_cookie: bool = False

    @property
    def caller(self) -> Caller:
        """The same for the actions."""
        via: Via = "cli" if self.source == "trusted" else "ui" if self.by_cookie else "api"
        return Caller(self.subject, self.role or "viewer", via)

    @property
    def may_name_others(self) -> bool:
        """Tell whether ``startedBy`` of a body is believed: programs may say for whom they act, pages may not."""
        return not self.by_cookie

    def require(self, role: Role) -> None:
        """Raise Forbidden unless the role reaches ``role``."""
        if self.role is None:
            raise Forbidden(TOO_LITTLE, hint="the token names none of the roles viewer, operator and admin")
        if _RANK[self.role] < _RANK[role]:
            raise Forbidden(TOO_LITTLE, hint=f"this takes the role {role}; the token has {self.role}")


TARGET = Identity(subject="target", role="operator", source="answer")
"""Who says to be the target of a job: let in to the operations alone that look at its token."""
ANYBODY = Identity(subject="anybody", role="viewer", source="open")


def capped(role: Role, highest: Role) -> Role:
    """Return the lower of two roles."""
    return min(role, highest, key=_RANK.__getitem__)


class Provider(Protocol):
    """Knows one kind of bearer token."""

    async def identify(self, token: str) -> Identity | None:
        """Return who bears the token, or None when it is not of this kind.

        Raises Unauthorized when it is of this kind and wrong.
        """


class Access(Protocol):
    """Decides who asks."""

    over_network: bool
    """Whether requests come from outside, so that Host, Origin and Content-Type must be looked at."""

    def is_host_allowed(self, headers: Headers) -> bool:
        """Tell whether the service may be called under this Host."""

    async def identify(self, scope: Scope, headers: Headers) -> Identity:
        """Return who asks; raises Unauthorized."""


class TrustedAccess:
    """The caller is this process itself: the command line works on its own database."""

    over_network = False

    def __init__(self, caller: Caller) -> None:
        self._identity = Identity(subject=caller.subject or "local", role=caller.role, source="trusted")

    def is_host_allowed(self, headers: Headers) -> bool:
        return True

    async def identify(self, scope: Scope, headers: Headers) -> Identity:
        return self._identity


def trusted(caller: Caller | None = None) -> TrustedAccess:
    """Return access for the own process: an admin with the name of the user, unless said otherwise."""
    return TrustedAccess(caller or Caller(subject=_user_name(), role="admin"))


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user id without a name
        return "local"


class Bearer:
    """Asks one provider after the other."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = providers

    async def identify(self, token: str) -> Identity:
        """Return who bears the token; raises Unauthorized."""
        for provider in self._providers:
            found = await provider.identify(token)
            if found is not None:
                return found
        raise Unauthorized(INVALID)


def bearer_token(headers: Headers) -> str | None:
    """Return the token of the ``Authorization`` header, None without one; raises Unauthorized for another scheme."""
    given = headers.getlist("authorization")
    if not given:
        return None
    scheme, _, token = given[0].partition(" ")
    token = token.strip()
    if len(given) > 1 or scheme.lower() != "bearer" or not token:
        raise Unauthorized(INVALID, hint="send the header Authorization: Bearer TOKEN once")
    return token
