"""The Redis servers through which work is handed to the workers of RQ and Celery."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from rota.errors import Invalid
from rota.executors.http_mask import is_masked, mask_url
from rota.masking import MASK
from rota.settings.values import is_redis_url

EXAMPLE = "redis://redis.internal:6379/0"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Brokers:
    """What the settings say of brokers.  Targets may name one, so that no password stands in them."""

    rq_url: str | None = None
    celery_broker_url: str | None = None
    celery_backend_url: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str) -> str:
        """Return the address of a named connection.  Raises `Invalid` where the settings do not know it."""
        if name not in self.named:
            known = ", ".join(sorted(self.named)) or "none"
            hint = f"set ROTA_REDIS_URLS={name}={EXAMPLE}"
            raise Invalid("target.connection", f"no connection {name!r} is set; known: {known}", hint=hint)
        return self.named[name]


def check_url(value: object, name: str) -> str | None:
    """Return the address of a Redis, or None where none is given.  Raises `Invalid`."""
    if value is None:
        return None
    if not isinstance(value, str) or not is_redis_url(value):
        raise Invalid(f"target.{name}", "is not the address of a Redis", hint=f"for example {EXAMPLE}")
    return value


def check_connection(value: object) -> str | None:
    """Return the name of a connection, or None where none is given.  Raises `Invalid`."""
    if value is None:
        return None
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Invalid("target.connection", "is not the name of a connection", hint="one of ROTA_REDIS_URLS")
    return value


def check_unmasked(target: Mapping[str, object], names: tuple[str, ...]) -> None:
    """Refuse addresses with what is shown in place of a secret: stored, it would take the place of the secret."""
    for name in names:
        if isinstance(value := target.get(name), str) and is_masked(value):
            raise Invalid(f"target.{name}", "has what is shown in place of a secret", hint="give the secret itself")


def masked(target: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    """Return a target as it may be shown: without the passwords in its addresses."""
    urls = {name: mask_url(url) for name in names if isinstance(url := target.get(name), str)}
    return {**target, **urls}


def unmasked(target: Mapping[str, object], known: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    """Return ``target`` with the addresses of ``known`` wherever it says what is shown of them."""
    shown = masked(known, names)
    kept = {name: known[name] for name in names if name in known and target.get(name) == shown[name]}
    return {**target, **kept}


def show(url: str) -> str:
    """Return an address fit for a log line: host, port and database."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def without_secrets(text: str, *urls: str | None) -> str:
    """Return what a library says, without the passwords of these addresses."""
    for url in urls:
        password = urlsplit(url).password if url else None
        for secret in (url, password, unquote(password or "")):
            if secret and (secret == url or len(secret) > 2):
                text = text.replace(secret, show(url) if secret == url and url else MASK)
    return text
