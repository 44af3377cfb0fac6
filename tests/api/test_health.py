"""Probes: of this process, and of the system."""

from __future__ import annotations

import httpx
import pytest

from rota.actions import present
from rota.api.wellbeing import judge
from rota.errors import DatabaseUnavailable
from rota.store import meta, queues
from rota.store.database import Database, Tx
from rota.store.untaken import Lane
from rota.store.vitals import Vitals, look
from tests.api.calls import SECRET, Api, bearer, good, problem
from tests.store import builders

SECOND = builders.SECOND
NOW = 1_800_000_000 * SECOND
STALL = 15 * SECOND
WELL = Vitals(now=NOW, accounted_to=NOW, scheduler_seen_at=NOW, worker_seen_at=NOW, untaken=[])


@pytest.fixture
def well(db: Database) -> Database:
    """A system that does its work."""
    builders.register(db, role="scheduler")
    builders.register(db, lanes='{"command":1,"async":2}', types='["report"]')
    db.run(lambda tx: meta.raise_accounted_to(tx, tx.now()))
    return db


@pytest.mark.parametrize("path", ["/live", "/ready"])
async def test_probes_answer_without_a_token(small: Api, path: str) -> None:
    async with small.client(None) as client:
        found = good(await client.get(path))
    assert found["status"] == "ok"
    assert found["service"] == "rota"
    assert found["timestamp"].endswith("Z")


@pytest.mark.parametrize("path", ["/hello", "/scheduler/hello"])
async def test_says_hello_without_a_token(small: Api, path: str) -> None:
    async with small.client(None) as client:
        assert "Hello" in good(await client.get(path))["message"]


