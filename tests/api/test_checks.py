"""Checks over REST: made, listed, paused, given another key; who sees the address."""

from __future__ import annotations

import httpx

from rota.store.database import Database
from tests.api.calls import Api, good, problem, settings_of

NIGHTLY = {"cron": "30 2 * * *", "timezone": "Europe/Paris", "grace": "20m", "longest": "2h", "tags": ["ops"]}


async def test_a_check_from_its_making_to_its_end(client: httpx.AsyncClient) -> None:
    made = good(await client.put("/api/checks/backup", json={**NIGHTLY, "name": "Nightly backup"}))
    assert (made["status"], made["grace"], made["longest"], made["version"]) == ("new", "20m", "2h", 1)
    assert made["description"] == "at 02:30 every day, Europe/Paris"
    assert made["pingPath"] == f"/ping/{made['key']}"
    assert made["pingUrl"] == f"http://localhost/ping/{made['key']}"
    assert good(await client.put("/api/checks/backup", json={**NIGHTLY, "name": "Nightly backup"})) == made

    paused = good(await client.post("/api/checks/backup/pause", json={"note": "it moves"}))
    assert (paused["status"], paused["pauseNote"], paused["nextAt"], paused["lateAt"]) == (
        "paused",
        "it moves",
        None,
        None,
    )
    resumed = good(await client.post("/api/checks/backup/resume", json={}))
    assert (resumed["status"], resumed["pausedAt"]) == ("new", None)
    rekeyed = good(await client.post("/api/checks/backup/key", json={}))
    assert rekeyed["key"] != made["key"]
    assert (await client.delete("/api/checks/backup")).status_code == 204
    problem(await client.get("/api/checks/backup"), 404)
    problem(await client.get("/api/checks/backup/pings"), 404)


async def test_lists_filter_and_page(client: httpx.AsyncClient) -> None:
    for n in range(5):
        good(await client.put(f"/api/checks/c{n}", json={"every": "1h", "tags": ["even"] if n % 2 == 0 else []}))
    good(await client.post("/api/checks/c4/pause", json={}))
    first = good(await client.get("/api/checks?limit=2&tag=even"))
    assert ([one["id"] for one in first["checks"]], first["total"]) == (["c0", "c2"], 3)
    rest = good(await client.get(f"/api/checks?limit=2&tag=even&cursor={first['nextCursor']}"))
    assert ([one["id"] for one in rest["checks"]], rest["nextCursor"]) == (["c4"], None)
    assert [one["id"] for one in good(await client.get("/api/checks?status=paused"))["checks"]] == ["c4"]
    assert [one["id"] for one in good(await client.get("/api/checks?q=C3"))["checks"]] == ["c3"]
    assert problem(await client.get("/api/checks?status=odd"), 422)["field"] == "status"


async def test_only_administrators_see_the_address(small: Api) -> None:
    async with small.client() as admin, small.as_role("operator") as operator, small.as_role("viewer") as viewer:
        key = good(await admin.put("/api/checks/backup", json=NIGHTLY))["key"]
        assert (await admin.get("/api/checks")).text.find(key) < 0, "a list is looked at by many"
        good(await operator.post("/api/checks/backup/pause", json={}))
        for one in (viewer, operator):
            found = await one.get("/api/checks/backup")
            assert good(found)["key"] is None and key not in found.text
        assert key not in (await operator.post("/api/checks/backup/resume", json={})).text
        assert key not in (await admin.get("/api/audit")).text
        problem(await operator.post("/api/checks/backup/key", json={}), 403)
        problem(await operator.put("/api/checks/other", json=NIGHTLY), 403)
        problem(await operator.delete("/api/checks/backup"), 403)
        problem(await viewer.post("/api/checks/backup/pause", json={}), 403)


async def test_what_jobs_said_is_hidden_from_viewers_where_payloads_are(lite: Database, sqlite_url: str) -> None:
    api = Api(lite, settings_of(sqlite_url, ROTA_VIEWER_PAYLOADS="hide"))
    async with api.client() as admin, api.as_role("viewer") as viewer:
        key = good(await admin.put("/api/checks/backup", json=NIGHTLY))["key"]
        assert (await admin.post(f"/ping/{key}/3", content="kanarienvogel")).status_code == 200
        (seen,) = good(await viewer.get("/api/checks/backup/pings"))["pings"]
        assert (seen["exitCode"], seen["body"]) == (3, "hidden")
        assert good(await admin.get("/api/checks/backup/pings"))["pings"][0]["body"] == "kanarienvogel"
        assert good(await viewer.get("/api/checks?q=back"))["total"] == 1, "names are no payloads"
    api.close()


async def test_a_sub_path_is_part_of_the_address(lite: Database, sqlite_url: str) -> None:
    public = "https://jobs.example.org/scheduler/"
    api = Api(lite, settings_of(sqlite_url, ROTA_ROOT_PATH="/scheduler", ROTA_PUBLIC_URL=public))
    async with api.client() as client:
        made = good(await client.put("/scheduler/api/checks/backup", json={"every": "1d"}))
        assert made["pingPath"] == f"/scheduler/ping/{made['key']}"
        assert made["pingUrl"] == f"{public}ping/{made['key']}"
        assert (await client.get(made["pingPath"])).text == "OK\n"
        assert (await client.get(made["pingPath"].removeprefix("/scheduler"))).text == "OK\n", "a proxy took it off"
    api.close()
