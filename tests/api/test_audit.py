"""GET /api/audit: who changed what, for admins."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.calls import COMMAND, Api, good, problem
from tests.store import builders


async def entries(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    return list(good(await client.get("/api/audit", params=query))["entries"])


async def test_schedules_types_calendars_and_tokens_are_in_it(client: httpx.AsyncClient) -> None:
    good(await client.put("/api/job-types/crawl", json={"target": COMMAND}))
    good(await client.put("/api/job-types/crawl", json={"target": COMMAND, "defaults": {"queue": "web"}}))
    good(await client.put("/api/calendars/off", json={"weekdays": ["SUN"], "note": "rest"}))
    good(await client.put("/api/schedules/nightly", json={"every": "1h", "jobType": "crawl"}))
    good(await client.post("/api/schedules/nightly/pause", json={"note": "ill"}))
    good(await client.post("/api/schedules/nightly/resume", json={}))
    token = good(await client.post("/api/tokens", json={"role": "viewer", "name": "web"}), 201)
    await client.delete(f"/api/tokens/{token['id']}")
    await client.delete("/api/schedules/nightly")
    await client.delete("/api/calendars/off")
    await client.delete("/api/job-types/crawl")
    found = [(one["noun"], one["action"]) for one in (await entries(client))[::-1]]
    assert found == [
        ("type", "created"), ("type", "edited"), ("calendar", "created"), ("schedule", "created"),
        ("schedule", "paused"), ("schedule", "resumed"), ("token", "created"), ("token", "revoked"),
        ("schedule", "deleted"), ("calendar", "deleted"), ("type", "deleted"),
    ]  # fmt: skip
    edited = (await entries(client, noun="type", action="edited"))[0]
    assert edited["before"] == {"defaults": {}, "version": 1}
    assert edited["after"] == {"defaults": {"queue": "web"}, "version": 2}
    made = (await entries(client, noun="token", action="created"))[0]
    assert made["after"] == {"name": "web", "role": "viewer", "expiresAt": None}
    revoked = (await entries(client, noun="token", action="revoked"))[0]
    assert revoked["before"] == {"name": "web", "role": "viewer"}
    assert "created the API token web" in made["text"] and "revoked the API token web" in revoked["text"]
    assert token["token"] not in str(await entries(client))


async def test_queues_keys_and_pauses_are_in_it(client: httpx.AsyncClient) -> None:
    good(await client.put("/api/job-types/crawl", json={"target": COMMAND}))
    good(await client.patch("/api/queues/mail", json={"concurrency": 5}))
    good(await client.patch("/api/queues/mail", json={"concurrency": 6, "ageing": "5m"}))
    for path in ("queues/mail", "job-types/crawl", "queues/mail/keys/k", "keys/k"):
        good(await client.post(f"/api/{path}/pause", json={"note": "ill"}))
        good(await client.post(f"/api/{path}/resume"))
    found = [(one["noun"], one["action"], one["name"]) for one in (await entries(client))[::-1]]
    assert found == [
        ("type", "created", "crawl"), ("queue", "changed", "mail"), ("queue", "changed", "mail"),
        ("queue", "paused", "mail"), ("queue", "resumed", "mail"), ("type", "paused", "crawl"),
        ("type", "resumed", "crawl"), *[("key", "paused", "k"), ("key", "resumed", "k")] * 2,
    ]  # fmt: skip
    changed = (await entries(client, action="changed"))[0]
    assert (changed["before"], changed["after"]) == (
        {"concurrency": 5, "ageing": None}, {"concurrency": 6, "ageing": "5m"},
    )  # fmt: skip
    assert {one["note"] for one in await entries(client, action="paused")} == {"ill"}


async def test_what_a_file_says_comes_from_the_file(client: httpx.AsyncClient) -> None:
    body = {"source": "rota.toml", "queues": {"mail": {"concurrency": 3}}}
    good(await client.post("/api/apply", json={**body, "dryRun": True}))
    assert await entries(client) == []
    good(await client.post("/api/apply", json=body))
    (entry,) = await entries(client)
    assert (entry["noun"], entry["name"], entry["origin"]) == ("queue", "mail", "file")


async def test_secrets_are_masked(client: httpx.AsyncClient) -> None:
    target = {"kind": "http", "url": "http://127.0.0.1:1/", "auth": {"type": "bearer", "token": "s3cret"}}
    good(await client.put("/api/job-types/crawl", json={"target": target}))
    (entry,) = await entries(client)
    assert entry["after"]["target"]["auth"]["token"] == "***"


async def test_each_field_narrows_and_pages_follow(api: Api, client: httpx.AsyncClient) -> None:
    ids = [builders.insert_one(api.db) for _ in range(3)]
    for job_id in ids:
        good(await client.post(f"/api/jobs/{job_id}/cancel"))
    async with api.as_role("operator") as ann:
        good(await ann.post(f"/api/jobs/{ids[0]}/retry"))
    assert [one["name"] for one in await entries(client, noun="job", action="cancelled")] == ids[::-1]
    (one,) = await entries(client, actor="ann")
    assert (one["name"], one["role"], one["origin"]) == (ids[0], "operator", "api")
    assert len(await entries(client, name=ids[0])) == 2
    assert await entries(client, since="2100-01-01T00:00:00Z") == []
    page = good(await client.get("/api/audit", params={"limit": 3}))
    rest = good(await client.get("/api/audit", params={"limit": 3, "cursor": page["nextCursor"]}))
    assert (len(page["entries"]), len(rest["entries"]), rest["nextCursor"]) == (3, 1, None)


@pytest.mark.parametrize(
    ("query", "field"),
    [({"cursor": "x"}, "cursor"), ({"since": "x"}, "since"), ({"noun": "x" * 501}, "noun"), ({"colour": "x"}, "colour"),
     ({"limit": 0}, "limit")],
)  # fmt: skip
async def test_refuses_with_the_field(admin: httpx.AsyncClient, query: dict[str, Any], field: str) -> None:
    assert problem(await admin.get("/api/audit", params=query), 422)["field"] == field


async def test_only_admins_see_it(small: Api) -> None:
    async with small.as_role("operator") as operator:
        problem(await operator.get("/api/audit"), 403)
