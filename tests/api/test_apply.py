"""A file over REST: its plan, and that all of it or nothing is done."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from rota.settings import Settings
from tests.api.calls import COMMAND, Api, good, problem, signed
from tests.store import builders

NIGHTLY = {"cron": "0 3 * * *", "target": COMMAND}
FILE: dict[str, Any] = {
    "source": "ops.toml",
    "schedules": {"nightly": {**NIGHTLY, "calendars": ["off"], "queue": "night"}, "hourly": {**NIGHTLY, "every": "1h"}},
    "calendars": {"off": {"weekdays": ["SAT", "SUN"], "dates": ["2100-01-01"], "note": "closed"}},
    "queues": {"night": {"concurrency": 2}},
}
del FILE["schedules"]["hourly"]["cron"]


async def apply(client: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = good(await client.post("/api/apply", json={**FILE, **given}))
    return found


def actions(found: dict[str, Any]) -> dict[str, str]:
    return {f"{one['kind']} {one['id']}": one["action"] for one in found["changes"]}


def only(found: dict[str, Any], thing: str) -> dict[str, Any]:
    (one,) = (one for one in found["changes"] if f"{one['kind']} {one['id']}" == thing)
    return {each["field"]: (each["from"], each["to"]) for each in one["fields"]}


async def ids(client: httpx.AsyncClient) -> set[str]:
    return {one["id"] for one in good(await client.get("/api/schedules"))["schedules"]}


async def test_a_plan_changes_nothing(api: Api, client: httpx.AsyncClient) -> None:
    found = await apply(client, dryRun=True)
    assert found["applied"] is False
    assert actions(found) == {
        "calendar off": "create", "queue night": "create", "schedule nightly": "create", "schedule hourly": "create",
    }  # fmt: skip
    assert only(found, "schedule nightly")["cron"] == (None, "0 3 * * *")
    assert await ids(client) == set()
    assert good(await client.get("/api/calendars"))["calendars"] == []
    assert good(await client.get("/api/queues"))["queues"] == []


async def test_it_is_done_once(api: Api, client: httpx.AsyncClient) -> None:
    found = await apply(client)
    assert (found["applied"], set(actions(found).values())) == (True, {"create"})
    saved = good(await client.get("/api/schedules/nightly"))
    assert (saved["owner"], saved["source"], saved["calendars"], saved["version"]) == ("file", "ops.toml", ["off"], 1)
    assert good(await client.get("/api/queues/night"))["concurrency"] == 2
    assert set(actions(await apply(client)).values()) == {"unchanged"}
    assert good(await client.get("/api/schedules/nightly"))["version"] == 1
    assert good(await client.get("/api/calendars/off"))["version"] == 1


async def test_what_changes_is_told_field_by_field(api: Api, client: httpx.AsyncClient) -> None:
    await apply(client)
    changed = {
        "schedules": {**FILE["schedules"], "nightly": {**NIGHTLY, "cron": "0 4 * * *", "queue": "night"}},
        "calendars": {"off": {"weekdays": ["SUN"], "dates": ["2100-01-01"]}},
        "queues": {"night": {"concurrency": None}},
    }
    for dry in (True, False):
        found = await apply(client, **changed, dryRun=dry)
        assert only(found, "schedule nightly") == {"cron": ("0 3 * * *", "0 4 * * *"), "calendars": (["off"], [])}
        assert only(found, "calendar off") == {"weekdays": (["SAT", "SUN"], ["SUN"]), "note": ("closed", None)}
        assert only(found, "queue night") == {"concurrency": (2, None)}
        assert actions(found)["schedule hourly"] == "unchanged"
    assert set(actions(await apply(client, **changed)).values()) == {"unchanged"}


async def test_prune_deletes_what_the_same_source_declares_no_more(api: Api, client: httpx.AsyncClient) -> None:
    await apply(client)
    await apply(client, source="other.toml", schedules={"other": NIGHTLY}, calendars={}, queues={})
    good(await client.put("/api/schedules/mine", json=NIGHTLY))
    less = {"schedules": {"hourly": FILE["schedules"]["hourly"]}}
    assert "schedule nightly" not in actions(await apply(client, **less))
    assert actions(await apply(client, **less, prune=True, dryRun=True))["schedule nightly"] == "delete"
    assert await ids(client) == {"nightly", "hourly", "other", "mine"}
    assert actions(await apply(client, **less, prune=True))["schedule nightly"] == "delete"
    assert await ids(client) == {"hourly", "other", "mine"}


async def test_what_belongs_to_others_is_refused_and_nothing_is_done(api: Api, client: httpx.AsyncClient) -> None:
    good(await client.put("/api/schedules/nightly", json={**NIGHTLY, "cron": "0 5 * * *"}))
    plan = await apply(client, dryRun=True)
    refused = next(one for one in plan["changes"] if one["id"] == "nightly")
    assert (refused["action"], refused["reason"]) == ("refused", "it belongs to the people who edit it by hand")
    found = problem(await client.post("/api/apply", json=FILE), 409)
    assert (found["code"], "nightly cannot be changed by ops.toml" in found["detail"]) == ("owned", True)
    assert await ids(client) == {"nightly"}
    assert good(await client.get("/api/calendars"))["calendars"] == []
    assert actions(await apply(client, takeOver=True))["schedule nightly"] == "update"
    saved = good(await client.get("/api/schedules/nightly"))
    assert (saved["owner"], saved["cron"]) == ("file", "0 3 * * *")
    found = problem(await client.post("/api/apply", json={**FILE, "source": "b", "schedules": {"nightly": {
        **NIGHTLY, "cron": "1 1 * * *"}}}), 409)  # fmt: skip
    assert "it belongs to a file (ops.toml)" in found["detail"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"schedules": {"a": {**NIGHTLY, "cron": "61 * * * *"}}}, "schedules.a.cron"),
        ({"schedules": {"fine": NIGHTLY, "b.c": {**NIGHTLY, "cron": "61 * * * *"}}}, "schedules.b.c.cron"),
        ({"schedules": {"a b": NIGHTLY}}, "schedules.a b.id"),
        ({"schedules": {"a": {**NIGHTLY, "owner": "api"}}}, "schedules.a.owner"),
        ({"schedules": {"a": {**NIGHTLY, "id": "b"}}}, "schedules.a.id"),
        ({"schedules": {"a": {**NIGHTLY, "nosuch": 1}}}, "schedules.a.nosuch"),
        ({"schedules": {"a": {"cron": "0 3 * * *", "target": {
            "kind": "http", "url": "http://h/", "headers": {"Authorization": "***"}}}}}, "schedules.a.target"),
        ({"calendars": {"a": {"dates": ["soon"]}}}, "calendars.a.dates.0"),
        ({"calendars": {"a b": {}}}, "calendars.a b.name"),
        ({"queues": {"a": {"concurrency": 0}}}, "queues.a.concurrency"),
        ({"queues": {"a b": {}}}, "queues.a b.name"),
        ({"source": " "}, "source"),
        ({"nosuch": 1}, "nosuch"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named_and_nothing_is_done(
    admin: httpx.AsyncClient, given: dict[str, Any], field: str
) -> None:
    body = {**FILE, **given}
    for dry in (True, False):
        assert problem(await admin.post("/api/apply", json={**body, "dryRun": dry}), 422)["field"] == field
    assert await ids(admin) == set()
    assert good(await admin.get("/api/calendars"))["calendars"] == []


async def test_a_calendar_that_there_is_not(admin: httpx.AsyncClient) -> None:
    body = {"source": "a", "schedules": {"a": {**NIGHTLY, "calendars": ["nosuch"]}}}
    assert "there is no calendar nosuch" in problem(await admin.post("/api/apply", json=body), 422)["detail"]
    assert await ids(admin) == set()


async def test_a_target_takes_an_admin(small: Api) -> None:
    async with small.as_role("operator") as operator:
        problem(await operator.post("/api/apply", json=FILE), 403)
        assert await ids(operator) == set()
        good(await operator.post("/api/apply", json={**FILE, "schedules": {}}))
    async with small.client(signed("viewer")) as viewer:
        problem(await viewer.post("/api/apply", json=FILE), 403)


async def test_many_at_once(admin: httpx.AsyncClient) -> None:
    many = {f"s{number}": NIGHTLY for number in range(1000)}
    body = {"source": "many", "schedules": many}
    assert set(actions(good(await admin.post("/api/apply", json=body))).values()) == {"create"}
    assert set(actions(good(await admin.post("/api/apply", json={**body, "prune": True}))).values()) == {"unchanged"}


async def test_many_files_are_applied_at_once_by_several_processes(
    api: Api, settings: Settings, database_url: str
) -> None:
    others = [Api(builders.opened(database_url), settings) for _ in range(2)]
    clients = [one.client() for one in (api, *others)]

    async def apply(number: int) -> None:
        # Each names the same things in another order.
        names = [f"n{(number + place * (number % 2 or -1)) % 6}" for place in range(6)]
        body = {
            "source": f"s{number % 2}", "takeOver": True, "prune": number % 3 == 0,
            "calendars": {name: {"dates": [f"2100-01-0{1 + number % 9}"]} for name in names},
            "queues": {name: {"concurrency": 1 + number} for name in names},
            "schedules": {name: {**NIGHTLY, "priority": number} for name in names},
        }  # fmt: skip
        good(await clients[number % 3].post("/api/apply", json=body))

    await asyncio.gather(*(apply(number) for number in range(18)))
    for one in others:
        one.close()
        one.db.close()
