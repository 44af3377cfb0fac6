"""The last occurrences of each schedule in the list, and how far their jobs are."""

from __future__ import annotations

import httpx
import pytest

from rota.ids import new_id
from rota.store import occurrences
from tests.api.calls import Api, good, problem
from tests.store import builders

MINUTE = 60_000_000
START = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z


@pytest.fixture
def done(api: Api) -> str:
    """Two schedules with a past, and one without; the id of a job that has ended."""
    for name in ("daily", "fresh", "nightly"):
        builders.put(api.db, name, rule='{"cron":"* * * * *"}')
    worker = builders.register(api.db)
    claimed = builders.run_one(api.db, worker)
    builders.end(api.db, worker, claimed)
    past = [
        builders.occurrence(START + 1 * MINUTE, disposition="fired", job_id=claimed.call.job_id),
        builders.occurrence(START + 2 * MINUTE, START + 9 * MINUTE, "paused", reason="paused by ann"),
        builders.occurrence(START + 10 * MINUTE, disposition="fired", job_id=new_id()),
        builders.occurrence(START, schedule_id="daily", disposition="missed"),
    ]
    api.db.run(lambda tx: occurrences.account(tx, past))
    return claimed.call.job_id


async def test_the_list_has_the_last_of_each(client: httpx.AsyncClient, done: str) -> None:
    found = good(await client.get("/api/schedules?recent=20"))["schedules"]
    recent = {one["id"]: one["recent"] for one in found}
    assert [one["disposition"] for one in recent["nightly"]] == ["fired", "paused", "fired"]
    assert [one["disposition"] for one in recent["daily"]] == ["missed"]
    assert recent["fresh"] == []
    gone, paused, fired = recent["nightly"]
    assert (fired["jobId"], fired["jobStatus"]) == (done, "completed")
    assert fired["startedAt"] is not None
    assert fired["durationMs"] >= 0
    assert "jobStatus" not in gone
    assert "jobStatus" not in paused


@pytest.mark.usefixtures("done")
async def test_only_so_many_as_were_asked_for(client: httpx.AsyncClient) -> None:
    found = good(await client.get("/api/schedules?recent=2&q=nightly"))["schedules"]
    assert [len(one["recent"]) for one in found] == [2]
    assert [one["disposition"] for one in found[0]["recent"]] == ["fired", "paused"]
    plain = good(await client.get("/api/schedules"))["schedules"]
    assert all("recent" not in one for one in plain)
    assert problem(await client.get("/api/schedules?recent=51"), 422)["field"] == "recent"


async def test_occurrences_tell_of_their_jobs(client: httpx.AsyncClient, done: str) -> None:
    found = good(await client.get("/api/schedules/nightly/occurrences"))["occurrences"]
    assert [one.get("jobStatus") for one in found] == [None, None, "completed"]
    assert found[2]["jobId"] == done
