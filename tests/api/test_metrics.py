"""Numbers for Prometheus."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from rota.insight import metrics
from rota.insight.metrics import text_of
from rota.store import meta
from rota.store.database import Database
from rota.store.vitals import Gauges
from tests.api.calls import Api, bearer, problem, settings_of, signed
from tests.store import builders

LINE = re.compile(r'rota_\w+(?:\{status="\w+",queue="(?:[^"\\\n]|\\.)*"\})? [0-9.e+-]+')


@pytest_asyncio.fixture
async def public(lite: Database, sqlite_url: str) -> AsyncIterator[Api]:
    """The API where the settings open the numbers to everybody."""
    api = Api(lite, settings_of(sqlite_url, ROTA_METRICS_PUBLIC="true"))
    yield api
    api.close()


def numbers(answer: httpx.Response) -> dict[str, float]:
    """Each sample by its name and labels."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for line in answer.text.splitlines():
        if not line.startswith("# "):
            assert LINE.fullmatch(line), line
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


async def test_tells_the_state_of_the_system(api: Api, client: httpx.AsyncClient) -> None:
    builders.register(api.db, role="scheduler")
    builders.register(api.db)
    builders.end_lease(api.db, builders.register(api.db))
    builders.put(api.db, "due")
    builders.put(api.db, "later", next_at=1 << 60)
    builders.insert(api.db, builders.new_job(queue="mail"), builders.new_job(queue="mail", delay_us=builders.HOUR))
    at = api.db.read(lambda tx: tx.now()) - 3 * builders.SECOND
    api.db.run(lambda tx: meta.raise_accounted_to(tx, at))
    found = numbers(await client.get("/metrics"))
    assert found.pop("rota_accounted_to_lag_seconds") == pytest.approx(3, abs=2.9)
    assert found == {
        "rota_accounted_to_timestamp_seconds": at / 1e6,
        "rota_schedules_due": 1,
        "rota_schedulers_alive": 1,
        "rota_workers_alive": 1,
        'rota_jobs{status="pending",queue="mail"}': 1,
        'rota_jobs{status="scheduled",queue="mail"}': 1,
        'rota_jobs{status="running",queue="mail"}': 0,
        'rota_jobs{status="failed",queue="mail"}': 0,
    }


async def test_every_replica_tells_the_same(lite: Database, sqlite_url: str) -> None:
    lite.run(lambda tx: meta.raise_accounted_to(tx, tx.now()))
    told = []
    for _ in range(2):
        api = Api(lite, settings_of(sqlite_url))
        async with api.client() as client:
            told.append(numbers(await client.get("/metrics"))["rota_accounted_to_timestamp_seconds"])
        api.close()
    assert told[0] == told[1]


async def test_needs_a_token(small: Api) -> None:
    async with small.client(None) as client:
        problem(await client.get("/metrics"), 401)
        problem(await client.get("/metrics", headers=bearer(signed("king"))), 403)
        assert (await client.get("/metrics", headers=bearer(signed("viewer")))).status_code == 200


async def test_needs_none_where_the_settings_say_so(public: Api) -> None:
    async with public.client(None) as client:
        assert "rota_schedulers_alive" in numbers(await client.get("/metrics"))
        assert "rota_schedulers_alive" in numbers(await client.get("/metrics", headers=bearer("wrong")))
        problem(await client.get("/api/workers"), 401)


def test_names_of_queues_are_escaped_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_QUEUES", 1)
    jobs = {('a"\\\n', "pending"): 1, ("b", "pending"): 2, ("c", "pending"): 3}
    text = text_of(Gauges(now=0, accounted_to=None, schedules_due=0, schedulers=0, workers=0, jobs=jobs))
    assert 'rota_jobs{status="pending",queue="a\\"\\\\\\n"} 1\n' in text
    assert 'rota_jobs{status="pending",queue="(others)"} 5\n' in text
    assert "accounted_to" not in text, "nothing is said of what nobody knows"
