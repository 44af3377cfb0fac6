"""Versions, rollback, dry runs and owners of schedules."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.calls import COMMAND, Api, good, problem
from tests.store import builders

NIGHTLY = {"cron": "0 3 * * *", "timezone": "Europe/Paris", "target": COMMAND}
SECRET = {"kind": "http", "url": "http://127.0.0.1:9/", "headers": {"Authorization": "Bearer canary-4711"}}
PATH = "/api/schedules/nightly"


async def put(client: httpx.AsyncClient, path: str = PATH, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = good(await client.put(path, json={**NIGHTLY, **fields}))
    return found


async def versions(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = good(await client.get(f"{PATH}/versions"))["versions"]
    return found


class TestVersions:
    async def test_lists_what_it_was_and_who_made_it_so(self, client: httpx.AsyncClient) -> None:
        await put(client, note="one")
        await put(client, note="two", cron="0 4 * * *")
        good(await client.post(f"{PATH}/pause", json={"note": "holiday"}))
        found = await versions(client)
        assert [(one["version"], one["action"], one["author"]) for one in found] == [
            (3, "paused", "secret"), (2, "edited", "secret"), (1, "created", "secret"),
        ]  # fmt: skip
        assert found[0]["note"] == "holiday"
        assert [one["schedule"]["cron"] for one in found] == ["0 4 * * *", "0 4 * * *", "0 3 * * *"]
        assert "nextAt" not in found[0]["schedule"]
        assert good(await client.get(f"{PATH}/versions/2")) == found[1]

    async def test_pages(self, client: httpx.AsyncClient) -> None:
        for hour in range(5):
            await put(client, cron=f"0 {hour} * * *")
        first = good(await client.get(f"{PATH}/versions?limit=3"))
        assert [one["version"] for one in first["versions"]] == [5, 4, 3]
        rest = good(await client.get(f"{PATH}/versions?limit=3&cursor={first['nextCursor']}"))
        assert ([one["version"] for one in rest["versions"]], rest["nextCursor"]) == ([2, 1], None)

    async def test_shows_no_secret(self, client: httpx.AsyncClient) -> None:
        await put(client, target=SECRET)
        await put(client, target=SECRET, note="x")
        for path in (f"{PATH}/versions", f"{PATH}/versions/1", f"{PATH}?dryRun=true"):
            answer = await (client.put(path, json={**NIGHTLY, "target": SECRET}) if "dry" in path else client.get(path))
            assert answer.status_code == 200
            assert "canary" not in answer.text

    async def test_goes_back_with_the_secret(self, client: httpx.AsyncClient) -> None:
        await put(client, target=SECRET)
        await put(client, target=COMMAND)
        found = good(await client.post(f"{PATH}/rollback", json={"version": 1}))
        assert (found["version"], found["target"]["kind"]) == (3, "http")
        again = good(await client.put(PATH, json={**NIGHTLY, "target": SECRET}))
        assert again["version"] == 3  # the same, to the secret

    async def test_the_deleted_one_has_its_versions(self, client: httpx.AsyncClient) -> None:
        await put(client)
        await client.delete(PATH)
        assert [one["action"] for one in await versions(client)] == ["deleted", "created"]
        assert (await versions(client))[0]["schedule"] is None
        problem(await client.post(f"{PATH}/rollback", json={"version": 2}), 409)
        assert good(await client.post(f"{PATH}/rollback", json={"version": 1}))["version"] == 3

    @pytest.mark.parametrize("path", ["nightly/versions/9", "nightly/versions/x", "never/versions", "never/versions/1"])
    async def test_what_there_is_not(self, admin: httpx.AsyncClient, path: str) -> None:
        await put(admin)
        problem(await admin.get(f"/api/schedules/{path}"), 404)

    @pytest.mark.parametrize("version", [0, -1, 2, 1 << 62])
    async def test_rolls_back_to_no_unknown_version(self, admin: httpx.AsyncClient, version: int) -> None:
        await put(admin)
        problem(await admin.post(f"{PATH}/rollback", json={"version": version}), 404)


class TestDryRun:
    async def test_tells_what_would_change_and_stores_nothing(self, client: httpx.AsyncClient) -> None:
        before = await put(client, cron="0 3 * * *", note="old")
        body = {**NIGHTLY, "cron": "0 3,4 * * MON-FRI", "note": "old", "overlap": "queueOne"}
        found = good(await client.put(f"{PATH}?dryRun=true", json=body))
        assert {one["field"]: (one["from"], one["to"]) for one in found["changes"]} == {
            "cron": ("0 3 * * *", "0 3,4 * * MON-FRI"),
            "overlap": ("skip", "queueOne"),
        }
        assert (found["goesCount"], found["comesCount"]) == (2, 5)
        assert (len(found["goes"]), len(found["comes"]), found["exists"]) == (2, 5, True)
        assert good(await client.get(PATH)) == before

    async def test_of_a_new_one(self, client: httpx.AsyncClient) -> None:
        found = good(await client.put(f"{PATH}?dryRun=true", json={**NIGHTLY, "every": "1m", "cron": None}))
        assert (found["exists"], found["goesCount"], found["comesCount"]) == (False, 0, 7 * 24 * 60)
        assert len(found["comes"]) == 100
        problem(await client.get(PATH), 404)

    async def test_of_a_rule_with_very_many_instants(self, admin: httpx.AsyncClient) -> None:
        await put(admin, cron=None, every="1s")
        found = good(await admin.put(f"{PATH}?dryRun=true", json={**NIGHTLY, "cron": None, "every": "2s"}))
        assert 0 < found["goesCount"] <= 20_000
        assert found["until"] < (await put(admin, cron="0 0 1 1 *"))["nextAt"]

    async def test_the_same_changes_nothing(self, client: httpx.AsyncClient) -> None:
        await put(client)
        found = good(await client.put(f"{PATH}?dryRun=true", json=NIGHTLY))
        assert (found["changes"], found["goes"], found["comes"]) == ([], [], [])

    async def test_refuses_as_saving_would(self, admin: httpx.AsyncClient) -> None:
        answer = await admin.put(f"{PATH}?dryRun=true", json={**NIGHTLY, "cron": "61 * * * *"})
        assert problem(answer, 422)["field"] == "cron"


class TestOwners:
    async def test_one_owner_does_not_overwrite_another(self, client: httpx.AsyncClient) -> None:
        await put(client, owner="code", source="shop:rota")
        for owner in ("api", "file"):
            found = problem(await client.put(PATH, json={**NIGHTLY, "note": "mine", "owner": owner}), 409)
            assert (found["code"], "takeOver" in found["hint"]) == ("owned", True)
            assert "code (shop:rota)" in found["detail"]
        assert good(await client.get(PATH))["note"] is None
        problem(await client.put(f"{PATH}?dryRun=true", json={**NIGHTLY, "note": "mine"}), 409)

    async def test_but_may_say_the_same(self, client: httpx.AsyncClient) -> None:
        first = await put(client, owner="code")
        assert await put(client) == first

    async def test_until_it_is_taken_over(self, client: httpx.AsyncClient) -> None:
        await put(client, owner="code", source="shop:rota")
        found = await put(client, note="mine", takeOver=True)
        assert (found["owner"], found["source"], found["note"], found["version"]) == ("api", None, "mine", 2)
        assert (await versions(client))[0]["action"] == "takenOver"
        problem(await client.put(PATH, json={**NIGHTLY, "owner": "code", "note": "again"}), 409)

    async def test_it_is_taken_over_as_it_is(self, client: httpx.AsyncClient) -> None:
        await put(client, owner="code")
        assert (await put(client, takeOver=True))["owner"] == "api"

    async def test_two_files_are_two_owners(self, client: httpx.AsyncClient) -> None:
        await put(client, owner="file", source="a.toml")
        await put(client, owner="file", source="a.toml", note="x")
        problem(await client.put(PATH, json={**NIGHTLY, "owner": "file", "source": "b.toml"}), 409)

    async def test_going_back_is_an_edit_too(self, client: httpx.AsyncClient) -> None:
        await put(client, owner="code")
        await put(client, owner="code", cron="0 4 * * *")
        problem(await client.post(f"{PATH}/rollback", json={"version": 1}), 409)
        found = good(await client.post(f"{PATH}/rollback", json={"version": 1, "takeOver": True}))
        assert (found["owner"], found["cron"]) == ("api", "0 3 * * *")


class TestRights:
    async def test_an_operator_edits_around_a_target(self, small: Api, admin: httpx.AsyncClient) -> None:
        await put(admin, target=SECRET)
        shown = good(await admin.get(PATH))["target"]
        async with small.as_role("operator") as operator:
            found = await put(operator, target=shown, cron="0 5 * * *")
            assert (found["version"], found["cron"]) == (2, "0 5 * * *")
            problem(await operator.put(PATH, json={**NIGHTLY, "target": COMMAND}), 403)
            problem(await operator.put(f"{PATH}?dryRun=true", json={**NIGHTLY, "target": COMMAND}), 403)
            body = {"schedules": [{**NIGHTLY, "id": "b"}]}
            problem(await operator.put("/api/schedules", json=body), 403)
        again = good(await admin.put(PATH, json={**NIGHTLY, "target": SECRET, "cron": "0 5 * * *"}))
        assert again["version"] == 2

    async def test_an_operator_goes_back_around_a_target(self, api: Api, client: httpx.AsyncClient) -> None:
        other = {"kind": "command", "command": ["false"]}
        for change in ({}, {"target": other}, {"target": other, "note": "new"}):
            await put(client, **change)
        async with api.as_role("operator") as operator:
            found = problem(await operator.post(f"{PATH}/rollback", json={"version": 1}), 403)
            assert found["hint"] == "a target of its own takes the role admin; the token has operator"
            assert good(await operator.get(PATH))["target"]["command"] == ["false"]
            assert good(await operator.post(f"{PATH}/rollback", json={"version": 2}))["note"] is None
            await client.delete(PATH)
            for version in (1, 2):
                problem(await operator.post(f"{PATH}/rollback", json={"version": version}), 403)
            problem(await operator.get(PATH), 404)
        assert good(await client.post(f"{PATH}/rollback", json={"version": 1}))["target"]["command"] == ["true"]

    async def test_an_operator_goes_back_to_a_job_type(self, small: Api, admin: httpx.AsyncClient) -> None:
        good(await admin.put("/api/job-types/clean", json={"target": COMMAND}))
        await put(admin, target=None, jobType="clean")
        await put(admin)
        async with small.as_role("operator") as operator:
            found = good(await operator.post(f"{PATH}/rollback", json={"version": 1}))
            assert (found["jobType"], found["target"]) == ("clean", None)

    async def test_a_viewer_looks(self, small: Api, admin: httpx.AsyncClient) -> None:
        await put(admin)
        async with small.as_role("viewer") as viewer:
            good(await viewer.get(f"{PATH}/versions"))
            for part, body in (("rollback", {"version": 1}), ("backfill", {"from": "x", "to": "y"})):
                problem(await viewer.post(f"{PATH}/{part}", json=body), 403)


class TestFields:
    async def test_every_field_comes_back(self, client: httpx.AsyncClient) -> None:
        given: dict[str, Any] = {
            "cron": "0 0 3 * * *", "seconds": "first", "dayMatch": "and", "timezone": "Europe/Paris",
            "startAt": "2030-01-01T00:00:00.000Z", "endAt": "2031-01-01T00:00:00.000Z", "maxRuns": 5,
            "afterRun": "delete", "jitter": "30s", "overlap": "queueAll", "catchup": "all", "catchupWindow": "6h",
            "pauseAfter": 3, "queue": "mail", "priority": 7, "maxAttempts": 3,
            "retry": {"delays": ["10s", "1m"]}, "timeout": "5m", "expiresIn": "1h", "concurrencyKey": "k",
            "tags": ["a", "b"], "onLost": "fail", "note": "n", "owner": "file", "source": "crons.toml",
            "paused": True, "onStart": True, "args": {"n": 1},
        }  # fmt: skip
        found = await put(client, **given)
        assert {name: found[name] for name in given} == given
        assert found == good(await client.get(PATH))

    @pytest.mark.parametrize(("fields", "field"), [
        ({"pauseAfter": 0}, "pauseAfter"), ({"overlap": "queue"}, "overlap"), ({"afterRun": "archive"}, "afterRun"),
        ({"calendars": [""]}, "calendars.0"), ({"calendars": ["x"] * 21}, "calendars"), ({"expiresIn": "soon"},
        "expiresIn"), ({"source": "x" * 501}, "source"), ({"takeOver": "yes"}, "takeOver"),
    ])  # fmt: skip
    async def test_refuses_a_wrong_one(self, admin: httpx.AsyncClient, fields: dict[str, Any], field: str) -> None:
        assert problem(await admin.put(PATH, json={**NIGHTLY, **fields}), 422)["field"] == field


class TestMany:
    async def test_saves_many_and_tells_what_became_of_each(self, client: httpx.AsyncClient) -> None:
        body = {"schedules": [{**NIGHTLY, "id": name} for name in ("c", "a", "b")]}
        found = good(await client.put("/api/schedules", json=body))["schedules"]
        assert [(one["id"], one["action"], one["version"]) for one in found] == [
            ("c", "created", 1), ("a", "created", 1), ("b", "created", 1),
        ]  # fmt: skip
        body["schedules"][1]["note"] = "new"
        found = good(await client.put("/api/schedules", json=body))["schedules"]
        assert [(one["action"], one["version"]) for one in found] == [(None, 1), ("edited", 2), (None, 1)]

    @pytest.mark.parametrize(("second", "status", "field"), [
        ({"id": "b", "cron": "61 * * * *"}, 422, "schedules.1.cron"),
        ({"id": "a"}, 422, "schedules.1.id"),
        ({}, 422, "schedules.1.id"),
        ({"id": "no spaces"}, 422, "schedules.1.id"),
        ({"id": "b", "cronn": "x"}, 422, "schedules.1.cronn"),
    ])  # fmt: skip
    async def test_all_or_none(self, admin: httpx.AsyncClient, second: dict[str, Any], status: int, field: str) -> None:
        body = {"schedules": [{**NIGHTLY, "id": "a"}, {**NIGHTLY, **second}]}
        assert problem(await admin.put("/api/schedules", json=body), status)["field"] == field
        assert good(await admin.get("/api/schedules"))["total"] == 0


class TestBackfill:
    async def test_runs_what_was_paused_once_for_a_key(self, api: Api, client: httpx.AsyncClient) -> None:
        await put(client, cron=None, every="1h", startAt="2026-01-01T00:00:00Z", paused=True)
        builders.execute(api.db, "UPDATE rota_schedules SET next_at = 1767229200000000 + 86400000000")
        body = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T03:00:00Z"}
        dry = good(await client.post(f"{PATH}/backfill", json={**body, "dryRun": True}))
        assert (dry["count"], dry["jobs"], dry["dryRun"]) == (3, [], True)
        assert dry["instants"][0] == "2026-01-01T01:00:00.000Z"
        headers = {"Idempotency-Key": "once"}
        found = good(await client.post(f"{PATH}/backfill", json=body, headers=headers))
        assert good(await client.post(f"{PATH}/backfill", json=body, headers=headers)) == found
        assert (found["count"], len(found["jobs"])) == (3, 3)
        assert len(builders.column(api.db, "id")) == 3
        shown = good(await client.get(f"{PATH}/occurrences"))["occurrences"]
        assert [(one["disposition"], one["reason"]) for one in shown] == [("caughtUp", "backfilled by secret")] * 3

    @pytest.mark.parametrize(("body", "field"), [
        ({"from": "soon", "to": "2026-01-01T03:00:00Z"}, "from"), ({"from": "2026-01-01T03:00:00Z"}, "to"),
        ({"from": "2026-01-01T03:00:00Z", "to": "2026-01-01T02:00:00Z"}, "to"), ({}, "from"),
        ({"from": "2026-01-01T03:00:00Z", "to": "2026-01-02T02:00:00Z", "overlap": "skip"}, "overlap"),
    ])  # fmt: skip
    async def test_refuses_with_the_field(self, admin: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
        await put(admin)
        assert problem(await admin.post(f"{PATH}/backfill", json=body), 422)["field"] == field


class TestTrigger:
    async def test_waits_its_turn_and_says_so(self, client: httpx.AsyncClient) -> None:
        await put(client)
        first = good(await client.post(f"{PATH}/trigger"))
        second = good(await client.post(f"{PATH}/trigger"))
        assert (first["status"], second["status"]) == ("pending", "pending")
        assert first["jobId"] in second["why"]["text"]

    async def test_unless_its_runs_may_overlap(self, client: httpx.AsyncClient) -> None:
        await put(client, overlap="allow")
        first = good(await client.post(f"{PATH}/trigger"))
        second = good(await client.post(f"{PATH}/trigger"))
        assert first["jobId"] not in second["why"]["text"]
