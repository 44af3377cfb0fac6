"""Channels over REST: how they do, a test of them, and what they were told; never an address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from rota.engine.notifier import Notifier
from rota.ids import new_id
from rota.model import Notice
from rota.settings import Settings
from rota.store import channels, notices
from tests.api.calls import Api, good, problem, settings_of
from tests.support.target import Answer, TargetServer

TOKEN = "secret-of-the-hook-4711"


@pytest.fixture
def settings(database_url: str, target_server: TargetServer) -> Settings:
    port = target_server.port
    urls = f"json://127.0.0.1:{port}/{TOKEN}?rota_name=ops json://127.0.0.1:{port}/b{TOKEN}?rota_min=error"
    return settings_of(database_url, ROTA_NOTIFY_URLS=urls, ROTA_PUBLIC_URL="https://rota.example.org/r")


@pytest.fixture
def notifier(api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notifier]:
    """What a process of any role runs."""
    monkeypatch.setattr("rota.engine.notifier.POLL_S", 0.1)
    found = Notifier(api.db, settings)
    found.run_once()
    found.start()
    yield found
    found.stop()


@pytest_asyncio.fixture
async def operator(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with api.as_role("operator") as client:
        yield client


async def test_a_test_goes_through_every_channel_and_is_remembered(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, notifier: Notifier, target_server: TargetServer
) -> None:
    target_server.answer(f"/b{TOKEN}", Answer(500))
    tested = await operator.post("/api/channels/test", json={})
    found = good(tested)
    assert found["ok"] is False
    first, second = found["deliveries"]
    assert (first["channel"], first["state"], first["error"]) == ("ops", "sent", None)
    assert (second["channel"], second["state"]) == ("webhook #2", "failed") and "error=500" in second["error"]
    [sent] = target_server.requests_to(f"/{TOKEN}")
    assert sent.json()["message"] == "Sent by ann.\nhttps://rota.example.org/r/"

    listed = await client.get("/api/channels")
    ops, other = good(listed)["channels"]
    assert (ops["kind"], ops["least"], ops["state"], ops["failures"]) == ("webhook", "warning", "working", 0)
    assert (other["least"], other["state"], other["failures"]) == ("error", "failing", 1)
    problems = await client.get("/api/problems")
    told = await client.get("/api/notices", params={"kind": "test", "state": "failed"})
    [notice] = good(told)["notices"]
    assert (notice["id"], notice["link"]) == (found["id"], "https://rota.example.org/r/")
    audit = await client.get("/api/audit", params={"noun": "channel"})
    [entry] = good(audit)["entries"]
    assert (entry["action"], entry["name"], entry["actor"]) == ("tested", "all", "ann")
    for answer in (tested, listed, problems, told, audit):
        assert TOKEN not in answer.text
    assert "The channel webhook #2 takes no messages" in problems.text

    one = good(await operator.post("/api/channels/ops/test", json={}))
    assert (one["ok"], [each["channel"] for each in one["deliveries"]]) == (True, ["ops"])


async def test_a_test_that_nobody_sends_has_failed_and_is_not_sent_later(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.api.channels.TEST_WAIT_S", 0.1)
    api.db.run(lambda tx: channels.announce(tx, [("ops", "slack", "warning")], tx.now()))
    [one] = good(await client.post("/api/channels/test", json={}))["deliveries"]
    assert (one["state"], one["error"].partition(":")[0]) == ("failed", "no process sent it in time")
    assert api.db.read(lambda tx: channels.due(tx, ["ops"], tx.now())) == []


async def test_what_cannot_be_tested(api: Api, client: httpx.AsyncClient) -> None:
    assert problem(await client.post("/api/channels/test", json={}), 409)["hint"].startswith("set ROTA_NOTIFY_URLS")
    api.db.run(lambda tx: channels.announce(tx, [("ops", "slack", "warning")], tx.now()))
    assert problem(await client.post("/api/channels/none/test", json={}), 404)["hint"] == "known: ops"
    async with api.as_role("viewer") as viewer:
        problem(await viewer.post("/api/channels/test", json={}), 403)
        [one] = good(await viewer.get("/api/channels"))["channels"]
    assert (one["name"], one["state"], one["waiting"]) == ("ops", "unproven", 0)


async def test_notices_are_listed_page_by_page(api: Api, client: httpx.AsyncClient) -> None:
    made = [Notice(new_id(), "opened", "error", f"N{number}", "", "/", (new_id(),)) for number in range(3)]
    for each in made:
        api.db.run(lambda tx, each=each: notices.add(tx, each))  # type: ignore[misc]
    first = good(await client.get("/api/notices", params={"limit": 2}))
    assert [one["title"] for one in first["notices"]] == ["N2", "N1"]
    assert (first["total"], first["notices"][0]["alertIds"]) == (3, list(made[2].alert_ids))
    second = good(await client.get("/api/notices", params={"limit": 2, "cursor": first["nextCursor"]}))
    assert [one["title"] for one in second["notices"]] == ["N0"] and second["nextCursor"] is None
    assert good(await client.get("/api/notices", params={"severity": "warning"}))["notices"] == []
    for wrong in ({"severity": "x"}, {"kind": "x"}, {"since": "x"}, {"cursor": "x"}):
        problem(await client.get("/api/notices", params=wrong), 422)
