"""Schedules: saved, listed, paused, triggered, deleted, previewed."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from rota.store import schedules
from tests.api.calls import COMMAND, Api, good, problem
from tests.store import builders

NIGHTLY = {"cron": "0 3 * * *", "timezone": "Europe/Paris", "target": COMMAND}


async def put(client: httpx.AsyncClient, schedule_id: str = "nightly", **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = good(await client.put(f"/api/schedules/{schedule_id}", json={**NIGHTLY, **fields}))
    return found


async def test_saves_a_schedule(client: httpx.AsyncClient) -> None:
    found = await put(client, note="tidy up", overlap="skip", catchup="all")
    assert (found["id"], found["cron"], found["version"], found["owner"]) == ("nightly", "0 3 * * *", 1, "api")
    assert (found["timezone"], found["note"], found["catchup"]) == ("Europe/Paris", "tidy up", "all")
    assert "03:00" in found["description"]
    assert found["nextAt"] is not None
    assert good(await client.get("/api/schedules/nightly")) == found


async def test_saving_the_same_again_changes_nothing(client: httpx.AsyncClient) -> None:
    first = await put(client)
    assert await put(client) == first
    assert (await put(client, cron="0 4 * * *"))["version"] == 2


async def test_lists_in_the_order_of_ids(client: httpx.AsyncClient) -> None:
    for name in ("c", "a", "b", "other"):
        await put(client, name)
    found = good(await client.get("/api/schedules?limit=2"))
    assert [one["id"] for one in found["schedules"]] == ["a", "b"]
    assert (found["total"], found["limit"]) == (4, 2)
    rest = good(await client.get(f"/api/schedules?limit=2&cursor={found['nextCursor']}"))
    assert [one["id"] for one in rest["schedules"]] == ["c", "other"]
    assert rest["nextCursor"] is None
    assert [one["id"] for one in good(await client.get("/api/schedules?q=OTH"))["schedules"]] == ["other"]
    for query, total in (("owner=api", 4), ("owner=code", 0), ("tag=no", 0), ("paused=true", 0), ("paused=false", 4)):
        assert good(await client.get(f"/api/schedules?{query}"))["total"] == total
    for query in ("paused=null", "limit=null"):
        assert problem(await client.get(f"/api/schedules?{query}"), 422)["field"] == query.removesuffix("=null")


async def test_pauses_and_resumes(client: httpx.AsyncClient) -> None:
    await put(client)
    body = {"note": "the host moves", "until": "2099-01-01T00:00:00Z"}
    found = good(await client.post("/api/schedules/nightly/pause", json=body))
    assert (found["paused"], found["pausedBy"], found["pausedNote"]) == (True, "secret", "the host moves")
    assert found["resumeAt"] == "2099-01-01T00:00:00.000Z"
    assert good(await client.post("/api/schedules/nightly/resume"))["paused"] is False
    assert good(await client.post("/api/schedules/nightly/pause"))["paused"] is True


async def test_triggers(api: Api, client: httpx.AsyncClient) -> None:
    await put(client)
    headers = {"Idempotency-Key": "once"}
    found = good(await client.post("/api/schedules/nightly/trigger", headers=headers))
    assert good(await client.post("/api/schedules/nightly/trigger", headers=headers)) == found
    job = builders.get(api.db, found["jobId"])
    assert (job.schedule_id, job.origin, job.started_by, job.scheduled_for) == ("nightly", "trigger", "secret", None)
    assert len(builders.column(api.db, "id")) == 1


async def test_a_trigger_waits_for_the_end_when_asked(api: Api, client: httpx.AsyncClient) -> None:
    await put(client)
    worker = builders.register(api.db)
    headers = {"Idempotency-Key": "once"}
    address = "/api/schedules/nightly/trigger?wait=60s"
    asked = asyncio.create_task(client.post(address, headers=headers))
    while not (claimed := await asyncio.to_thread(builders.claim, api.db, worker)):
        await asyncio.sleep(0.01)
    builders.end(api.db, worker, *claimed, status="failed", error="no")
    found = good(await asked)
    assert (found["status"], found["error"], found["jobId"]) == ("failed", "no", found["id"])
    assert found["scheduleId"] == "nightly"
    again = good(await client.post(address, headers=headers))
    assert (again["id"], again["status"]) == (found["id"], "failed")


async def test_a_trigger_waits_no_longer_than_asked(client: httpx.AsyncClient) -> None:
    await put(client)
    found = good(await client.post("/api/schedules/nightly/trigger?wait=10ms"))
    assert (found["status"], found["jobId"], found["attempts"]) == ("pending", found["id"], [])
    for wrong in ("6m", "soon"):
        refused = problem(await client.post("/api/schedules/nightly/trigger", params={"wait": wrong}), 422)
        assert refused["field"] == "wait"


async def test_deletes(client: httpx.AsyncClient) -> None:
    await put(client)
    assert (await client.delete("/api/schedules/nightly")).status_code == 204
    problem(await client.get("/api/schedules/nightly"), 404)
    problem(await client.delete("/api/schedules/nightly"), 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cron": "0 25 * * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": "* " * 300}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"every": "5m"}, "cron"),
        ({"cron": None, "every": "soon"}, "every"),
        ({"cron": None, "at": "2027-01-01 09:00"}, "at"),
        ({"startAt": "2027-01-02T00:00:00Z", "endAt": "2027-01-01T00:00:00Z"}, "endAt"),
        ({"crom": "x"}, "crom"),
        ({"id": "other"}, "id"),
        ({"maxRuns": 0}, "maxRuns"),
        ({"overlap": "sometimes"}, "overlap"),
        ({"target": None, "jobType": "never"}, "jobType"),
        ({"target": None}, "jobType"),
    ],
)
async def test_refuses_with_the_field_and_stores_nothing(
    small: Api, admin: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await admin.put("/api/schedules/nightly", json={**NIGHTLY, **body})
    assert problem(answer, 422)["field"] == field
    assert small.db.read(schedules.count) == 0


@pytest.mark.parametrize("schedule_id", ["no spaces", "%00", "-x", "a" * 201])
async def test_refuses_a_malformed_id(admin: httpx.AsyncClient, schedule_id: str) -> None:
    answer = await admin.put(f"/api/schedules/{schedule_id}", json=NIGHTLY)
    assert answer.status_code in (404, 422)
    problem(await admin.get(f"/api/schedules/{schedule_id}"), 404)


@pytest.mark.parametrize(("method", "part"), [("GET", ""), ("DELETE", ""), ("GET", "/occurrences")] + [
    ("POST", part) for part in ("/pause", "/resume", "/trigger")
])  # fmt: skip
async def test_an_unknown_schedule_is_not_found(admin: httpx.AsyncClient, method: str, part: str) -> None:
    problem(await admin.request(method, f"/api/schedules/never{part}"), 404)


async def test_an_operator_names_types_and_an_admin_targets(small: Api, admin: httpx.AsyncClient) -> None:
    good(await admin.put("/api/job-types/tidy", json={"target": COMMAND}))
    async with small.as_role("operator") as operator:
        good(await operator.put("/api/schedules/a", json={"cron": "0 3 * * *", "jobType": "tidy"}))
        problem(await operator.put("/api/schedules/b", json=NIGHTLY), 403)
        problem(await operator.get("/api/schedules/b"), 404)
        good(await operator.post("/api/schedules/a/trigger"))


async def test_a_schedule_that_cannot_be_understood_is_still_shown(small: Api, admin: httpx.AsyncClient) -> None:
    builders.put(small.db, rule='{"cron":"never"}')
    assert good(await admin.get("/api/schedules/nightly"))["description"] is None
    assert len(good(await admin.get("/api/schedules"))["schedules"]) == 1


async def test_previews(admin: httpx.AsyncClient) -> None:
    body = {"cron": "0 9 * * MON", "timezone": "Europe/Paris", "after": "2026-03-20T00:00:00Z", "count": 3}
    found = good(await admin.post("/api/schedules/preview", json=body))
    assert found["instants"] == ["2026-03-23T08:00:00.000Z", "2026-03-30T07:00:00.000Z", "2026-04-06T07:00:00.000Z"]
    assert found["description"]
    assert isinstance(found["warnings"], list)


async def test_previews_several_rules(admin: httpx.AsyncClient) -> None:
    rules = [{"cron": "0 9 * * *"}, {"cron": "0 8 * * *", "timezone": "UTC"}, {"every": "6h"}]
    body = {
        "rules": rules,
        "timezone": "Europe/Paris",
        "startAt": "2026-11-21T02:00:00Z",
        "onStart": True,
        "after": "2026-11-21T01:00:00Z",
        "count": 4,
    }
    found = good(await admin.post("/api/schedules/preview", json=body))
    assert [text[11:16] for text in found["instants"]] == ["02:00", "08:00", "14:00", "20:00"]
    assert found["description"] == (
        "at 09:00 every day, Europe/Paris; at 08:00 every day, UTC; every 6 hours; once at its start"
    )


async def test_saves_several_rules(client: httpx.AsyncClient) -> None:
    rules = [{"cron": "0 9 * * *", "dayMatch": "and"}, {"every": 90}, {"at": "2036-01-01T00:00:00Z"}]
    found = await put(client, cron=None, rules=rules, onStart=True, dayMatch="cron")
    assert found["rules"] == rules and found["onStart"] is True and found["cron"] is None
    assert found["nextAt"] == found["createdAt"]
    assert (await put(client, cron=None, rules=rules, onStart=True))["version"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cron": "* * * * *", "count": 1001}, "count"),
        ({"rules": []}, "rules"),
        ({"rules": [{"cron": "* * * * *"}] * 21}, "rules"),
        ({"rules": [{"cron": "* * * * *"}], "every": "10m"}, "cron"),
        ({"rules": [{"cron": "* * * * *"}, {"cron": "61 * * * *"}]}, "rules.1.cron"),
        ({"rules": [{"cron": "* * * * *"}, {}]}, "rules.1.cron"),
        ({"rules": [{"every": "1s"}, {"every": "1ms"}]}, "rules.1.every"),
        ({"rules": [{"at": "noon"}]}, "rules.0.at"),
        ({"rules": [{"cron": "@daily", "timezone": "Mars"}]}, "rules.0.timezone"),
        ({"rules": [{"cron": "@daily"}], "timezone": "Mars"}, "timezone"),
        ({"rules": [{"every": "5m", "seconds": "first"}]}, "rules.0.seconds"),
        ({"cron": "* * * * *", "count": 0}, "count"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "* * * * *", "after": "soon"}, "after"),
        ({}, "cron"),
        ({"cron": "* * * * *", "jobType": "x"}, "jobType"),
    ],
)
async def test_refuses_to_preview_what_is_wrong(admin: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    assert problem(await admin.post("/api/schedules/preview", json=body), 422)["field"] == field


async def test_a_viewer_may_preview(small: Api) -> None:
    async with small.as_role("viewer") as viewer:
        good(await viewer.post("/api/schedules/preview", json={"every": "10m"}))
