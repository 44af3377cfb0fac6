"""POST /api/jobs/actions: one action on all that match."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from rota.actions import operations as actions
from rota.api import bulk_operations
from rota.ids import new_id
from rota.store import operations as store
from tests.api.calls import Api, good, problem
from tests.store import builders


async def act(client: httpx.AsyncClient, action: str, *, dry_run: bool = False, **wanted: Any) -> dict[str, Any]:
    ours = {"to": "queue", "priority": "priority"}
    how = {ours[name]: wanted.pop(name) for name in ours.keys() & wanted.keys()}
    body = {"action": action, "filter": wanted, "dryRun": dry_run, **how}
    found: dict[str, Any] = good(await client.post("/api/jobs/actions", json=body))
    assert (found["action"], found["dryRun"], found["matchedIsEstimate"]) == (action, dry_run, False)
    assert (found["operation"] is None) == dry_run
    return {name: found[name] for name in ("matched", "changed", "done")}


def statuses(api: Api) -> Counter[str]:
    return Counter(builders.column(api.db, "status"))


@pytest.fixture
def ended(api: Api) -> None:
    """Thirty jobs: ten failed and ten completed in queue mail, ten waiting in another."""
    worker = builders.register(api.db)
    builders.insert(api.db, *(builders.new_job(queue="mail") for _ in range(20)))
    claimed = builders.claim(api.db, worker)
    builders.end(api.db, worker, *claimed[:10], status="failed", error="no")
    builders.end(api.db, worker, *claimed[10:])
    builders.insert(api.db, *(builders.new_job(queue="other") for _ in range(10)))


@pytest.mark.usefixtures("ended")
async def test_counts_first(api: Api, client: httpx.AsyncClient) -> None:
    before = statuses(api)
    found = await act(client, "retry", dry_run=True, status="failed", queue="mail")
    assert found == {"matched": 10, "changed": 0, "done": True}
    assert statuses(api) == before


@pytest.mark.usefixtures("ended")
async def test_retries(api: Api, client: httpx.AsyncClient) -> None:
    assert await act(client, "retry", status="failed") == {"matched": 10, "changed": 10, "done": True}
    assert statuses(api) == {"pending": 20, "completed": 10}


@pytest.mark.usefixtures("ended")
async def test_cancels_only_what_can_be_cancelled(api: Api, client: httpx.AsyncClient) -> None:
    found = await act(client, "cancel", since="2000-01-01T00:00:00Z")
    assert found == {"matched": 10, "changed": 10, "done": True}
    assert statuses(api) == {"failed": 10, "completed": 10, "cancelled": 10}


@pytest.mark.usefixtures("ended")
async def test_deletes(api: Api, client: httpx.AsyncClient) -> None:
    assert await act(client, "delete", queue="mail") == {"matched": 20, "changed": 20, "done": True}
    assert statuses(api) == {"pending": 10}


@pytest.mark.usefixtures("ended")
async def test_moves_what_waits_and_what_failed(api: Api, client: httpx.AsyncClient) -> None:
    assert await act(client, "move", status="failed,pending", to="slow") == {"matched": 20, "changed": 20, "done": True}
    assert Counter(builders.column(api.db, "queue")) == {"slow": 20, "mail": 10}
    assert statuses(api) == {"failed": 10, "completed": 10, "pending": 10}


@pytest.mark.usefixtures("ended")
async def test_reprioritises_by_number_or_name(api: Api, client: httpx.AsyncClient) -> None:
    found = await act(client, "reprioritise", queue="other", priority=7)
    assert found == {"matched": 10, "changed": 10, "done": True}
    assert Counter(builders.column(api.db, "rank")) == {0: 20, -7: 10}
    high = good(
        await client.post("/api/jobs", json={"target": {"kind": "command", "shell": "true"}, "priority": "high"}), 201
    )
    rank = builders.get(api.db, high["id"]).rank
    await act(client, "reprioritise", queue="other", priority="high")
    assert Counter(builders.column(api.db, "rank", "rota_jobs WHERE queue = 'other'")) == {rank: 10}


@pytest.mark.usefixtures("ended")
async def test_what_could_not_be_changed_is_told(api: Api, client: httpx.AsyncClient) -> None:
    builders.insert_one(api.db, queue="other", rank=-7)
    found = await act(client, "reprioritise", queue="other", priority=7)
    assert found == {"matched": 11, "changed": 10, "done": True}
    (operation,) = good(await client.get("/api/operations"))["operations"]
    assert (operation["lookedAt"], operation["changed"], operation["skipped"]) == (11, 10, 1)


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests do one batch of three."""
    monkeypatch.setattr(actions, "BATCH", 3)
    monkeypatch.setattr(bulk_operations, "WORKS_S", 0.0)


@pytest.mark.usefixtures("ended", "slowly")
async def test_what_takes_longer_goes_on(api: Api, client: httpx.AsyncClient) -> None:
    body = {"action": "delete", "filter": {"queue": "mail"}}
    found = good(await client.post("/api/jobs/actions", json=body))
    assert (found["matched"], found["changed"], found["done"]) == (20, 3, False)
    path = f"/api/operations/{found['operation']}"
    seen = good(await client.get(path))
    assert (seen["status"], seen["done"], seen["lookedAt"]) == ("running", False, 3)
    looked = 3
    while not seen["done"]:
        seen = good(await client.post(f"{path}/continue", json={}))
        assert seen["lookedAt"] == min(looked + 3, 20)
        looked = seen["lookedAt"]
    assert (seen["status"], seen["changed"], seen["matched"]) == ("completed", 20, 20)
    assert seen["filter"] == {"queue": "mail"}
    assert statuses(api) == {"pending": 10}
    assert good(await client.post(f"{path}/continue", json={})) == seen


