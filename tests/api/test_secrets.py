"""Named secrets over REST: their values go in, and never come out."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.sealing import new_key
from rota.settings import Settings
from tests.api.calls import COMMAND, Api, good, problem, settings_of
from tests.store import builders

KEY = new_key()
VALUE = "sk_live_canary"


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings of a service that has a key."""
    return settings_of(database_url, ROTA_SECRET_KEY=KEY)


async def put(client: httpx.AsyncClient, name: str = "stripe", **fields: Any) -> dict[str, Any]:
    return dict(good(await client.put(f"/api/secrets/{name}", json={"value": VALUE, **fields})))


def refused(answer: httpx.Response, field: str) -> dict[str, Any]:
    """The request is wrong in this field."""
    found = dict(problem(answer, 422))
    assert found["field"] == field, found
    return found


async def test_its_value_is_in_no_answer_and_nowhere_in_the_database(api: Api, client: httpx.AsyncClient) -> None:
    made = await put(client, note="payments")
    assert (made["name"], made["version"], made["note"], made["keyKnown"]) == ("stripe", 1, "payments", True)
    assert (made["createdBy"], made["usedAt"]) == ("secret", None)
    listed = await client.get("/api/secrets")
    assert good(listed)["secrets"] == [made]
    assert made.keys().isdisjoint({"value", "box"})
    changed = await put(client, value="another-value")
    assert (changed["version"], changed["note"]) == (2, "payments")
    audit = await client.get("/api/audit", params={"noun": "secret"})
    assert [one["action"] for one in good(audit)["entries"]] == ["edited", "created"]
    stored = [str(value) for name in ("box", "note") for value in builders.column(api.db, name, "rota_secrets")]
    stored += [str(value) for name in ("before", "after") for value in builders.column(api.db, name, "rota_audit")]
    for text in (*stored, audit.text, listed.text):
        assert VALUE not in text and "another-value" not in text


async def test_a_note_alone_changes_no_value(api: Api, client: httpx.AsyncClient) -> None:
    await put(client)
    [box] = builders.column(api.db, "box", "rota_secrets")
    noted = good(await client.put("/api/secrets/stripe", json={"note": "new"}))
    assert (noted["version"], noted["note"]) == (1, "new")
    assert good(await client.put("/api/secrets/stripe", json={"note": None}))["note"] is None
    assert builders.column(api.db, "box", "rota_secrets") == [box]
    refused(await client.put("/api/secrets/other", json={"note": "new"}), "value")


@pytest.mark.parametrize("value", ["", "abc", "nul\0inside", "x" * 70_000, 5, None])
async def test_what_can_be_no_value(admin: httpx.AsyncClient, value: Any) -> None:
    answer = await admin.put("/api/secrets/stripe", json={"value": value})
    refused(answer, "value")
    assert "inside" not in answer.text


async def test_what_can_be_no_name(admin: httpx.AsyncClient) -> None:
    for name in ("a.b", "1st", "with%20space", "x" * 101):
        refused(await admin.put(f"/api/secrets/{name}", json={"value": VALUE}), "name")


async def test_without_a_key_none_is_kept(admin: httpx.AsyncClient) -> None:
    found = problem(await admin.put("/api/secrets/stripe", json={"value": VALUE}), 409)
    assert "ROTA_SECRET_KEY is not set" in found["detail"] and "rota secrets key" in found["hint"]
    problem(await admin.post("/api/secrets/rotate", json={}), 409)


async def test_one_that_is_named_is_not_deleted_and_one_that_is_not_there_not_named(client: httpx.AsyncClient) -> None:
    target = {"kind": "http", "url": "http://x/", "auth": {"type": "bearer", "token": "{{secret.stripe}}"}}
    found = refused(await client.put("/api/job-types/pay", json={"target": target}), "target.auth.token")
    assert found["hint"] == "make it first: rota secrets set stripe"
    await put(client)
    shown = good(await client.put("/api/job-types/pay", json={"target": target}))
    assert shown["target"]["auth"]["token"] == "{{secret.stripe}}"
    assert "used by job type pay" in problem(await client.delete("/api/secrets/stripe"), 409)["detail"]
    await client.delete("/api/job-types/pay")
    assert (await client.delete("/api/secrets/stripe")).status_code == 204
    problem(await client.delete("/api/secrets/stripe"), 404)


async def test_no_schedule_goes_back_to_one_that_is_gone(client: httpx.AsyncClient) -> None:
    target = {"kind": "http", "url": "http://x/", "auth": {"type": "bearer", "token": "{{secret.stripe}}"}}
    await put(client)
    for one in (target, COMMAND):
        good(await client.put("/api/schedules/pay", json={"every": "1h", "target": one}))
    assert (await client.delete("/api/secrets/stripe")).status_code == 204
    found = refused(await client.post("/api/schedules/pay/rollback", json={"version": 1}), "target.auth.token")
    assert found["detail"] == "target.auth.token: there is no secret stripe"


async def test_keys_are_rotated(api: Api, client: httpx.AsyncClient, database_url: str) -> None:
    for name in ("a", "b"):
        await put(client, name)
    later = Api(api.db, settings_of(database_url, ROTA_SECRET_KEY=f"{new_key()}, {KEY}"))
    async with later.client() as other:
        before = good(await other.get("/api/secrets"))["secrets"]
        assert good(await other.post("/api/secrets/rotate", json={})) == {"rotated": 2, "left": 0, "unreadable": []}
        after = good(await other.get("/api/secrets"))["secrets"]
    later.close()
    assert [one["version"] for one in after] == [1, 1]
    assert before[0]["keyId"] != after[0]["keyId"] and after[0]["keyKnown"]
    assert not good(await client.get("/api/secrets"))["secrets"][0]["keyKnown"]
