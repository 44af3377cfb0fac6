"""GET /api/schedules/{id}/occurrences: the ledger."""

from __future__ import annotations

import httpx
import pytest

from rota.api.paging import encode_cursor
from rota.ids import new_id
from rota.store import occurrences as occurrence_store
from rota.store.database import Database
from tests.api.calls import Api, good, problem
from tests.store import builders

MINUTE = 60_000_000
START = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
JOB = new_id()


@pytest.fixture
def ledger(api: Api) -> Database:
    """A schedule of each minute: one fired, then ten paused, then one skipped."""
    builders.put(api.db, rule='{"cron":"* * * * *"}')
    occurrences = [
        builders.occurrence(START, disposition="fired", job_id=JOB),
        builders.occurrence(START + MINUTE, START + 10 * MINUTE, "paused", reason="paused by ann", cause="ann"),
        builders.occurrence(START + 11 * MINUTE, disposition="skipped", reason=f"job {JOB} runs"),
    ]
    api.db.run(lambda tx: occurrence_store.account(tx, occurrences))
    return api.db


@pytest.mark.usefixtures("ledger")
async def test_shows_instants_and_ranges_with_their_count(client: httpx.AsyncClient) -> None:
    skipped, paused, fired = good(await client.get("/api/schedules/nightly/occurrences"))["occurrences"]
    assert (fired["scheduledFor"], fired["disposition"], fired["jobId"]) == ("2027-01-15T08:00:00.000Z", "fired", JOB)
    assert (paused["from"], paused["to"]) == ("2027-01-15T08:01:00.000Z", "2027-01-15T08:10:00.000Z")
    assert (paused["count"], paused["disposition"], paused["reason"]) == (10, "paused", "paused by ann")
    assert (skipped["scheduledFor"], skipped["disposition"]) == ("2027-01-15T08:11:00.000Z", "skipped")


async def test_counts_nothing_by_a_rule_that_has_changed(ledger: Database, client: httpx.AsyncClient) -> None:
    builders.put(ledger, rule='{"cron":"0 3 * * *"}')
    paused = good(await client.get("/api/schedules/nightly/occurrences"))["occurrences"][1]
    assert (paused["disposition"], paused["count"]) == ("paused", None)


@pytest.mark.usefixtures("ledger")
async def test_pages(client: httpx.AsyncClient) -> None:
    seen: list[str] = []
    query = "limit=1"
    while query:
        found = good(await client.get(f"/api/schedules/nightly/occurrences?{query}"))
        assert found["limit"] == 1
        seen += [one["disposition"] for one in found["occurrences"]]
        query = f"limit=1&cursor={found['nextCursor']}" if found["nextCursor"] else ""
    assert seen == ["skipped", "paused", "fired"]


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("cursor", ["x", "!", "é", "AAAA", "LQ", "a" * 2000])
async def test_refuses_a_wrong_cursor(client: httpx.AsyncClient, cursor: str) -> None:
    answer = await client.get("/api/schedules/nightly/occurrences", params={"cursor": cursor})
    assert problem(answer, 422)["field"] == "cursor"


@pytest.mark.usefixtures("ledger")
async def test_refuses_a_cursor_that_is_no_number_of_the_database(client: httpx.AsyncClient) -> None:
    good(await client.put("/api/checks/backup", json={"every": "1h"}))
    for path in ("/api/schedules/nightly/occurrences", "/api/schedules/nightly/versions", "/api/checks/backup/pings"):
        for place in ("²", "٣", "-²", "--1", "9" * 19, "-" + "9" * 19, str(1 << 63), "1\n", "1" * 400):
            answer = await client.get(path, params={"cursor": encode_cursor(place)})
            assert problem(answer, 422)["field"] == "cursor", (path, place)
        for number in ((1 << 63) - 1, 1 - (1 << 63), 0):
            good(await client.get(path, params={"cursor": encode_cursor(str(number))}))
