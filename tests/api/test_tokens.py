"""API tokens: made, used, listed, ended."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.api import providers
from tests.api.calls import Api, bearer, good, problem
from tests.store import builders


async def make(client: httpx.AsyncClient, role: str = "viewer", **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = good(await client.post("/api/tokens", json={"role": role, **fields}), 201)
    return found


async def test_a_token_is_shown_once_and_stored_hashed(api: Api, client: httpx.AsyncClient) -> None:
    made = await make(client, name="web app")
    assert made["token"].startswith("rota_")
    listed = await client.get("/api/tokens")
    assert made["token"] not in listed.text
    (shown,) = good(listed)["tokens"]
    assert (shown["id"], shown["role"]) == (made["id"], "viewer")
    assert (shown["name"], shown["createdBy"]) == ("web app", "secret")
    assert builders.column(api.db, "hash", "rota_tokens") == [providers.digest_of(made["token"])]


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
async def test_a_token_has_its_role(api: Api, client: httpx.AsyncClient, role: str) -> None:
    made = await make(client, role, name="app")
    found = good(await client.get("/api/me", headers=bearer(made["token"])))
    assert "listJobs" in found.pop("permissions")
    assert found == {"subject": "app", "role": role, "source": "token"}


async def test_its_use_is_noted(small: Api, admin: httpx.AsyncClient) -> None:
    made = await make(admin)
    good(await admin.get("/api/me", headers=bearer(made["token"])))
    small.app.state.service.writer.submit(lambda tx: None).result(5)  # comes after the note
    assert good(await admin.get("/api/tokens"))["tokens"][0]["lastUsedAt"] is not None


async def test_a_revoked_token_is_refused_at_once(api: Api, client: httpx.AsyncClient) -> None:
    made = await make(client)
    good(await client.get("/api/me", headers=bearer(made["token"])))
    assert (await client.delete(f"/api/tokens/{made['id']}")).status_code == 204
    assert problem(await client.get("/api/me", headers=bearer(made["token"])), 401)["detail"] == "Invalid token"
    assert good(await client.get("/api/tokens"))["tokens"][0]["revokedAt"] is not None
    problem(await client.delete(f"/api/tokens/{made['id']}"), 404)


async def test_a_token_revoked_elsewhere_is_refused_soon(
    small: Api, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "BELIEVED_FOR_S", 0.0)
    made = await make(admin)
    good(await admin.get("/api/me", headers=bearer(made["token"])))
    small.db.run(lambda tx: tx.run("UPDATE rota_tokens SET revoked_at = 1"))
    problem(await admin.get("/api/me", headers=bearer(made["token"])), 401)


async def test_a_token_ends(small: Api, admin: httpx.AsyncClient) -> None:
    made = await make(admin, expiresIn="1h")
    assert made["expiresAt"] > made["createdAt"]
    small.db.run(lambda tx: tx.run("UPDATE rota_tokens SET expires_at = rota_now() - 1"))
    problem(await admin.get("/api/me", headers=bearer(made["token"])), 401)


async def test_a_believed_token_is_not_looked_up_again(
    small: Api, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(admin)
    good(await admin.get("/api/me", headers=bearer(made["token"])))
    monkeypatch.setattr("rota.store.tokens.find", None)
    good(await admin.get("/api/me", headers=bearer(made["token"])))


async def test_a_key_makes_one_token_and_does_not_keep_it(api: Api, client: httpx.AsyncClient) -> None:
    body, headers = {"role": "viewer"}, {"Idempotency-Key": "one"}
    first = good(await client.post("/api/tokens", json=body, headers=headers), 201)
    again = good(await client.post("/api/tokens", json=body, headers=headers), 201)
    assert again == {**first, "token": None}
    assert first["token"] not in str(builders.column(api.db, "body", "rota_idempotency"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "role"),
        ({"role": "king"}, "role"),
        ({"role": "viewer", "expiresIn": "1ms"}, "expiresIn"),
        ({"role": "viewer", "name": "a\nb"}, "name"),
        ({"role": "viewer", "secret": "x"}, "secret"),
    ],
)
async def test_refuses_with_the_field(admin: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    assert problem(await admin.post("/api/tokens", json=body), 422)["field"] == field


@pytest.mark.parametrize("token_id", ["never", "01a1fc70-8b47-7aad-a034-000000000000"])
async def test_an_unknown_token_is_not_found(admin: httpx.AsyncClient, token_id: str) -> None:
    problem(await admin.delete(f"/api/tokens/{token_id}"), 404)
