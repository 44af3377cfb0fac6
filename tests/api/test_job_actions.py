"""POST /api/jobs/actions: one action on all that match."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from rota.api import job_actions
from tests.api.calls import Api, good, problem
from tests.store import builders


async def act(client: httpx.AsyncClient, action: str, *, dry_run: bool = False, **wanted: Any) -> dict[str, Any]:
    body = {"action": action, "filter": wanted, "dryRun": dry_run}
    found: dict[str, Any] = good(await client.post("/api/jobs/actions", json=body))
    assert (found["action"], found["dryRun"]) == (action, dry_run)
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
async def test_goes_on_in_batches(api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(job_actions.BATCH, "delete", 3)
    assert await act(client, "delete", queue="mail") == {"matched": 20, "changed": 20, "done": True}


@pytest.mark.usefixtures("ended")
async def test_says_when_the_time_was_over(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_actions, "TAKES_AT_MOST_S", 0.0)
    found = await act(client, "delete", queue="mail")
    assert (found["matched"], found["done"]) == (20, False)


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
