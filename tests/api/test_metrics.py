"""Numbers for Prometheus."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from rota.engine.rollups import Rollups
from rota.insight import measured
from rota.insight.measured import samples_of
from rota.insight.metrics import EDGES, METRICS, OF_PROCESSES, text_of
from rota.store import measures, meta, occurrences, rollups, totals
from rota.store.database import Database
from rota.store.measures import Depth, Measures
from rota.store.rollups import BOUNDS
from rota.store.totals import OTHERS, Total
from tests.api.calls import Api, bearer, problem, settings_of, signed
from tests.store import builders
from tests.support import metrics
from tests.support.prometheus import program


@pytest_asyncio.fixture
async def public(lite: Database, sqlite_url: str) -> AsyncIterator[Api]:
    """The API where the settings open the numbers to everybody."""
    api = Api(lite, settings_of(sqlite_url, ROTA_METRICS_PUBLIC="true"))
    yield api
    api.close()


def numbers(answer: httpx.Response) -> dict[str, float]:
    """Each number by its name and labels."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return metrics.numbers(answer.text)


def of_system(found: dict[str, float]) -> dict[str, float]:
    """Those that every replica tells alike."""
    return {name: value for name, value in found.items() if not name.startswith(OF_PROCESSES)}


def rendered(found: Measures) -> dict[str, float]:
    """The numbers of a state."""
    return metrics.numbers(text_of(samples_of(found)))


async def test_tells_the_state_of_the_system(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "LATEST_US", -1)
    db = api.db
    builders.register(db, role="scheduler")
    busy = '{"slots":{"http":{"taken":3,"of":5}},"loopLagMs":20,"more":[]}'
    worker = builders.register(db, host="big", pid=7, detail=busy)
    builders.register(db, host="old", detail='{"slots":[]}')
    builders.end_lease(db, builders.register(db))
    builders.put(db, "due")
    builders.put(db, "later", next_at=1 << 60)
    missed = builders.occurrence(5, disposition="missed", schedule_id="due")
    db.run(lambda tx: occurrences.account(tx, [missed]))
    ended = builders.run_one(db, worker, queue="mail")
    builders.end(db, worker, ended)
    builders.give_back(db, worker, builders.run_one(db, worker, queue="mail"))
    while not Rollups(db).run_once():
        pass
    builders.insert(db, builders.new_job(queue="mail"), builders.new_job(queue="mail", delay_us=builders.HOUR))
    waits = "INSERT INTO rota_channels (name, kind, least, seen_at, next_at, failing_since, failures) "
    builders.execute(db, waits + "VALUES ('slack', 'slack', 'error', rota_now(), 0, 1, 2)")
    at = db.read(lambda tx: tx.now()) - 3 * builders.SECOND
    db.run(lambda tx: meta.raise_accounted_to(tx, at))
    found = numbers(await client.get("/metrics"))
    assert 3 <= found["rota_accounted_to_lag_seconds"] <= (db.read(lambda tx: tx.now()) - at) / 1e6
    assert found["rota_database_up"] == 1
    assert found["rota_process_database_uses_total"] > 0
    assert found["rota_process_event_loop_lag_seconds"] == 0
    of_mail, kind = 'queue="mail"', 'queue="mail",type="report"'
    wanted = {
        "rota_accounted_to_timestamp_seconds": at / 1e6,
        "rota_schedules_due": 1,
        "rota_schedulers_alive": 1,
        "rota_workers_alive": 2,
        "rota_apis_alive": 0,
        'rota_slots{kind="http"}': 5,
        'rota_slots_used{kind="http"}': 3,
        'rota_worker_loop_lag_seconds{worker="big:7"}': 0.02,
        'rota_occurrences_total{disposition="missed"}': 1,
        'rota_occurrences_total{disposition="fired"}': 0,
        f'rota_jobs{{status="pending",{of_mail}}}': 2,
        f'rota_jobs{{status="scheduled",{of_mail}}}': 1,
        f'rota_jobs{{status="running",{of_mail}}}': 0,
        f'rota_jobs{{status="failed",{of_mail}}}': 0,
        f"rota_jobs_retrying{{{of_mail}}}": 1,
        f'rota_jobs_oldest_age_seconds{{status="running",{of_mail}}}': 0,
        f'rota_jobs_ended_total{{{kind},outcome="completed"}}': 1,
        f'rota_jobs_ended_total{{{kind},outcome="failed"}}': 0,
        f'rota_attempts_ended_total{{{kind},outcome="retried"}}': 1,
        f"rota_job_waiting_seconds_count{{{kind}}}": 1,
        f"rota_job_running_seconds_count{{{kind}}}": 1,
        f'rota_job_total_seconds_bucket{{{kind},le="+Inf"}}': 1,
        'rota_channel_failing{channel="slack"}': 1,
        'rota_channel_waiting{channel="slack"}': 0,
    }
    assert {name: found.get(name) for name in wanted} == wanted


