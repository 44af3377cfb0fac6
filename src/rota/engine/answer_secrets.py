"""Keeps the secrets of a target out of what it says later: it may echo what its request carried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rota.executors.http_mask import Mask, is_secret_name
from rota.executors.secret_refs import names_of
from rota.sealing import Box, CannotOpen, Keys
from rota.settings import Settings
from rota.store import secrets
from rota.store.database import Tx


def mask_of(tx: Tx, target: str | None, token: str | None, settings: Settings) -> Mask:
    """Return what hides the secrets of a target (JSON), the token that it came with, and the shared secret.

    Named secrets are hidden where this process can open them.
    """
    decoded: dict[str, Any] = msgspec.json.decode(target) if target is not None else {}
    plain = [*_in_headers(decoded.get("headers")), *_in_auth(decoded.get("auth")), token or ""]
    plain.append(settings.auth_secret or "")
    named = _named(tx, target, settings) if target is not None and "secret" in target else []
    return Mask([*plain, *(text.partition(" ")[2] for text in plain)], named)


def _in_headers(headers: object) -> list[str]:
    if not isinstance(headers, Mapping):
        return []
    return [str(value) for name, value in headers.items() if is_secret_name(str(name))]


def _in_auth(auth: object) -> list[str]:
    if not isinstance(auth, Mapping):
        return []
    several = auth.get("secrets")
    return [str(auth.get(name) or "") for name in ("token", "password")] + [*map(str, several or ())]


def _named(tx: Tx, target: str, settings: Settings) -> list[str]:
    keys, found = Keys(settings.secret_keys), []
    for name, secret in secrets.named(tx, names_of(target)).items():
        try:
            found.append(keys.open(name, Box(secret.box, secret.key_id)))
        except CannotOpen:
            continue
    return found
