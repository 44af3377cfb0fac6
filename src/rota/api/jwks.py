"""The public keys of an issuer: fetched when needed, kept over its outages, never chosen by a token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rota import logs
from rota.api.access import INVALID
from rota.api.claims import proven_claims, text_of, token_header
from rota.api.outside import NoAnswer, ask_object
from rota.errors import ServiceUnavailable, Unauthorized
from rota.settings import Settings

if TYPE_CHECKING:
    from rota.api.jwk import Keys, PublicKey, SignedBy

FRESH_S = 600.0
"""How long keys are used without a look whether they still are the issuer's."""
STALE_S = 86_400.0
"""How long they are used when the issuer does not answer."""
WITHIN_S = 5.0
STALE_WAIT_S = 1.0
"""How long who has a known key waits for a look at the issuer that is due; not at all when the last was in vain."""
AGAIN_S = 5.0
"""How long nobody is asked after an answer, whatever keys tokens name."""
DISCOVERY = "/.well-known/openid-configuration"

_ALGORITHMS: dict[object, SignedBy] = {"RS256": "RS256", "ES256": "ES256"}


class IssuerUnavailable(ServiceUnavailable):
    """The keys of the issuer cannot be had."""

    code = "issuer-unavailable"


class IssuerKeys:
    """The keys of one issuer, which belong to one event loop."""

    def __init__(self, url: str | None, issuer: str | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._issuer = issuer
        self._clock = clock
        self._keys: Keys = {}
        self._read_at: float | None = None
        self._asked_at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why the issuer gave no keys when it was last asked; None when it did."""

    async def find(self, kid: str | None, algorithm: SignedBy) -> PublicKey | None:
        """Return the key of this id, without an id the only one for the algorithm, or None when there is none.

        Raises IssuerUnavailable when no key is known at all.
        """
        known = self._lookup(kid, algorithm)
        if known is None:
            await self._look_again(WITHIN_S)
        elif self._age() > FRESH_S:
            await self._look_again(0.0 if self.trouble else STALE_WAIT_S)
        if self._age() > STALE_S:
            raise IssuerUnavailable(hint=f"the issuer of the tokens: {self.trouble or 'no answer yet'}")
        return self._lookup(kid, algorithm)

    async def read(self) -> Keys:
        """Return the keys as the issuer gives them now; raises NoAnswer."""
        from rota.api.jwk import keys_of  # cryptography takes a tenth of a start, which only an issuer is worth

        url = self._url or await self._discovered()
        return keys_of(await ask_object(url, within_s=WITHIN_S))

    def _lookup(self, kid: str | None, algorithm: SignedBy) -> PublicKey | None:
        if self._age() > STALE_S:
            return None
        if kid is not None:
            return self._keys.get((kid, algorithm))
        fitting = [key for (_, of), key in self._keys.items() if of == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._clock() - self._read_at

    async def _look_again(self, wait_s: float) -> None:
        """Ask the issuer, together with all others who want to know, unless it was asked a moment ago."""
        if self._task is None:
            if self._asked_at is not None and self._clock() - self._asked_at < AGAIN_S:
                return
            self._task = asyncio.create_task(self._read_and_keep())
        await asyncio.wait((self._task,), timeout=wait_s)

    async def _read_and_keep(self) -> None:
        try:
            self._keys = await self.read()
            self._read_at = self._clock()
            self.trouble = None
        except NoAnswer as error:
            self.trouble = str(error)
            where = self._url or self._issuer
            logs.event_limited(f"issuer/{where}", "auth/issuer-failed", "No keys of the issuer", reason=str(error))
        finally:
            self._asked_at = self._clock()
            self._task = None

    async def _discovered(self) -> str:
        issuer = self._issuer or ""
        found = (await discover(issuer)).get("jwks_uri")
        safe = ("https://",) if issuer.startswith("https://") else ("https://", "http://")
        if not isinstance(found, str) or not found.startswith(safe):
            raise NoAnswer("its discovery names no address of keys")
        return found


async def discover(issuer: str) -> dict[str, object]:
    """Return what an issuer says of itself (OpenID Connect Discovery); raises NoAnswer."""
    found = await ask_object(issuer.rstrip("/") + DISCOVERY, within_s=WITHIN_S)
    if found.get("issuer") != issuer:
        raise NoAnswer("its discovery is of another issuer")
    return found


class Issuer:
    """Proves tokens that an issuer has signed."""

    def __init__(self, keys: IssuerKeys, name: str | None) -> None:
        self.keys = keys
        self.name = name
        """The ``iss`` that its tokens must have; None means any."""

    async def verify(self, token: str, audience: Sequence[str]) -> dict[str, Any]:
        """Return the claims of a token for one of these audiences, for any when there are none.

        The settings decide who may have signed it, and how; what else a token says of its key (``jku``, ``x5u``,
        ``jwk``) is not looked at.  Raises Unauthorized, and IssuerUnavailable while no key is known.
        """
        header = token_header(token) or {}
        algorithm = _ALGORITHMS.get(text_of(header.get("alg")))
        if algorithm is None:
            raise Unauthorized(INVALID, hint="it is not signed with RS256 or ES256")
        key = await self.keys.find(text_of(header.get("kid")), algorithm)
        if key is None:
            trouble = ", which cannot be asked now" if self.keys.trouble else ""
            raise Unauthorized(INVALID, hint=f"its key is none of the issuer{trouble}")
        return proven_claims(token, key, algorithm, issuer=self.name, audience=audience)


def make_issuer(settings: Settings) -> Issuer | None:
    """Return the issuer that the settings name, None when they name none."""
    if not settings.takes_issuer_tokens:
        return None
    return Issuer(IssuerKeys(settings.auth_jwks_url, settings.auth_issuer), settings.auth_issuer)


def is_by_issuer(token: str) -> bool:
    """Tell whether a token is signed as those of issuers are; nothing of it is proven."""
    return text_of((token_header(token) or {}).get("alg")) in _ALGORITHMS