async def test_prometheus_has_nothing_to_complain_of(public: Api) -> None:
    worker = builders.register(public.db, detail='{"slots":{"http":{"taken":3,"of":5}},"loopLagMs":20}')
    builders.run_one(public.db, worker)
    public.db.run(lambda tx: totals.add(tx, {("q", "", "completed"): Total(1, 1)}))
    async with public.client(None) as client:
        text = (await client.get("/metrics")).text
    command = [program("promtool"), "check", "metrics"]
    told = await asyncio.to_thread(subprocess.run, command, input=text, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


async def test_every_replica_tells_the_same(db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "LATEST_US", -1)
    worker = builders.register(db)
    for queue in ("mail", "web"):
        builders.end(db, worker, builders.run_one(db, worker, queue=queue))
        builders.insert_one(db, queue=queue)
    while not Rollups(db).run_once():
        pass
    db.run(lambda tx: meta.raise_accounted_to(tx, tx.now()))
    told = []
    for _ in range(2):
        api = Api(db, settings_of(database_url))
        async with api.client() as client:
            found = of_system(numbers(await client.get("/metrics")))
        told.append({name: value for name, value in found.items() if "_lag_" not in name and "_age_" not in name})
        api.close()
    assert told[0] == told[1]
    assert len(told[0]) > 100


async def test_without_its_database_it_tells_that(small: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    small.db.run(lambda tx: tx.script("DROP TABLE rota_counters"))
    async with small.client() as client:
        found = numbers(await client.get("/metrics"))
    assert found["rota_database_up"] == 0
    assert not of_system(found)


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


def test_names_are_escaped_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "MOST_QUEUES", 1)
    hostile = 'a"\\\n{}\u2028é'
    jobs = {(hostile, "pending"): Depth(1), ("b", "pending"): Depth(2, since=5), ("c", "pending"): Depth(3, since=7)}
    ended = {(hostile, hostile, "completed"): Total(1, 1, 5, 5, {0: 1}, {0: 1}, {0: 1})}
    text = text_of(samples_of(Measures(now=2_000_007, jobs=jobs, totals=ended)))
    found = {(one.name, one.labels.get("queue")): one for one in metrics.samples(text)}
    assert found["rota_jobs", hostile].value == 1
    assert found["rota_jobs", OTHERS].value == 5
    assert found["rota_jobs_oldest_age_seconds", OTHERS].value == pytest.approx(2, abs=1e-4)
    assert found["rota_job_total_seconds_count", hostile].labels["type"] == hostile
    assert "accounted_to" not in text, "nothing is said of what nobody knows"


def test_histograms_are_folded_from_the_finer_bounds() -> None:
    places = {0: 1, 2: 2, 3: 4, EDGES[0] + 3: 8, len(BOUNDS): 16}
    ended = {("q", "", outcome): Total(31, 31, 10**9, 0, places, {}, {}) for outcome in ("completed", "failed")}
    found = rendered(Measures(now=0, totals={**ended, ("q", "", "cancelled"): Total(5)}))
    name = "rota_job_waiting_seconds"
    buckets = [value for key, value in found.items() if key.startswith(f"{name}_bucket")]
    assert buckets == sorted(buckets), "they are cumulative"
    assert len(buckets) == len(EDGES) + 1
    assert found[f'{name}_bucket{{queue="q",type="",le="0.002"}}'] == 6
    assert found[f'{name}_bucket{{queue="q",type="",le="0.004"}}'] == 14
    assert found[f'{name}_bucket{{queue="q",type="",le="0.008"}}'] == 30
    assert found[f'{name}_bucket{{queue="q",type="",le="16777.216"}}'] == 30
    assert found[f'{name}_bucket{{queue="q",type="",le="+Inf"}}'] == 62
    assert (found[f'{name}_count{{queue="q",type=""}}'], found[f'{name}_sum{{queue="q",type=""}}']) == (62, 2000)
    assert rollups.bucket(BOUNDS[EDGES[0]] - 1) == EDGES[0], "what is less than a bound is in its bucket"


def test_every_metric_is_told_of_a_state_that_has_everything() -> None:
    everything = Measures(
        now=5, accounted_to=1, slots={"http": measures.Slots(1, 2)}, lags={"w": 1.0}, jobs={("q", "running"): Depth(1)},
        totals={("q", "t", outcome): Total(1, 1) for outcome in ("completed", "lost")}, deleted={"jobs": 1},
        retention_ran=1, oldest=1, alerts={("late", "error"): 1}, channels={"c": measures.Channel(True, 1)},
    )  # fmt: skip
    own = {name for name in METRICS if name.startswith(OF_PROCESSES)}
    assert set(samples_of(everything)) == set(METRICS) - own
    assert set(samples_of(Measures(now=5))) <= set(METRICS) - own
