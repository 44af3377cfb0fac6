"""GET /api/jobs: filters and pages."""

from __future__ import annotations

import httpx
import pytest

from tests.api.calls import COMMAND, Api, good, problem
from tests.store import builders


@pytest.fixture
def seven(api: Api) -> list[str]:
    """Ids of seven jobs, the latest first."""
    worker = builders.register(api.db)
    failed = builders.run_one(api.db, worker, queue="mail", type="digest")
    builders.end(api.db, worker, failed, status="failed", error="no route to host")
    ids = [
        failed.call.job_id,
        builders.insert_one(api.db, queue="mail", type="digest", tags='["vip","eu"]'),
        builders.insert_one(api.db, queue="mail", type="digest", delay_us=builders.HOUR),
        builders.insert_one(api.db, started_by="ann", schedule_id="nightly", args='{"user":42}'),
        builders.insert_one(api.db, batch_id="019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000"),
        builders.insert_one(api.db, run_on='["gpu"]'),
        builders.insert_one(api.db, concurrency_key="customer=42"),
    ]
    return ids[::-1]


async def listed(client: httpx.AsyncClient, query: str) -> list[str]:
    return [job["id"] for job in good(await client.get(f"/api/jobs?{query}"))["jobs"]]


async def test_lists_the_latest_first(client: httpx.AsyncClient, seven: list[str]) -> None:
    found = good(await client.get("/api/jobs"))
    assert [job["id"] for job in found["jobs"]] == seven
    assert {name: found[name] for name in found if name != "jobs"} == {
        "total": 7,
        "page": 1,
        "limit": 50,
        "nextCursor": None,
        "totalIsEstimate": False,
    }


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("status=failed", [6]),
        ("status=pending", [0, 1, 2, 3, 4, 5]),
        ("status=scheduled", [4]),
        ("status=failed,scheduled", [4, 6]),
        ("status=failed&status=scheduled", [4, 6]),
        ("type=digest", [4, 5, 6]),
        ("queue=mail&status=pending", [4, 5]),
        ("schedule=nightly", [3]),
        ("startedBy=ann", [3]),
        ("tag=vip", [5]),
        ("concurrencyKey=customer%3D42", [0]),
        ("label=gpu", [1]),
        ("frequent=hide", [0, 1, 2, 3, 4, 5, 6]),
        ("batch=019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000", [2]),
        ("q=ROUTE", [6]),
        ("q=42", [3]),
        ("since=2000-01-01T00:00:00Z", [0, 1, 2, 3, 4, 5, 6]),
        ("until=2000-01-01T00:00:00Z", []),
        ("type=nothing", []),
    ],
)
async def test_filters(client: httpx.AsyncClient, seven: list[str], query: str, places: list[int]) -> None:
    if query == "q=42":
        query = "q=%22user%22:42"
    assert await listed(client, query) == [seven[place] for place in places]


async def test_pages_by_cursor(client: httpx.AsyncClient, seven: list[str]) -> None:
    seen: list[str] = []
    query: str | None = "limit=3"
    while query is not None:
        found = good(await client.get(f"/api/jobs?{query}"))
        assert (found["total"], found["limit"]) == (7, 3)
        seen += [job["id"] for job in found["jobs"]]
        query = f"limit=3&cursor={found['nextCursor']}" if found["nextCursor"] else None
    assert seen == seven


async def test_pages_by_number(client: httpx.AsyncClient, seven: list[str]) -> None:
    assert await listed(client, "limit=3&page=2") == seven[3:6]
    assert await listed(client, "limit=3&page=9") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("page=0", "page"),
        ("page=99999999999999999999", "page"),
        ("cursor=no-id", "cursor"),
        ("status=done", "status"),
        ("since=yesterday", "since"),
        ("stauts=failed", "stauts"),
        ("type=a&type=b", "type"),
        ("q=%00", "q"),
    ],
)
async def test_refuses_with_the_field(admin: httpx.AsyncClient, query: str, field: str) -> None:
    assert problem(await admin.get(f"/api/jobs?{query}"), 422)["field"] == field


async def test_pending_are_also_those_that_wait_for_their_turn(api: Api, client: httpx.AsyncClient) -> None:
    ids = builders.insert(api.db, *(builders.new_job(turn_key="k") for _ in range(2)))
    assert await listed(client, "status=pending") == ids[::-1]
    assert await listed(client, "status=scheduled") == []


async def test_by_arguments(client: httpx.AsyncClient) -> None:
    good(await client.put("/api/job-types/tidy", json={"target": COMMAND}))
    given = [
        {"user": {"id": 42, "name": "ann b"}, "on": True, "items": [{"n": 1}, {"n": 12345678901234567890}]},
        {"user": {"id": "42"}, "on": False, "rate": 1.5},
        {"user": 42, "note": None},
        [42],
        None,
    ]
    jobs = [{"jobType": "tidy", "args": args} if args is not None else {"jobType": "tidy"} for args in given]
    ids = [one["id"] for one in good(await client.post("/api/jobs/bulk", json={"jobs": jobs}), 201)["jobs"]]

    async def found(**query: str) -> set[int]:
        page = good(
            await client.get("/api/jobs", params={name.replace("__", "."): text for name, text in query.items()})
        )
        assert page["total"] == len(page["jobs"])
        return {ids.index(one["id"]) for one in page["jobs"]}

    assert await found(args__user__id="42") == {0, 1}
    assert await found(args__user__name="ann b") == {0}
    assert await found(args__user="42") == {2}
    assert await found(args__on="true") == {0}
    assert await found(args__rate="1.5", args__user__id="42") == {1}
    assert await found(args__items__1__n="12345678901234567890") == {0}
    assert await found(args__0="42") == {3}
    assert await found(args__none="") == set()
    whole = good(await client.get("/api/jobs", params={"args[user.id]": "42", "status": "pending"}))
    assert whole["total"] == 2
    body = {"action": "cancel", "filter": {"args": {"user.id": "42"}}, "dryRun": True}
    assert good(await client.post("/api/jobs/actions", json=body))["matched"] == 2


@pytest.mark.parametrize("name", ["args.a..b", "args.", 'args.a"b', "args.a\\b", "args." + "a." * 20 + "b", "args[]"])
async def test_what_is_no_path_of_an_argument(client: httpx.AsyncClient, name: str) -> None:
    assert problem(await client.get("/api/jobs", params={name: "1"}), 422)["field"].startswith("args")
