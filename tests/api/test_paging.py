"""Every list page by page: by number and by cursor, each item once, in the form of all lists."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.store import counting
from tests.api.calls import COMMAND, good, problem

COUNT = 5


async def fill(client: httpx.AsyncClient) -> None:
    """Make some of everything that is listed."""
    good(await client.put("/api/job-types/tidy", json={"target": COMMAND}))
    jobs = [{"jobType": "tidy", "delayMs": 3_600_000} for _ in range(COUNT)]
    good(await client.post("/api/jobs/bulk", json={"jobs": jobs}), 201)
    for n in range(COUNT):
        spec = {"cron": "0 3 * * *", "jobType": "tidy", "args": n, "queue": "odd" if n % 2 else "even"}
        good(await client.put(f"/api/schedules/s{n}", json=spec))
        good(await client.put("/api/schedules/edited", json={**spec, "queue": "others", "tags": ["changing"]}))
        good(await client.put(f"/api/job-types/t{n}", json={"target": COMMAND}))
        good(await client.put(f"/api/calendars/c{n}", json={"weekdays": ["SUN"]}))
        good(await client.patch(f"/api/queues/q{n}", json={"concurrency": n + 1}))
        good(await client.post("/api/tokens", json={"role": "viewer", "name": f"app {n}"}), 201)
        good(await client.post("/api/batches", json={"jobs": []}), 201)
        action = {"action": "delete", "filter": {"tag": "nobody has it"}}
        good(await client.post("/api/jobs/actions", json=action))


LISTS = {
    "/api/jobs": ("jobs", "id"),
    "/api/schedules": ("schedules", "id"),
    "/api/schedules/edited/versions": ("versions", "version"),
    "/api/job-types": ("jobTypes", "name"),
    "/api/calendars": ("calendars", "name"),
    "/api/queues": ("queues", "name"),
    "/api/tokens": ("tokens", "id"),
    "/api/batches": ("batches", "id"),
    "/api/operations": ("operations", "id"),
    "/api/audit": ("entries", "id"),
}


async def test_every_list_is_walked_by_cursor_and_by_number(client: httpx.AsyncClient) -> None:
    await fill(client)
    for path, (items, key) in LISTS.items():
        whole = good(await client.get(path))
        wanted = [one[key] for one in whole[items]]
        assert len(set(wanted)) == len(wanted) == whole["total"] >= COUNT, path
        assert whole["totalIsEstimate"] is False
        assert whole["nextCursor"] is None
        by_cursor: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = good(await client.get(path, params={"limit": 2, **cursor}))
            assert (page["limit"], page["page"], page["total"]) == (2, None if cursor else 1, len(wanted)), path
            by_cursor += [one[key] for one in page[items]]
            if page["nextCursor"] is None:
                break
            cursor = {"cursor": page["nextCursor"]}
        assert by_cursor == wanted, path
        second = good(await client.get(path, params={"limit": 2, "page": 2}))
        assert [one[key] for one in second[items]] == wanted[2:4], path
        assert second["page"] == 2
        beyond = good(await client.get(path, params={"limit": 2, "page": 1000}))
        assert (beyond[items], beyond["nextCursor"]) == ([], None), path


@pytest.mark.parametrize("path", sorted(LISTS))
async def test_what_is_no_page_is_refused(admin: httpx.AsyncClient, path: str) -> None:
    for field, value in {"limit": "201", "page": "0", "cursor": "!", "none-such": "1"}.items():
        assert problem(await admin.get(path, params={field: value}), 422)["field"] == field


async def test_totals_stop_at_a_cap(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "COUNT_CAP", 3)
    monkeypatch.setattr("rota.api.paging.COUNT_CAP", 3)
    for n in range(5):
        good(await client.put(f"/api/schedules/s{n}", json={"cron": "0 3 * * *", "target": COMMAND}))
    for path in ("/api/schedules", "/api/audit"):
        found = good(await client.get(path))
        assert (found["total"], found["totalIsEstimate"]) == (3, True)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"queue": "odd"}, {"s1", "s3"}),
        ({"type": "tidy", "q": "s"}, {"s0", "s1", "s2", "s3", "s4"}),
        ({"type": "none"}, set()),
        ({"owner": "api", "tag": "changing"}, {"edited"}),
        ({"paused": "true"}, {"s2"}),
    ],
)
async def test_schedules_by_what_they_say(client: httpx.AsyncClient, query: dict[str, str], wanted: set[str]) -> None:
    await fill(client)
    good(await client.post("/api/schedules/s2/pause", json={}))
    found = good(await client.get("/api/schedules", params=query))
    assert {one["id"] for one in found["schedules"]} == wanted
    assert found["total"] == len(wanted)


async def test_short_lists_are_narrowed(client: httpx.AsyncClient) -> None:
    await fill(client)
    good(await client.post("/api/queues/q3/pause", json={}))
    good(await client.post("/api/job-types/t1/pause", json={}))
    for path, query, items, wanted in (
        ("/api/queues", {"paused": "true"}, "queues", ["q3"]),
        ("/api/queues", {"q": "Q", "paused": "false", "limit": "2"}, "queues", ["q0", "q1"]),
        ("/api/job-types", {"paused": "true"}, "jobTypes", ["t1"]),
        ("/api/job-types", {"kind": "http"}, "jobTypes", []),
        ("/api/job-types", {"q": "TID", "owner": "api"}, "jobTypes", ["tidy"]),
        ("/api/calendars", {"q": "c4"}, "calendars", ["c4"]),
        ("/api/tokens", {"q": "app 2"}, "tokens", ["app 2"]),
        ("/api/workers", {"role": "scheduler"}, "workers", []),
    ):
        found = good(await client.get(path, params=query))
        assert [one["name"] for one in found[items]] == wanted, (path, query)
