"""Many schedules at once, and those in the shadow: paused, resumed, compared, let go live."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from rota.store import occurrences
from rota.timetable import parse_instant
from tests.api.calls import COMMAND, UNKNOWN_ID, Api, good, problem
from tests.store import builders

MINUTE = 60 * builders.SECOND


async def put(client: httpx.AsyncClient, *names: str, **fields: Any) -> None:
    many = [{"id": name, "cron": "*/10 * * * *", "target": COMMAND, **fields} for name in names]
    good(await client.put("/api/schedules", json={"schedules": many}))


async def act(client: httpx.AsyncClient, action: str, *ids: str, **fields: Any) -> dict[str, Any]:
    body = {"action": action, "ids": ids, **fields}
    found: dict[str, Any] = good(await client.post("/api/schedules/actions", json=body))
    return {**found, "changed": [one["id"] for one in found["changed"]]}


async def test_many_are_paused_and_resumed_at_once(client: httpx.AsyncClient) -> None:
    await put(client, "a", "b", "c")
    good(await client.post("/api/schedules/b/pause", json={"note": "ill"}))
    found = await act(client, "pause", "c", "a", "b", "a", "none", note="quarter end", until="2099-01-01T00:00:00Z")
    assert found == {"action": "pause", "changed": ["a", "c"], "same": ["b"], "unknown": ["none"]}
    shown = {one["id"]: one for one in good(await client.get("/api/schedules?paused=true"))["schedules"]}
    assert [shown[name]["pausedNote"] for name in "abc"] == ["quarter end", "ill", "quarter end"]
    assert (shown["a"]["version"], shown["a"]["resumeAt"]) == (2, "2099-01-01T00:00:00.000Z")
    entries = good(await client.get("/api/audit?noun=schedule&action=paused"))["entries"]
    assert sorted(one["name"] for one in entries) == ["a", "b", "c"]
    versions = good(await client.get("/api/schedules/c/versions"))["versions"]
    assert versions[0]["action"] == "paused" and "quarter end" in versions[0]["note"]
    assert await act(client, "resume", "a", "c") == {
        "action": "resume", "changed": ["a", "c"], "same": [], "unknown": [],
    }  # fmt: skip
    assert (await act(client, "resume", "a"))["same"] == ["a"]
    assert good(await client.get("/api/schedules?paused=true"))["total"] == 1
    for body, field in (
        ({"action": "pause", "ids": []}, "ids"),
        ({"action": "pause", "ids": ["a"] * 1001}, "ids"),
        ({"action": "pause", "ids": ["a"], "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"action": "resume", "ids": ["a"], "note": "why"}, "note"),
        ({"action": "stop", "ids": ["a"]}, "action"),
    ):
        assert problem(await client.post("/api/schedules/actions", json=body), 422)["field"] == field
    assert (await act(client, "resume", "x\0y", UNKNOWN_ID))["unknown"] == [UNKNOWN_ID, "x\0y"]


async def test_the_shadow_is_told_compared_and_ended(api: Api, client: httpx.AsyncClient) -> None:
    await put(client, "old-a", "old-b", shadow=True)
    await put(client, "live")
    assert good(await client.get("/api/schedules?shadow=true"))["total"] == 2
    assert good(await client.get("/api/schedules?shadow=false"))["total"] == 1
    forecast = good(await client.get("/api/forecast?hours=24"))
    assert {one["id"]: (one["shadow"], one["count"]) for one in forecast["schedules"]} == {
        "live": (False, 144), "old-a": (True, 144), "old-b": (True, 144),
    }  # fmt: skip
    assert (forecast["starts"], sum(one["starts"] for one in forecast["hours"])) == (144, 144)
    assert [one["starts"] for one in forecast["queues"]] == [144]
    assert not [one for one in forecast["clashes"] if one["kind"] == "together"]

    last = _now(api) // (10 * MINUTE) * 10 * MINUTE
    due = list(range(last - 180 * MINUTE, last + 1, 10 * MINUTE))
    for name in ("old-a", "old-b"):
        watched(api, name, due[0] - 600 * MINUTE, last)
    log = "name,time\n" + "".join(f"old-a,{_text(at + 2 * builders.SECOND)}\n" for at in due[1:])
    log += f"old-b,{_text(due[1])}\nold-b,{_text(due[1] + 5 * MINUTE)}\nother,{_text(due[2])}\n"
    window = {"from": _text(due[0]), "to": _text(due[-1] + MINUTE)}
    found = good(await client.post("/api/schedules/parity", json={"log": log, **window}))
    by_id = {one["id"]: one for one in found["schedules"]}
    assert (found["alike"], found["unknown"], set(by_id)) == (False, {"other": 1}, {"old-a", "old-b"})
    assert (by_id["old-a"]["matched"], by_id["old-a"]["extra"]) == (len(due) - 1, [_text(due[0])])
    assert by_id["old-b"]["missing"] == [_text(due[1] + 5 * MINUTE)]
    assert by_id["old-b"]["extraCount"] == len(due) - 1
    one = {"log": f"name,time\nold-a,{_text(due[0])}\n", "ids": ["old-a"]}
    found = good(await client.post("/api/schedules/parity", json=one))
    assert (found["alike"], [each["matched"] for each in found["schedules"]]) == (True, [1])

    for body, status, field in (
        ({"log": ""}, 422, "log"),
        ({"log": log, "ids": ["none"]}, 422, "ids"),
        ({"log": log, "tolerance": "soon"}, 422, "tolerance"),
        ({"log": log, "timezone": "Mars/Base"}, 422, None),
        ({"log": log, "from": "2030-01-01T00:00:00Z", "to": "2029-01-01T00:00:00Z"}, 422, "to"),
        ({"log": log, "ids": ["live"]}, 409, None),
    ):
        said = problem(await client.post("/api/schedules/parity", json=body), status)
        assert field is None or said["field"] == field, said

    assert (await act(client, "goLive", "old-a", "old-b", "live"))["changed"] == ["old-a", "old-b"]
    assert good(await client.get("/api/forecast?hours=24"))["starts"] == 3 * 144

    await put(client, "often", cron=None, every="1s", startAt="2026-01-01T00:00:00Z", shadow=True)

    watched(api, "often", begin := _now(api) - 6 * builders.DAY, _now(api))
    log = f"name,time\noften,{_text(begin)}\noften,{_text(_now(api))}\n"
    said = problem(await client.post("/api/schedules/parity", json={"log": log, "ids": ["often"]}), 422)
    assert (said["field"], said["hint"]) == ("from", "compare less time")


async def test_logs_are_compared_up_to_the_end_of_all_time(api: Api, client: httpx.AsyncClient) -> None:
    await put(client, "old-a", shadow=True)
    watched(api, "old-a", parse_instant("9999-12-31T23:40:00Z", ""), parse_instant("9999-12-31T23:50:00Z", ""))
    for tolerance in ("60s", "36000d"):
        log = "name,time\nold-a,0001-01-01T00:00:00Z\nold-a,9999-12-31T23:59:59.999999Z\n"
        body = {"log": log, "tolerance": tolerance}
        found = good(await client.post("/api/schedules/parity", json=body))
        assert (found["from"], found["to"]) == ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z")
        assert found["schedules"][0]["missing"][0] == "0001-01-01T00:00:00.000Z"
    times = ("Infinity", "-Infinity", "NaN", "1e300", "-1e300", "1" * 400, '"9999-12-31T23:59:59-01:00"')
    log = "".join(f'{{"name":"old-a","time":{time}}}\n' for time in ("1795230001", *times))
    found = good(await client.post("/api/schedules/parity", json={"log": log}))
    assert [one["line"] for one in found["refused"]] == list(range(2, len(times) + 2))


def watched(api: Api, name: str, first: int, last: int) -> None:
    """Let a schedule have observed all of its instants of a time."""
    seen = builders.occurrence(first, last, "skipped", schedule_id=name, reason="shadow: it only observes")
    api.db.run(lambda tx: occurrences.account(tx, [seen]))


def _now(api: Api) -> int:
    return api.db.read(lambda tx: tx.now())


def _text(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
