"""Workers, numbers, who asks."""

from __future__ import annotations

import asyncio

import httpx

from rota.store import meta
from tests.api.calls import Api, good, signed
from tests.store import builders


async def test_lists_processes(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db, lanes='{"command":2}', queues='["mail"]', types='["x"]', labels='["gpu"]')
    builders.register(api.db, role="scheduler", detail='{"loops":[]}')
    found = good(await client.get("/api/workers"))
    assert found["total"] == 2
    shown = next(one for one in found["workers"] if one["id"] == worker)
    assert (shown["role"], shown["state"], shown["queues"]) == ("worker", "running", ["mail"])
    assert (shown["jobTypes"], shown["labels"], shown["lanes"]) == (["x"], ["gpu"], {"command": 2})


async def test_gives_numbers(api: Api, client: httpx.AsyncClient) -> None:
    builders.register(api.db)
    builders.insert(api.db, builders.new_job(queue="a"), builders.new_job(queue="b", delay_us=builders.HOUR))
    builders.put(api.db)
    api.db.run(lambda tx: meta.raise_accounted_to(tx, 1_800_000_000_000_000))
    found = good(await client.get("/api/stats"))
    assert found["jobs"] == {"pending": 1, "scheduled": 1, "running": 0, "failed": 0}
    assert (found["queues"], found["schedules"], found["workers"], found["schedulers"]) == (2, 1, 1, 0)
    assert found["accountedTo"] == "2027-01-15T08:00:00.000Z"


async def test_every_answer_says_what_is_accounted_for(api: Api, client: httpx.AsyncClient) -> None:
    api.db.run(lambda tx: meta.raise_accounted_to(tx, 1_800_000_000_000_000))
    async with asyncio.timeout(10):
        while "rota-accounted-to" not in (await client.get("/live")).headers:
            await asyncio.sleep(0.01)
    for path in ("/api/me", "/api/nothing", "/live"):
        assert (await client.get(path)).headers["rota-accounted-to"] == "2027-01-15T08:00:00.000Z"


async def test_says_who_asks(small: Api) -> None:
    async with small.client(signed("viewer", sub="ann")) as ann:
        assert good(await ann.get("/api/me")) == {"subject": "ann", "role": "viewer", "source": "signed"}
