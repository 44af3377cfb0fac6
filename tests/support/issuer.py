"""An issuer of tokens on loopback, with real keys: OpenID discovery, keys that change, outages, and Clerk's users."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from urllib.parse import quote

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.target import Answer, Request, TargetServer, running_target

AUDIENCE = "rota"
CLERK_KEY = "sk_test_of_the_local_clerk"
KEYS_PATH = "/keys"
DISCOVERY_PATH = "/.well-known/openid-configuration"

Kind = Literal["RS256", "ES256"]
DOWN = Answer(drop=True)
"""Every connection is closed without an answer."""


@dataclass(frozen=True)
class SigningKey:
    """A private key with its id."""

    kid: str | None
    algorithm: Kind
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, kid: str | None, algorithm: Kind = "RS256", number: int = 0) -> SigningKey:
        """A key of this kind; keys of another number are others."""
        return cls(kid, algorithm, _private(algorithm, number))

    @property
    def header(self) -> dict[str, Any]:
        """What a token says of the key."""
        return {} if self.kid is None else {"kid": self.kid}

    @property
    def public(self) -> dict[str, Any]:
        """The key as a JWK."""
        shown: dict[str, Any]
        if isinstance(self.private, rsa.RSAPrivateKey):
            shown = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            shown = jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        shown.pop("key_ops", None)
        return {**shown, "use": "sig", "alg": self.algorithm, **self.header}

    @property
    def pem(self) -> bytes:
        """The public key as a text, which anybody may have."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@cache
def _private(algorithm: Kind, number: int) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


class IssuerServer:
    """An issuer with one RSA and one EC key; everything that it answers can be changed while it serves."""

    def __init__(self, server: TargetServer) -> None:
        self.server = server
        self.rsa = SigningKey.make("rsa-1")
        self.ec = SigningKey.make("ec-1", "ES256")
        self.jwks: list[Any] = [self.rsa.public, self.ec.public]
        self.trouble: Answer | None = None
        """What is answered instead of everything else."""
        self.discovery: dict[str, Any] = {"issuer": self.name, "jwks_uri": self.keys_url}
        server.answer(KEYS_PATH, self._rule(lambda: {"keys": self.jwks}))
        server.answer(DISCOVERY_PATH, self._rule(lambda: self.discovery))

    @property
    def name(self) -> str:
        """The ``iss`` of its tokens."""
        return self.server.url()

    @property
    def keys_url(self) -> str:
        """Where its keys are."""
        return self.server.url(KEYS_PATH)

    @property
    def asked(self) -> int:
        """How often its keys were asked for."""
        return len(self.server.requests_to(KEYS_PATH))

    def settings(self, **more: str) -> dict[str, str]:
        """The environment of a service that believes it."""
        return {
            "ROTA_AUTH_JWKS_URL": self.keys_url,
            "ROTA_AUTH_ISSUER": self.name,
            "ROTA_AUTH_AUDIENCE": AUDIENCE,
            **more,
        }

    def clerk_settings(self, **more: str) -> dict[str, str]:
        """The same for one that asks it for roles, as it asks Clerk."""
        return self.settings(CLERK_SECRET_KEY=CLERK_KEY, ROTA_CLERK_API_URL=self.server.url(), **more)

    def rotate(self, kid: str, algorithm: Kind = "RS256", number: int = 1) -> SigningKey:
        """Sign with a new key from now on, and forget the others."""
        key = SigningKey.make(kid, algorithm, number)
        self.jwks = [key.public]
        return key

    def token(
        self,
        role: Any = None,
        *,
        key: SigningKey | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A token that holds for ten minutes, unless the claims say otherwise; a claim of None is left out."""
        key = key or self.rsa
        now = int(time.time())
        said = {"iss": self.name, "aud": AUDIENCE, "sub": "user_2abc123", "iat": now, "exp": now + 600, "role": role}
        shown = {name: value for name, value in {**said, **claims}.items() if value is not None}
        return jwt.encode(shown, key.private, key.algorithm, headers={**key.header, **(header or {})})

    def user(self, subject: str, answer: Any) -> None:
        """Let Clerk's API answer so for a user; what is no `Answer` is the public metadata."""
        found = answer if isinstance(answer, Answer) else Answer(body={"id": subject, "public_metadata": answer})

        def rule(request: Request) -> Answer:
            known = request.headers.get("authorization") == f"Bearer {CLERK_KEY}"
            return found if known else Answer(401, {"errors": [{"code": "authentication_invalid"}]})

        self.server.answer(user_path(subject), rule)

    def _rule(self, content: Any) -> Any:
        return lambda _: self.trouble or Answer(body=content())


def user_path(subject: str) -> str:
    """Where Clerk's API tells of a user."""
    return f"/v1/users/{quote(subject, safe='')}"


@contextlib.contextmanager
def running_issuer() -> Iterator[IssuerServer]:
    """An issuer that serves until the end of the block."""
    with running_target() as server:
        yield IssuerServer(server)
