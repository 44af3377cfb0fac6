"""Monitors and alerts over REST: what there is, what people say, who may."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.actions.specs import Caller, PauseIn
from rota.api.tracker import Tracker
from rota.ids import new_id
from rota.insight import monitor_edits
from rota.store import alerts, news, schedules
from rota.store.alerts import Alert
from rota.store.database import Database
from tests.api.calls import Api, good, problem, signed
from tests.store import builders
from tests.store.builders import SECOND

SYSTEM = 5
OF_SCHEDULE = 7


def alert(db: Database, monitor: str, *, ago: int = 60, **given: Any) -> str:
    """An incident; its id."""
    kind, subject_kind, subject = monitor.split(":", 2)
    now = db.read(lambda tx: tx.now())
    fields: dict[str, Any] = {
        "id": new_id(), "monitor_id": monitor, "kind": kind, "severity": "error", "subject_kind": subject_kind,
        "subject_id": subject, "text": f"{subject} is ill.", "since_at": now - ago * SECOND, "opened_at": now,
        "seen_at": now,
    }  # fmt: skip
    found = Alert(**{**fields, **given})
    db.run(lambda tx: alerts.add(tx, [found]))
    return found.id


def make(db: Database, *names: str) -> None:
    db.run(lambda tx: schedules.insert(tx, [builders.new_schedule(name, next_at=None) for name in names]))


async def ids(client: httpx.AsyncClient, query: str = "") -> list[str]:
    return [one["id"] for one in good(await client.get(f"/api/monitors{query}"))["monitors"]]


async def test_there_is_one_for_each_thing_that_can_go_wrong(api: Api, client: httpx.AsyncClient) -> None:
    make(api.db, "digest", "nightly")
    await client.patch("/api/queues/mail", json={"concurrency": 5})
    every = await ids(client)
    assert every[0] == "no-scheduler:system:scheduler"
    assert {"backlog:queue:mail", "no-worker:queue:mail", "failing:schedule:digest", "late:schedule:nightly"} < set(
        every
    )
    assert sum(":schedule:" in one for one in every) == 2 * OF_SCHEDULE
    assert await ids(client, "?kind=late") == ["late:schedule:digest", "late:schedule:nightly"]
    assert await ids(client, "?subject=queue&q=ail&kind=backlog") == ["backlog:queue:mail"]
    assert await ids(client, "?q=DIG&kind=silent") == ["silent:schedule:digest"]


async def test_pages_meet_without_a_gap(api: Api, client: httpx.AsyncClient) -> None:
    make(api.db, *(f"s{number}" for number in range(5)))
    whole = good(await client.get("/api/monitors?limit=200"))
    assert whole["total"] == len(whole["monitors"]) == SYSTEM + 5 * OF_SCHEDULE
    found: list[str] = []
    cursor = ""
    while True:
        page = good(await client.get(f"/api/monitors?limit=4{cursor}"))
        found += [one["id"] for one in page["monitors"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == [one["id"] for one in whole["monitors"]]
    assert await ids(client, "?limit=4&page=3") == found[8:12]
    assert problem(await client.get("/api/monitors?cursor=x"), 422)["field"] == "cursor"


async def test_what_is_said_holds_and_can_be_taken_back(api: Api, client: httpx.AsyncClient) -> None:
    make(api.db, "digest")
    path = "/api/monitors/failing:schedule:digest"
    said = {
        "count": 5, "grace": "1m", "realert": "never", "note": "it is flaky", "dependsOn": ["backlog:queue:mail"],
        "quietHours": {"timezone": "Europe/Paris", "from": "22:00", "to": "07:00", "days": ["sat"]},
    }  # fmt: skip
    found = good(await client.put(path, json=said))
    assert (found["count"], found["grace"], found["realert"], found["version"]) == (5, "1m", "never", 1)
    assert found["quietHours"] == {"timezone": "Europe/Paris", "from": "22:00", "to": "07:00", "days": ["SAT"]}
    assert {name: value for name, value in found["said"].items() if value is not None} == {
        **said, "quietHours": found["quietHours"]
    }  # fmt: skip
    again = good(await client.put(path, json={name: v for name, v in found["said"].items() if v is not None}))
    assert again["version"] == 1, "the same again is nothing new"
    assert await ids(client, "?state=changed") == ["failing:schedule:digest"]
    assert good(await client.put(path, json={"enabled": False}))["state"] == "off"
    assert await ids(client, "?state=off") == ["failing:schedule:digest"]
    assert (await client.delete(path)).status_code == 204
    found = good(await client.get(path))
    assert (found["count"], found["realert"], found["said"], found["state"]) == (3, "4h", None, "ok")


async def test_what_is_said_of_all_holds_where_nothing_is_said(api: Api, client: httpx.AsyncClient) -> None:
    make(api.db, "digest", "nightly")
    good(await client.put("/api/monitors/late:schedule:*", json={"limit": "10m", "realert": "1h"}))
    good(await client.put("/api/monitors/late:schedule:digest", json={"limit": "2m"}))
    found = {
        one["id"]: (one["limit"], one["realert"])
        for one in good(await client.get("/api/monitors?kind=late"))["monitors"]
    }
    assert found == {
        "late:schedule:*": ("10m", "1h"), "late:schedule:digest": ("2m", "1h"), "late:schedule:nightly": ("10m", "1h")
    }  # fmt: skip


async def test_mutes(api: Api, client: httpx.AsyncClient) -> None:
    make(api.db, "digest")
    path = "/api/monitors/late:schedule:digest"
    found = good(await client.post(f"{path}/mute", json={"note": "it moves", "until": "2999-01-01T00:00:00Z"}))
    assert (found["mute"]["note"], found["mute"]["until"]) == ("it moves", "2999-01-01T00:00:00.000Z")
    good(await client.put(path, json={"limit": "1m"}))
    assert good(await client.get(path))["mute"] is not None
    assert await ids(client, "?state=muted") == ["late:schedule:digest"]
    assert good(await client.post(f"{path}/unmute"))["mute"] is None
    assert good(await client.get(path))["limit"] == "1m"
    assert problem(await client.post(f"{path}/mute", json={"until": "2020-01-01T00:00:00Z"}), 422)["field"] == "until"
    good(await client.post("/api/monitors/*:*:*/mute"))
    assert good(await client.get(path))["mute"]["monitor"] == "*:*:*"


@pytest.mark.parametrize(
    ("monitor", "body", "field"),
    [
        ("failing:schedule:digest", {"limit": "1m"}, "limit"),
        ("failing:schedule:digest", {"count": 0}, "count"),
        ("failing:schedule:digest", {"count": 21}, "count"),
        ("late:schedule:digest", {"count": 1}, "count"),
        ("late:schedule:digest", {"limit": "1ms"}, "limit"),
        ("late:schedule:digest", {"limit": "soon"}, "limit"),
        ("late:schedule:digest", {"grace": "8d"}, "grace"),
        ("late:schedule:digest", {"realert": "1s"}, "realert"),
        ("late:schedule:digest", {"dependsOn": ["nothing"]}, "dependsOn.0"),
        ("late:schedule:digest", {"dependsOn": ["backlog:queue:*"]}, "dependsOn.0"),
        ("late:schedule:digest", {"dependsOn": ["late:schedule:digest"]}, "dependsOn.0"),
        ("late:schedule:*", {"dependsOn": ["backlog:queue:mail"]}, "dependsOn"),
        ("*:*:*", {"limit": "1m"}, "limit"),
        ("late:schedule:digest", {"quietHours": {"from": "25:00", "to": "07:00"}}, "quietHours.from"),
        ("late:schedule:digest", {"quietHours": {"from": "22:00"}}, "quietHours.to"),
        ("late:schedule:digest", {"quietHours": {"from": "22:00", "to": "7", "timezone": "x"}}, "quietHours.timezone"),
        ("late:schedule:digest", {"nonsense": 1}, "nonsense"),
        ("late:schedule:digest", {"note": "x" * 1001}, "note"),
        ("late:schedule:digest", {"enabled": 1}, "enabled"),
    ],
)
async def test_refuses_with_the_field(
    small: Api, admin: httpx.AsyncClient, monitor: str, body: dict[str, Any], field: str
) -> None:
    make(small.db, "digest")
    assert problem(await admin.put(f"/api/monitors/{monitor}", json=body), 422)["field"] == field


@pytest.mark.parametrize(
    "name", ["nothing", "late", "late:schedule", "late:schedule:", "late:queue:mail", "late:schedule:gone", "x:y:z",
             "lost:system:moon", "*:schedule:*", "check:check:none", "too-long:type:a~b"],
)  # fmt: skip
async def test_what_is_not_there_is_not_found(admin: httpx.AsyncClient, name: str) -> None:
    for method, path in (("GET", ""), ("PUT", ""), ("POST", "/mute"), ("POST", "/accept")):
        problem(await admin.request(method, f"/api/monitors/{name}{path}", json={}), 404)


async def test_a_type_with_a_slash(admin: httpx.AsyncClient) -> None:
    await admin.put("/api/job-types/reports/daily", json={"target": {"kind": "command", "command": ["true"]}})
    path = "/api/monitors/too-long:type:reports~daily"
    assert good(await admin.put(path, json={"limit": "5m"}))["limit"] == "5m"
    assert good(await admin.post(f"{path}/mute"))["mute"]["monitor"] == "too-long:type:reports~daily"


async def test_who_may(small: Api) -> None:
    make(small.db, "digest")
    path = "/api/monitors/late:schedule:digest"
    async with small.client(signed("viewer")) as viewer, small.client(signed("operator")) as operator:
        good(await viewer.get("/api/monitors"))
        good(await viewer.get("/api/alerts"))
        for method, place in (("PUT", ""), ("DELETE", ""), ("POST", "/mute"), ("POST", "/unmute"), ("POST", "/accept")):
            problem(await viewer.request(method, f"{path}{place}", json={}), 403)
        assert good(await operator.post(f"{path}/mute", json={}))["mute"]["by"] == "ann"
        good(await operator.put(path, json={"limit": "2m"}))


async def test_proposals(api: Api, client: httpx.AsyncClient) -> None:
    make(api.db, "digest")
    for place in range(6):
        builders.insert_one(api.db, origin="schedule", schedule_id="digest", scheduled_for=place)
    sql = "UPDATE rota_jobs SET status = 'completed', started_at = run_at, completed_at = run_at + 40000000"
    builders.execute(api.db, sql)
    (one,) = good(await client.get("/api/monitors/proposals"))["proposals"]
    assert one == {
        "monitorId": "too-long:schedule:digest", "limit": "2m", "runs": 6,
        "text": "19 of 20 runs took up to 40s: tell when one goes on for longer than 2m.",
    }  # fmt: skip
    assert good(await client.post("/api/monitors/too-long:schedule:digest/accept"))["limit"] == "2m"
    assert good(await client.get("/api/monitors/proposals"))["proposals"] == []
    problem(await client.post("/api/monitors/too-long:schedule:digest/accept"), 409)


async def test_alerts(api: Api, client: httpx.AsyncClient) -> None:
    make(api.db, "digest")
    now = api.db.read(lambda tx: tx.now())
    first = alert(api.db, "late:schedule:digest", closed_at=now, told_at=now, tellings=1)
    second = alert(api.db, "late:schedule:digest", held_by="muted")
    third = alert(api.db, "backlog:queue:mail", severity="warning")

    async def found(query: str = "") -> list[str]:
        return [one["id"] for one in good(await client.get(f"/api/alerts{query}"))["alerts"]]

    assert await found() == [third, second, first]
    assert await found("?open=true") == [third, second]
    assert await found("?open=false") == [first]
    assert await found("?monitor=late:schedule:digest&limit=1") == [second]
    assert await found("?severity=warning") == await found("?kind=backlog") == await found("?subject=queue") == [third]
    assert await found("?subject=schedule:digest") == [second, first]
    assert await found("?since=2999-01-01T00:00:00Z") == []
    page = good(await client.get("/api/alerts?limit=2"))
    assert (page["total"], page["nextCursor"]) == (3, second)
    assert await found(f"?limit=2&cursor={second}") == [first]
    assert good(await client.get(f"/api/alerts/{second}"))["heldBy"] == "muted"
    problem(await client.get("/api/alerts/x"), 404)
    problem(await client.get(f"/api/alerts/{new_id()}"), 404)
    states = {one["id"]: one["state"] for one in good(await client.get("/api/monitors?state=held"))["monitors"]}
    assert states == {"late:schedule:digest": "held"}
    assert await ids(client, "?state=open") == ["backlog:queue:mail"]


def test_what_changes_is_told_to_who_listens(lite: Database) -> None:
    make(lite, "digest")
    tracker = Tracker()

    def seen() -> list[str]:
        return tracker.see(lite.read(lambda tx: news.look(tx, tx.now() - 60 * SECOND))).monitors

    assert seen() == []
    alert(lite, "late:schedule:digest")
    assert (seen(), seen()) == (["late:schedule:digest"], [])
    for change in ("held_by = 'muted'", "closed_at = opened_at"):
        builders.execute(lite, f"UPDATE rota_alerts SET {change}")
        assert seen() == ["late:schedule:digest"]
    lite.run(lambda tx: monitor_edits.mute(tx, "*:*:*", PauseIn(), Caller("ann")))
    assert (seen(), seen()) == (["*:*:*"], [])
