"""Callers of the API: who they are, and what they send."""

from __future__ import annotations

import time
from typing import Any

import httpx
import jwt
import msgspec
from starlette.applications import Starlette

from rota.api.app import create_app
from rota.settings import Settings, load_settings
from rota.store.database import Database

SECRET = "the shared secret of these tests, long enough"
COMMAND = {"kind": "command", "command": ["true"]}
UNKNOWN_ID = "01a1fc70-8b47-7aad-a034-000000000000"


def settings_of(database_url: str, **environ: str) -> Settings:
    """Settings as a service has them that knows the shared secret, but for what is given."""
    return load_settings({"ROTA_DATABASE_URL": database_url, "ROTA_AUTH_SECRET": SECRET, **environ})


def signed(role: str | None = None, *, key: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token signed with the shared secret; a claim of None is left out."""
    said = {"sub": "ann", "exp": int(time.time()) + 86_400, "role": role, **claims}
    shown = {name: value for name, value in said.items() if value is not None}
    # Zeros change nothing of what HMAC makes of a short key, but they spare PyJWT's warning.
    return jwt.encode(shown, key.encode().ljust(64, b"\0") if key else "", algorithm)


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


class Api:
    """An application in this process, and clients of it."""

    def __init__(self, db: Database, settings: Settings, **options: Any) -> None:
        self.db = db
        self.settings = settings
        self.app: Starlette = create_app(db, settings, **options)
        self._transport = httpx.ASGITransport(app=self.app, client=("127.0.0.1", 50_000))

    def client(self, token: str | None = SECRET, **headers: str) -> httpx.AsyncClient:
        """A client with a token; the shared secret's is an admin."""
        return httpx.AsyncClient(
            transport=self._transport,
            base_url="http://localhost",
            headers={**(bearer(token) if token else {}), **headers},
        )

    def as_role(self, role: str) -> httpx.AsyncClient:
        """A client with a signed token of this role."""
        return self.client(signed(role))

    def close(self) -> None:
        self.app.state.service.close()


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem that an answer must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = msgspec.json.decode(answer.content)
    assert found["status"] == status
    assert found["error"] == found["detail"]
    assert found["title"] and found["code"]
    return found


def good(answer: httpx.Response, status: int = 200) -> Any:
    """The content of an answer that must be good."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return msgspec.json.decode(answer.content)
