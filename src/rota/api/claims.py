"""What a signed token says, once it is proven: the same checks whoever has signed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rota.api.access import INVALID
from rota.errors import Unauthorized
from rota.model import ROLES, Role

if TYPE_CHECKING:
    import jwt

OUTGOING_AUDIENCE = "rota-target"
LEEWAY_S = 30
_LATEST = 2**53
_ROLE_CLAIMS = ("public_metadata.role", "metadata.role", "role")

Algorithm = Literal["HS256", "RS256", "ES256"]


def proven_claims(
    token: str, key: Any, algorithm: Algorithm, *, issuer: str | None, audience: Sequence[str]
) -> dict[str, Any]:
    """Return the claims of a token that ``key`` proves to hold now; raises Unauthorized.

    ``issuer`` None and an empty ``audience`` are not looked at; a token for a target of Rota never holds.
    """
    import jwt  # here and below: it takes a tenth of a start, which only signed tokens are worth

    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=list(audience) or None,
            issuer=issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp"], "verify_aud": bool(audience), "verify_sub": False, "verify_jti": False},
        )
    except jwt.PyJWTError as error:
        raise Unauthorized(INVALID, hint=_reason(error)) from None
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        raise Unauthorized(INVALID, hint="it cannot be read") from None
    if OUTGOING_AUDIENCE in _audiences(claims):
        raise Unauthorized(INVALID, hint="this token is for a target of Rota, not for Rota")
    return claims


def ends_at(claims: Mapping[str, Any]) -> float:
    """Return when proven claims end, seconds UTC."""
    return float(min(int(claims["exp"]), _LATEST))


def token_header(token: str) -> dict[str, Any] | None:
    """Return what a token says of itself, not yet proven, or None when it is no signed token."""
    if token.count(".") != 2:
        return None
    import jwt

    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None


def named_role(claims: Mapping[str, Any], claim: str | None) -> tuple[bool, Role | None]:
    """Return (whether the claims name a role, which of the three it is)."""
    for path in (claim,) if claim else _ROLE_CLAIMS:
        found = _at(claims, path)
        if found is not None:
            return True, role_called(found)
    return False, None


def role_called(name: object) -> Role | None:
    """Return the role of this name, None when it is none of the three."""
    return next((role for role in ROLES if role == name), None)


def text_of(value: object) -> str | None:
    """Return what a token or a key says in a field, where it is text."""
    return value if isinstance(value, str) else None


def _reason(error: jwt.PyJWTError) -> str:
    import jwt

    match error:
        case jwt.MissingRequiredClaimError():
            return f"it has no {error.claim}"
        case jwt.ExpiredSignatureError():
            return "it has expired"
        case jwt.ImmatureSignatureError():
            return "it is not valid yet; compare the clocks"
        case jwt.InvalidAudienceError():
            return "it is for another audience"
        case jwt.InvalidIssuerError():
            return "it is of another issuer"
        case jwt.InvalidSignatureError():
            return "its signature does not fit"
        case jwt.InvalidAlgorithmError():
            return "it is signed in a way that is not taken"
        case _:
            return "it cannot be read"


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
