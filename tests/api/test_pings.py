"""Pings: everything that they may say, from anybody who has the key, and nothing for anybody else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import httpx
import pytest

from rota.actions.pings import hash_of
from rota.api import pinging
from rota.api.pinging import Buckets
from rota.api.pings import KEPT_BYTES
from rota.sealing import new_key
from rota.store import checks
from rota.store.database import Database
from tests.api.calls import SECRET, Api, good, problem, settings_of
from tests.api.live import Live
from tests.support.waiting import wait_until


async def made(client: httpx.AsyncClient, check_id: str = "backup", **fields: object) -> str:
    """A check; its key."""
    return str(good(await client.put(f"/api/checks/{check_id}", json=fields or {"every": "1d"}))["key"])


async def history(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """What was told, the first first."""
    return list(reversed(good(await client.get("/api/checks/backup/pings"))["pings"]))


async def ok(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.text) == (200, "OK\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "rota-accounted-to" not in answer.headers
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_what_can_be_told(api: Api, client: httpx.AsyncClient) -> None:
    key = await made(client)
    async with api.client(None) as anybody:
        await ok(await anybody.get(f"/ping/{key}/start?rid=a&utm=what+else"))
        await ok(await anybody.post(f"/ping/{key}/0?rid=a", content="all is well"))
        assert (await anybody.head(f"/ping/{key}")).status_code == 200
        await ok(await anybody.get(f"/ping/{key}/255?ms=1500"))
        await ok(await anybody.post(f"/ping/{key}/fail", json={"why": "disk full"}))
        await ok(await anybody.post(f"/ping/{key}/log", content=b"\xff\x00 odd", headers={"Content-Type": "x/y"}))
        await ok(await anybody.post(f"/ping/{key}", content=b""))
    found = await history(client)
    said = [(one["kind"], one["exitCode"], one["rid"], one["body"]) for one in found]
    assert said == [
        ("start", None, "a", None),
        ("success", 0, "a", "all is well"),
        ("success", None, None, None),
        ("fail", 255, None, None),
        ("fail", None, None, '{"why":"disk full"}'),
        ("log", None, None, "\ufffd\ufffd odd"),
        ("success", None, None, None),
    ]
    assert found[1]["durationMs"] is not None and found[3]["durationMs"] == 1500
    assert {one["source"] for one in found} == {"127.0.0.1"}
    shown = good(await client.get("/api/checks/backup"))
    assert (shown["status"], shown["pings"], shown["failures"]) == ("up", 7, 0)
    page = good(await client.get("/api/checks/backup/pings?kind=fail&limit=1"))
    assert (page["pings"][0]["n"], page["total"]) == (5, 2)
    rest = good(await client.get(f"/api/checks/backup/pings?kind=fail&limit=1&cursor={page['nextCursor']}"))
    assert (rest["pings"][0]["n"], rest["nextCursor"]) == (4, None)


@pytest.mark.parametrize(
    ("path", "field"),
    [("/256", "what"), ("/-1", "what"), ("/00", "what"), ("/START", "what"), ("/%00", "what"), ("/1e2", "what"),
     ("/\u0661", "what"), ("?rid=", "rid"), ("?rid=a&rid=b", "rid"), (f"?rid={'x' * 65}", "rid"), ("?rid=%00", "rid"),
     ("?rid=a%20b", "rid"), ("?ms=-1", "ms"), ("?ms=1.5", "ms"), (f"?ms={'9' * 13}", "ms")],
)  # fmt: skip
async def test_what_is_not_understood_is_named(admin: httpx.AsyncClient, path: str, field: str) -> None:
    key = await made(admin)
    answer = await admin.get(f"/ping/{key}{path}")
    if path == "/%00":
        problem(answer, 404)
    else:
        assert problem(answer, 422)["field"] == field
    assert await history(admin) == []


async def test_a_key_that_is_none_learns_nothing(small: Api, admin: httpx.AsyncClient) -> None:
    key = await made(admin)
    other = key[:-1] + ("0" if key[-1] != "0" else "1")
    async with small.client(None) as anybody:
        answers = [await anybody.get(f"/ping/{one}") for one in (other, "x", key.upper(), f"{key}0", "%00", "é")]
        assert {(one.status_code, one.text) for one in answers} == {(404, answers[0].text)}
        assert key not in answers[0].text and "backup" not in answers[0].text
        assert (await anybody.put(f"/ping/{key}")).status_code == 405
        assert (await anybody.get("/ping/")).status_code in (401, 404)
        bad = await anybody.get(f"/ping/{key}", headers={"Authorization": "Bearer wrong", "Cookie": "rota_session=x"})
        await ok(bad)


async def test_a_long_body_is_cut_and_its_secrets_are_hidden(lite: Database, sqlite_url: str) -> None:
    api = Api(lite, settings_of(sqlite_url, ROTA_SECRET_KEY=new_key(), ROTA_LIMIT_BODY="20KiB"))
    async with api.client() as client:
        good(await client.put("/api/secrets/stripe", json={"value": "sk_live_4711"}))
        key = await made(client)
        text = f"{SECRET} curl {key} with sk_live_4711 "
        await ok(await client.post(f"/ping/{key}/log", content=text + "x" * 300_000))
        await ok(await client.post(f"/ping/{key}/log", content="é" * KEPT_BYTES + SECRET))
        first, second = (one["body"] for one in await history(client))
        assert first.startswith("*** curl *** with *** xxx") and first.endswith("x\n… [the rest is left out]")
        assert KEPT_BYTES - 100 < len(first) < KEPT_BYTES + 50
        assert SECRET[:10] not in second and second.count("é") == KEPT_BYTES // 2
    api.close()


async def test_many_at_once_are_all_there(api: Api, client: httpx.AsyncClient) -> None:
    keys = [await made(client, f"c{n}") for n in range(25)]
    async with api.client(None) as anybody:
        answers = await asyncio.gather(*(anybody.get(f"/ping/{key}/{n}") for key in keys for n in (1, 0)))
    assert {one.status_code for one in answers} == {200}
    assert [one["pings"] for one in good(await client.get("/api/checks"))["checks"]] == [2] * 25


async def test_one_key_is_bounded_and_another_is_not(small: Api, admin: httpx.AsyncClient, clock: list[float]) -> None:
    key, other = await made(admin), await made(admin, "other")
    answers = [await admin.get(f"/ping/{key}") for _ in range(61)]
    assert [one.status_code for one in answers] == [200] * 60 + [429]
    assert problem(answers[-1], 429)["code"] == "too-many-pings"
    assert answers[-1].headers["retry-after"] == "1"
    await ok(await admin.get(f"/ping/{other}"))
    clock[0] += 1
    assert [(await admin.get(f"/ping/{key}")).status_code for _ in range(6)] == [200] * 5 + [429]


async def test_who_tries_many_keys_is_not_looked_for(small: Api, admin: httpx.AsyncClient, clock: list[float]) -> None:
    key = await made(admin)
    await ok(await admin.get(f"/ping/{key}"))
    codes = [(await admin.get(f"/ping/{n:032x}")).status_code for n in range(31)]
    assert codes == [404] * 30 + [429]
    await ok(await admin.get(f"/ping/{key}"))  # whoever pings rightly from there goes on
    clock[0] += 2
    assert (await admin.get(f"/ping/{31:032x}")).status_code == 404


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, small: Api) -> list[float]:
    """The clock of the bounds, which stands still."""
    now = [1000.0]
    service = small.app.state.service.pinging
    for name, bounds in (("_of_key", pinging.OF_KEY), ("_of_stranger", pinging.OF_STRANGER)):
        monkeypatch.setattr(service, name, Buckets(*bounds, clock=lambda: now[0]))
    return now


def test_the_memory_of_bounds_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinging, "MOST_BUCKETS", 100)
    buckets = Buckets(2, 1.0, clock=lambda: 5.0)
    for n in range(1000):
        buckets.take(str(n))
    assert len(buckets) == 100
    assert (buckets.retry_after("999"), buckets.retry_after("0")) == (0, 0)
    buckets.take("999")
    assert buckets.retry_after("999") == 1


async def test_a_new_key_holds_at_once_in_every_process(lite: Database, sqlite_url: str, small: Api) -> None:
    other = Api(lite, settings_of(sqlite_url))
    async with small.client() as here, other.client() as there:
        key = await made(here)
        await ok(await there.get(f"/ping/{key}"))
        fresh = good(await here.post("/api/checks/backup/key", json={}))["key"]
        problem(await there.get(f"/ping/{key}"), 404)
        await ok(await there.get(f"/ping/{fresh}"))
    other.close()


async def test_without_the_database_it_says_when_to_come_again(small: Api, admin: httpx.AsyncClient) -> None:
    key = await made(admin)
    await ok(await admin.get(f"/ping/{key}"))
    small.app.state.service.writer.close()
    answer = await admin.get(f"/ping/{key}")
    assert problem(answer, 503)["code"] == "database-unavailable"
    assert problem(answer, 503)["detail"] == "the database cannot be reached", "and not where it is"
    assert answer.headers["retry-after"] == "2"


async def test_a_key_is_never_logged(
    small: Api, admin: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(admin)
    async with small.client(None) as anybody:
        refused = await anybody.get(f"/ping/{key}", headers={"Host": "evil.example.org"})
        assert refused.status_code == 403
        await ok(await anybody.get(f"/ping/{key}"))

        async def broken(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(small.app.state.service.pinging, "take", broken)
        assert (await anybody.get(f"/ping/{key}")).status_code == 500
    assert "request/failed" in caplog.text and "auth/refused" in caplog.text
    assert key not in caplog.text and key not in refused.text


def test_a_body_that_never_ends_does_not_hold_the_ping_up(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.api.bodies.DRAIN_S", 0.1)
    with live.client() as client:
        key = good(client.put("/api/checks/backup", json={"every": "1d"}))["key"]
    released = threading.Event()

    def slowly() -> Any:
        yield b"x" * (KEPT_BYTES + 5000)
        released.wait(20)

    def send() -> None:
        with live.client(None) as anybody, contextlib.suppress(httpx.HTTPError):
            anybody.post(f"/ping/{key}", content=slowly())

    sending = threading.Thread(target=send)
    sending.start()

    def pings() -> int:
        return live.db.read(lambda tx: checks.by_keys(tx, [hash_of(key)]))[hash_of(key)].pings

    wait_until(lambda: pings() == 1, 15, "the ping to be stored")
    released.set()
    sending.join()
