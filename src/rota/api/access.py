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

Source = Literal["local", "secret", "token", "signed", "issuer", "trusted", "answer", "open"]
"""The local admin token, the shared secret, an API token, a token signed with the shared secret, one of an issuer, the
caller's own process; the token of one attempt, which the operation itself checks; nothing, where the settings open a
path for everybody."""

IDENTITY = "rota.identity"
"""Where the scope of a request says who asks."""
MISSING = "Missing authorization"
INVALID = "Invalid token"
TOO_LITTLE = "Admin access required"
MOST_CHARACTERS = 8192
"""Of a bearer token: longer ones are not looked at."""
NO_SUBJECT = "signed"
"""Subject of a signed token that names none."""
_MAY_NAME_OTHERS = frozenset(("local", "secret", "token", "signed", "trusted"))
_NO_USERS = frozenset(("local", "secret", "token", "trusted", "answer", "open"))
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
    session: str | None = None
    """Of a browser session: its id, by which it can be ended."""

    @property
    def caller(self) -> Caller:
        """The same for the actions."""
        via: Via = "cli" if self.source == "trusted" else "ui" if self.by_cookie else "api"
        return Caller(self.subject, self.role or "viewer", via)

    @property
    def may_name_others(self) -> bool:
        """Tell whether ``startedBy`` of a body is believed.

        Programs may say for whom they act; pages, and people with a token of their issuer, may not.
        """
        return not self.by_cookie and self.source in _MAY_NAME_OTHERS

    @property
    def is_user(self) -> bool:
        """Tell whether the subject may be somebody whom a user service knows, and not the name of a credential."""
        return self.source not in _NO_USERS and self.subject != NO_SUBJECT

    def may(self, role: Role) -> bool:
        """Tell whether the role reaches ``role``."""
        return self.role is not None and _RANK[self.role] >= _RANK[role]

    def require(self, role: Role) -> None:
        """Raise Forbidden unless the role reaches ``role``."""
        if self.role is None:
            raise Forbidden(TOO_LITTLE, hint="the token names none of the roles viewer, operator and admin")
        if not self.may(role):
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
        if len(token) > MOST_CHARACTERS:
            raise Unauthorized(INVALID, hint=f"it has more than {MOST_CHARACTERS} characters")
        for provider in self._providers:
            found = await provider.identify(token)
            if found is not None:
                return found
        raise Unauthorized(INVALID, hint="it is of no kind that is taken here")


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