@pytest.mark.usefixtures("ended", "slowly")
async def test_who_works_on_it_is_left_to_it(api: Api, client: httpx.AsyncClient) -> None:
    found = good(await client.post("/api/jobs/actions", json={"action": "delete", "filter": {"queue": "mail"}}))
    assert api.db.run(lambda tx: store.claim(tx, found["operation"])) is not None
    seen = good(await client.post(f"/api/operations/{found['operation']}/continue", json={}))
    assert (seen["status"], seen["lookedAt"]) == ("running", 3)


@pytest.mark.usefixtures("ended", "slowly")
async def test_it_can_be_stopped(api: Api, client: httpx.AsyncClient) -> None:
    found = good(await client.post("/api/jobs/actions", json={"action": "delete", "filter": {"queue": "mail"}}))
    path = f"/api/operations/{found['operation']}"
    stopped = good(await client.post(f"{path}/cancel", json={}))
    assert (stopped["status"], stopped["done"], stopped["changed"]) == ("cancelled", True, 3)
    problem(await client.post(f"{path}/cancel", json={}), 409)
    assert good(await client.post(f"{path}/continue", json={}))["changed"] == 3
    entries = good(await client.get("/api/audit", params={"noun": "operation"}))["entries"]
    assert [one["action"] for one in entries] == ["cancelled", "delete"]


@pytest.mark.usefixtures("ended")
async def test_the_same_key_begins_it_once(client: httpx.AsyncClient) -> None:
    body = {"action": "move", "filter": {"queue": "mail"}, "queue": "slow"}
    first = await client.post("/api/jobs/actions", json=body, headers={"Idempotency-Key": "k"})
    again = await client.post("/api/jobs/actions", json=body, headers={"Idempotency-Key": "k"})
    assert good(again) == good(first)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(good(await client.get("/api/operations"))["operations"]) == 1


async def test_operations_are_listed_in_pages_the_latest_first(client: httpx.AsyncClient) -> None:
    body = {"action": "delete", "filter": {"queue": "mail"}}
    ids = [good(await client.post("/api/jobs/actions", json=body))["operation"] for _ in range(3)]
    page = good(await client.get("/api/operations", params={"limit": 2}))
    rest = good(await client.get("/api/operations", params={"limit": 2, "cursor": page["nextCursor"]}))
    assert [one["id"] for one in page["operations"] + rest["operations"]] == ids[::-1]
    assert rest["nextCursor"] is None
    assert problem(await client.get("/api/operations", params={"cursor": "x"}), 422)["field"] == "cursor"


@pytest.mark.parametrize("action", ["continue", "cancel"])
async def test_there_is_no_such_operation(admin: httpx.AsyncClient, action: str) -> None:
    problem(await admin.get("/api/operations/nothing"), 404)
    problem(await admin.post(f"/api/operations/{new_id()}/{action}", json={}), 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "retry", "filter": {}}, "filter"),
        ({"action": "retry"}, "filter"),
        ({"action": "explode", "filter": {"queue": "a"}}, "action"),
        ({"action": "retry", "filter": {"stauts": "failed"}}, "filter.stauts"),
        ({"action": "retry", "filter": {"status": "gone"}}, "filter.status"),
        ({"action": "retry", "filter": {"status": "running"}}, "filter.status"),
        ({"action": "cancel", "filter": {"since": "x"}}, "filter.since"),
        ({"action": "move", "filter": {"queue": "a"}}, "queue"),
        ({"action": "move", "filter": {"queue": "a"}, "queue": "b c"}, "queue"),
        ({"action": "move", "filter": {"status": "running"}, "queue": "b"}, "filter.status"),
        ({"action": "retry", "filter": {"queue": "a"}, "queue": "b"}, "queue"),
        ({"action": "reprioritise", "filter": {"queue": "a"}}, "priority"),
        ({"action": "reprioritise", "filter": {"queue": "a"}, "priority": "vital"}, "priority"),
    ],
)
async def test_refuses_with_the_field(admin: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    assert problem(await admin.post("/api/jobs/actions", json=body), 422)["field"] == field


@pytest.mark.parametrize(("action", "left"), [("cancel", {"cancelled": 3}), ("delete", {})])
async def test_what_waits_for_its_turn_too(
    api: Api, client: httpx.AsyncClient, action: str, left: dict[str, int]
) -> None:
    builders.insert(api.db, *(builders.new_job(turn_key="k") for _ in range(3)))
    assert statuses(api) == {"pending": 1, "held": 2}
    assert await act(client, action, status="pending") == {"matched": 3, "changed": 3, "done": True}
    assert statuses(api) == left


async def test_kills_what_runs_when_told(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.run_one(api.db, builders.register(api.db)).call.job_id
    body: dict[str, Any] = {"action": "cancel", "filter": {"status": "running"}, "force": True}
    assert good(await client.post("/api/jobs/actions", json=body))["changed"] == 1
    assert builders.get(api.db, job_id).cancel_mode == "kill"
    body["action"] = "retry"
    assert problem(await client.post("/api/jobs/actions", json=body), 422)["field"] == "force"
