"""Both clients at a real server: the same answers, and exactly one job whatever is lost on the way."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from inspect import isawaitable
from typing import Any

import pytest

from rota.client import AsyncClient, Client
from rota.errors import Conflict, Forbidden, Invalid, NotFound, RotaError, Unauthorized
from rota.store.database import Database
from tests.api.calls import COMMAND, UNKNOWN_ID, settings_of, signed
from tests.api.live import Live
from tests.api.test_job_logs import write
from tests.store import builders
from tests.support.proxy import proxying
from tests.support.waiting import free_port

KINDS = pytest.mark.parametrize("kind", [Client, AsyncClient])
Anyhow = Client | AsyncClient


async def came(found: Any) -> Any:
    """What a call returned, awaited or walked through where it must be."""
    if isawaitable(found):
        return await found
    if isinstance(found, AsyncIterator):
        return [item async for item in found]
    return list(found) if isinstance(found, Iterator) else found


async def calling(client: Anyhow, name: str, *args: Any, **kwargs: Any) -> Any:
    """Make a call, as a program of that kind does: a thread may wait, a loop may not."""
    method: Callable[..., Any] = getattr(client, name)
    if isinstance(client, AsyncClient):
        return await came(method(*args, **kwargs))
    return await asyncio.to_thread(lambda: _whole(method(*args, **kwargs)))


def _whole(found: Any) -> Any:
    return list(found) if isinstance(found, Iterator) else found


def declare(live: Live) -> None:
    with live.client() as http:
        assert http.put("/api/job-types/hello", json={"target": COMMAND}).status_code in (200, 201)


@KINDS
async def test_calls_do_what_they_say(live: Live, lite: Database, kind: type[Anyhow]) -> None:
    declare(live)
    client = kind(live.url, signed("admin"))
    made = await calling(client, "enqueue", "hello", {"n": 1}, queue="mail", unique_key="once", priority=3)
    again = await calling(client, "enqueue", "hello", unique_key="once")
    assert (again["id"], again["existing"]) == (made["id"], True)
    many = await calling(
        client, "enqueue_many", [("hello", {"n": 2}), {"jobType": "hello"}, ("hello", None, {"delay": 60})]
    )
    triggered = await calling(client, "trigger", "hello", triggered_by="ann")
    listed = await calling(client, "jobs", type="hello")
    assert {job["id"] for job in listed} == {made["id"], triggered["id"], *(one["id"] for one in many)}
    job = await calling(client, "job", made["id"])
    assert (job["args"], job["queue"], job["priority"]) == ({"n": 1}, "mail", 3)
    assert (await calling(client, "job", many[2]["id"]))["status"] == "scheduled"
    with pytest.raises(TimeoutError, match="is still pending"):
        await calling(client, "wait", made["id"], timeout_s=0.01)
    await calling(client, "cancel", made["id"])
    assert (await calling(client, "wait", made["id"], timeout_s=5))["status"] == "cancelled"
    assert (await calling(client, "enqueue", "hello", wait_s=0.01))["status"] == "pending"
    await calling(client, "put_schedule", "nightly", {"jobType": "hello", "cron": "0 0 * * *"})
    assert [one["id"] for one in await calling(client, "schedules")] == ["nightly"]
    assert [one["name"] for one in await calling(client, "queues")] == ["default", "mail"]
    assert (await calling(client, "me"))["role"] == "admin"
    assert (await calling(client, "health"))["service"] == "rota"
    await calling(client, "close")


@KINDS
@pytest.mark.parametrize(
    ("call", "kwargs", "error", "text"),
    [
        (("job", UNKNOWN_ID), {}, NotFound, "there is no job"),
        (("enqueue", "unheard"), {}, Invalid, "unheard"),
        (("enqueue", {"jobtype": "hello"}), {}, Invalid, "jobtype"),
        (("jobs",), {"limit": 1, "nonsense": 1}, Invalid, "nonsense"),
    ],
)
async def test_a_refusal_is_the_same_error(
    live: Live, kind: type[Anyhow], call: tuple[Any, ...], kwargs: dict[str, Any], error: type[RotaError], text: str
) -> None:
    declare(live)
    client = kind(live.url, signed("admin"))
    with pytest.raises(error) as caught:
        await calling(client, *call, **kwargs)
    assert text in str(caught.value)
    await calling(client, "close")


@KINDS
async def test_what_has_ended_is_a_conflict(live: Live, kind: type[Anyhow]) -> None:
    declare(live)
    client = kind(live.url, signed("admin"))
    job_id = (await calling(client, "enqueue", "hello"))["id"]
    await calling(client, "cancel", job_id)
    with pytest.raises(Conflict, match="cancelled"):
        await calling(client, "cancel", job_id)
    await calling(client, "close")


@KINDS
async def test_who_may_not_is_told_so(live: Live, kind: type[Anyhow]) -> None:
    for token, error in ((None, Unauthorized), ("nonsense", Unauthorized), (signed("viewer"), Forbidden)):
        client = kind(live.url, token)
        with pytest.raises(error):
            await calling(client, "pause_schedule", "nightly")
        await calling(client, "close")


@KINDS
@pytest.mark.parametrize("call", [("enqueue", "hello"), ("enqueue_many", ["hello"]), ("trigger", "hello")])
async def test_an_answer_that_is_lost_makes_no_second_job(
    live: Live, lite: Database, kind: type[Anyhow], call: tuple[Any, ...]
) -> None:
    declare(live)
    with proxying(live.port) as between:
        client = kind(f"http://127.0.0.1:{between.port}", signed("admin"), patience_s=30)
        await calling(client, "me")
        between.lose(b"POST /api/jobs")
        answer = await calling(client, *call)
        made = answer[0] if isinstance(answer, list) else answer
        assert between.lost == 1
        assert builders.column(lite, "id", "rota_jobs") == [made["id"]]
        await calling(client, "close")


@KINDS
async def test_a_service_that_is_started_again_is_waited_for(
    lite: Database, sqlite_url: str, kind: type[Anyhow]
) -> None:
    settings = settings_of(sqlite_url, ROTA_PORT=str(free_port()))
    with Live(lite, settings) as first:
        declare(first)
        client = kind(first.url, signed("admin"), patience_s=60)
        await calling(client, "me")
    refused = threading.Event()
    client.http.event_hooks = {"request": [_noting(refused, kind)]}
    asked = asyncio.create_task(calling(client, "enqueue", "hello"))
    assert await asyncio.to_thread(refused.wait, 10)  # nobody was there
    with Live(lite, settings):
        made = await asked
        assert builders.column(lite, "id", "rota_jobs") == [made["id"]]
        await calling(client, "close")


def _noting(sent: threading.Event, kind: type[Anyhow]) -> Callable[[Any], Any]:
    def note(request: Any) -> None:
        sent.set()

    async def note_later(request: Any) -> None:
        sent.set()

    return note if kind is Client else note_later


@KINDS
async def test_a_log_is_followed_over_a_restart(lite: Database, sqlite_url: str, kind: type[Anyhow]) -> None:
    settings = settings_of(sqlite_url, ROTA_PORT=str(free_port()))
    claimed = builders.run_one(lite, worker := builders.register(lite))
    job_id, seen, first_came = claimed.call.job_id, [], threading.Event()

    def take(line: Any) -> None:
        seen.append(line["text"])
        first_came.set()

    async def follow(client: Anyhow) -> None:
        if isinstance(client, AsyncClient):
            async for line in client.follow_logs(job_id):
                take(line)
        else:
            await asyncio.to_thread(lambda: deque(map(take, client.follow_logs(job_id)), maxlen=0))

    write(lite, job_id, 1, "one", "two")
    with Live(lite, settings) as first:
        client = kind(first.url, signed("admin"))
        following = asyncio.create_task(follow(client))
        assert await asyncio.to_thread(first_came.wait, 10)
    write(lite, job_id, 3, "three \u2028 end")
    builders.end(lite, worker, claimed, log_lines=3)
    with Live(lite, settings):
        await asyncio.wait_for(following, 30)
        assert seen == ["one", "two", "three \u2028 end"]
        await calling(client, "close")