async def test_live_needs_no_database(small: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    _lose(small.db, monkeypatch)
    async with small.client(None) as client:
        good(await client.get("/live"))


async def test_ready_needs_the_database(small: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    _lose(small.db, monkeypatch)
    async with small.client(None) as client:
        answer = await client.get("/ready")
    assert problem(answer, 503)["code"] == "database-unavailable"
    assert int(answer.headers["retry-after"]) > 0


async def test_ready_needs_the_right_schema(small: Api) -> None:
    small.db.run(lambda tx: meta.put(tx, "schema_version", "9999"))
    async with small.client(None) as client:
        assert problem(await client.get("/ready"), 503)["code"] == "schema-mismatch"


async def test_ready_tells_the_watermark(well: Database, api: Api) -> None:
    async with api.client(None) as client:
        found = good(await client.get("/ready"))
    assert found["accountedTo"] == present.instant(well.read(meta.accounted_to))


async def test_a_well_system_is_healthy(well: Database, api: Api) -> None:
    async with api.client(None) as client:
        found = good(await client.get("/health"))
    assert found["status"] == "healthy"
    assert found["service"] == "rota"
    known = {"status", "service", "timestamp", "accountedTo", "lagMs", "schedulerSeenAt", "workerSeenAt"}
    assert found.keys() == known
    assert found["accountedTo"] is not None
    assert 0 <= found["lagMs"] < 10_000


async def test_reasons_are_for_those_who_show_a_token(small: Api) -> None:
    async with small.client(None) as client:
        answer = await client.get("/health")
        assert answer.status_code == 503
        assert "problems" not in answer.json()
        assert (await client.get("/health", headers=bearer("wrong"))).status_code == 503
        told = (await client.get("/health", headers=bearer(SECRET))).json()
    assert told["status"] == "unhealthy"
    assert "no scheduler lives" in told["problems"]


async def test_a_lost_database_is_unhealthy_not_an_error(small: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    _lose(small.db, monkeypatch)
    async with small.client(None) as client:
        answer = await client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["accountedTo"] is None


async def test_the_database_is_asked_once_for_many(small: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(tx: Tx) -> Vitals:
        asked.append(1)
        return look(tx)

    monkeypatch.setattr("rota.store.vitals.look", counted)
    async with small.client(None) as client:
        for _ in range(20):
            await client.get("/health")
    assert len(asked) == 1


def test_judges_what_is_well() -> None:
    assert judge(WELL, STALL).problems == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scheduler_seen_at": None}, "no scheduler lives"),
        ({"accounted_to": None}, "ever accounted for"),
        ({"accounted_to": NOW - 16 * SECOND}, "up to 16 s ago only"),
        ({"accounted_to": NOW - 16 * SECOND, "overdue": "nightly"}, "schedule nightly waits for the longest time"),
        (
            {"untaken": [Lane("mail", "sync", "x", NOW - 11 * SECOND, without="no worker lives")]},
            "sync jobs wait in queue mail, and no worker lives",
        ),
    ],
)
def test_judges_what_is_not(changed: dict[str, object], said: str) -> None:
    values = {name: getattr(WELL, name) for name in Vitals.__struct_fields__}
    (problem_text,) = judge(Vitals(**{**values, **changed}), STALL).problems
    assert said in problem_text


@pytest.mark.parametrize(
    ("stall_s", "behind_s", "is_well"), [(15, 15, True), (15, 16, False), (1, 10, True), (1, 11, False), (60, 59, True)]
)
def test_the_watermark_may_stand_still_for_as_long_as_the_settings_say(
    stall_s: int, behind_s: int, is_well: bool
) -> None:
    """But never for less than twice the time in which it is written."""
    values = {name: getattr(WELL, name) for name in Vitals.__struct_fields__}
    found = judge(Vitals(**{**values, "accounted_to": NOW - behind_s * SECOND}), stall_s * SECOND)
    assert (found.problems == []) is is_well
    assert found.lag_ms == behind_s * 1000


def test_a_worker_may_be_missing_for_a_while() -> None:
    values = {name: getattr(WELL, name) for name in Vitals.__struct_fields__}
    values["untaken"] = [Lane("mail", "command", None, NOW - 9 * SECOND, without="no worker lives")]
    assert judge(Vitals(**values), STALL).problems == []


def test_finds_what_no_worker_takes(well: Database) -> None:
    builders.insert(
        well,
        builders.new_job(lane="command", queue="a"),
        builders.new_job(lane="async", queue="b", type="report"),
        builders.new_job(lane="async", queue="c", type="unknown"),
        builders.new_job(lane="http", queue="d"),
        builders.new_job(lane="http", queue="d"),
        builders.new_job(lane="http", queue="paused"),
        builders.new_job(lane="http", queue="later", delay_us=builders.HOUR),
    )
    well.run(lambda tx: queues.pause(tx, "paused", by=None, note=None))
    found = {(lane.queue, lane.lane, lane.type) for lane in well.read(look).untaken}
    assert found == {("c", "async", "unknown"), ("d", "http", "report")}


def test_a_worker_of_other_queues_does_not_count(db: Database) -> None:
    builders.register(db, lanes='{"command":1}', queues='["mail"]')
    builders.insert(db, builders.new_job(lane="command", queue="mail"), builders.new_job(lane="command", queue="other"))
    assert [lane.queue for lane in db.read(look).untaken] == ["other"]


def test_a_worker_whose_lease_is_over_does_not_count(db: Database) -> None:
    worker = builders.register(db, lanes='{"command":1}')
    builders.insert(db, builders.new_job(lane="command"))
    assert db.read(look).untaken == []
    builders.end_lease(db, worker)
    assert len(db.read(look).untaken) == 1


def _lose(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(work: object) -> None:
        raise DatabaseUnavailable("gone")

    db.last_contact = 0.0
    monkeypatch.setattr(db, "read", read)


async def test_answers_head_requests(admin: httpx.AsyncClient) -> None:
    assert (await admin.head("/live")).status_code == 200


def test_monitors_that_do_not_look_are_a_problem() -> None:
    for looked_at in (None, NOW - 50 * SECOND, NOW + SECOND):
        assert judge(WELL, STALL, looked_at).problems == []
    assert judge(WELL, STALL, NOW - 61 * SECOND).problems == ["monitors have not looked for 61 s: nobody would be told"]
