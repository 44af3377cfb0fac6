"""GET /api/jobs/{id} and /why."""

from __future__ import annotations

import httpx
import pytest

from rota.store import jobs, queues, turns
from tests.api.calls import UNKNOWN_ID, Api, good, problem
from tests.store import builders


async def test_shows_what_system_3_reads(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    claimed = builders.run_one(api.db, worker, type="crawl_pending", started_by="user_2abc")
    builders.end(api.db, worker, claimed, result='{"success":true,"itemsProcessed":150,"errors":[]}')
    found = good(await client.get(f"/api/jobs/{claimed.call.job_id}"))
    assert (found["id"], found["jobType"], found["status"]) == (claimed.call.job_id, "crawl_pending", "completed")
    assert found["result"] == {"success": True, "itemsProcessed": 150, "errors": []}
    assert found["createdAt"] <= found["startedAt"] <= found["completedAt"]
    assert found["startedAt"].endswith("Z")


async def test_shows_every_attempt(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    claimed = builders.run_one(api.db, worker)
    builders.give_back(api.db, worker, claimed, error="first", used=1)
    (again,) = builders.claim(api.db, worker)
    found = good(await client.get(f"/api/jobs/{claimed.call.job_id}"))
    assert [(one["attempt"], one["outcome"], one["error"]) for one in found["attempts"]] == [
        (1, "failed", "first"),
        (2, "running", None),
    ]
    builders.end(api.db, worker, again, status="failed", error="second")
    found = good(await client.get(f"/api/jobs/{claimed.call.job_id}"))
    assert [(one["attempt"], one["outcome"], one["error"]) for one in found["attempts"]] == [
        (1, "failed", "first"),
        (2, "failed", "second"),
    ]
    assert (found["attempt"], found["attemptsUsed"], found["eta"]) == (2, 2, None)


async def test_shows_the_exchange_of_the_last_attempt_that_had_one(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    claimed = builders.run_one(api.db, worker)
    path = f"/api/jobs/{claimed.call.job_id}"
    assert good(await client.get(path))["exchange"] is None
    builders.give_back(api.db, worker, claimed, error="first", used=1, exchange='{"request":{"url":"a"},"answer":null}')
    assert good(await client.get(path))["exchange"]["request"]["url"] == "a"
    (again,) = builders.claim(api.db, worker)
    builders.give_back(api.db, worker, again, outcome="interrupted")
    assert good(await client.get(path))["exchange"]["request"]["url"] == "a"
    (again,) = builders.claim(api.db, worker)
    builders.end(api.db, worker, again, exchange='{"request":{"url":"b"},"answer":null}')
    assert good(await client.get(path))["exchange"]["request"]["url"] == "b"
    (listed,) = good(await client.get("/api/jobs"))["jobs"]
    assert "exchange" not in listed


@pytest.mark.parametrize("job_id", [UNKNOWN_ID, "x", "%00", "..", "%ff", "a" * 600, UNKNOWN_ID.upper()])
@pytest.mark.parametrize("part", ["", "/why", "/logs", "/logs/raw", "/logs/stream"])
async def test_an_unknown_or_malformed_id_is_not_found(admin: httpx.AsyncClient, job_id: str, part: str) -> None:
    if job_id == "..":
        job_id = "%2e%2e"
    assert problem(await admin.get(f"/api/jobs/{job_id}{part}"), 404)["code"] == "not-found"


async def why(client: httpx.AsyncClient, job_id: str) -> str:
    found = good(await client.get(f"/api/jobs/{job_id}/why"))
    assert found["text"].startswith(found["causes"][0]["text"])
    assert good(await client.get(f"/api/jobs/{job_id}"))["why"] == found
    return f"{found['causes'][0]['code']}: {found['text']}"


async def test_says_what_a_waiting_job_waits_for(api: Api, client: httpx.AsyncClient) -> None:
    db = api.db
    job_id = builders.insert_one(db, queue="mail", type="digest")
    assert await why(client, job_id) == "no-worker: no worker lives"
    builders.register(db, queues='["other"]')
    assert await why(client, job_id) == "no-worker: no live worker takes queue mail"
    builders.register(db, lanes='{"command":1}')
    assert await why(client, job_id) == "no-worker: no live worker runs job type digest"
    builders.register(db, lanes='{"async":1}', types='["other"]')
    assert await why(client, job_id) == "no-worker: no live worker runs job type digest"
    worker = builders.register(db, lanes='{"async":1}', types='["digest"]')
    assert await why(client, job_id) == "ready: it is ready and will be started in a moment"
    db.run(lambda tx: queues.change(tx, "mail", {"concurrency": 1}))
    first = builders.insert_one(db, queue="mail", type="digest", rank=-1)
    assert builders.claim(db, worker, lanes={"async": 1})
    said = await why(client, job_id)
    assert said.startswith(f"queue-full: it waits for a place in queue mail (1 of 1 used by job {first})")
    db.run(lambda tx: queues.pause(tx, "mail", by="ann", note="the host moves"))
    assert (await why(client, job_id)).startswith(
        "queue-paused: queue mail is paused by ann: the host moves, then for "
    )


async def test_says_until_when(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.insert_one(api.db, run_at=4_102_444_800_000_000)
    found = good(await client.get(f"/api/jobs/{job_id}/why"))
    assert found["text"] == "it is due at 2100-01-01T00:00:00.000Z"
    assert found["until"] == "2100-01-01T00:00:00.000Z"


async def test_says_how_a_run_goes(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db, host="web-1", pid=4711)
    claimed = builders.run_one(api.db, worker)
    job_id = claimed.call.job_id
    assert "running: attempt 1 runs on web-1 (process 4711) since " in await why(client, job_id)
    builders.give_back(api.db, worker, claimed, error="no", delay_us=builders.HOUR)
    assert "retrying: attempt 1 failed; it starts again at " in await why(client, job_id)
    good(await client.post(f"/api/jobs/{job_id}/cancel"))
    assert "cancelled: it was cancelled at " in await why(client, job_id)


async def test_says_that_a_run_was_asked_to_stop(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    claimed = builders.run_one(api.db, worker)
    good(await client.post(f"/api/jobs/{claimed.call.job_id}/cancel"))
    assert "cancelling: attempt 1 runs on " in await why(client, claimed.call.job_id)
    assert "; it was asked to stop by secret" in await why(client, claimed.call.job_id)
    builders.end(api.db, worker, claimed, status="cancelled", reason="cancelled")
    assert " by secret" in await why(client, claimed.call.job_id)


@pytest.mark.parametrize(("status", "said"), [("completed", "it completed at"), ("failed", "it failed at")])
async def test_says_how_it_ended(api: Api, client: httpx.AsyncClient, status: str, said: str) -> None:
    worker = builders.register(api.db)
    claimed = builders.run_one(api.db, worker)
    builders.end(api.db, worker, claimed, status=status, error="no" if status == "failed" else None)
    assert f"{status}: {said}" in await why(client, claimed.call.job_id)


async def test_says_whose_end_a_job_waits_for(api: Api, client: httpx.AsyncClient) -> None:
    db = api.db
    worker = builders.register(db)
    first, second, third = builders.insert(
        db, *(builders.new_job(turn_key="schedule:nightly", schedule_id="nightly") for _ in range(3))
    )
    begun = f"turn: it waits for job {first} of schedule nightly to end, which"
    assert await why(client, second) == f"{begun} has not been started yet"
    claimed = builders.claim(db, worker)
    since = good(await client.get(f"/api/jobs/{first}"))["startedAt"]
    assert await why(client, second) == f"{begun} runs since {since}"
    assert await why(client, third) == f"{begun} runs since {since}; 1 more goes before it"
    db.run(lambda tx: jobs.request_cancel(tx, first, "ann"))
    assert await why(client, second) == f"{begun} runs since {since}, and was asked to stop"
    builders.execute(db, "UPDATE rota_jobs SET cancel_requested_at = NULL")
    builders.give_back(db, worker, *claimed, delay_us=builders.HOUR)
    again = good(await client.get(f"/api/jobs/{first}"))["runAt"]
    assert await why(client, second) == f"{begun} is between retries and starts again at {again}"
    builders.execute(db, f"UPDATE rota_jobs SET status = 'completed' WHERE id = '{first}'")
    assert await why(client, second) == "turn: its turn has come; it will be ready in a moment"


async def test_a_job_that_waits_for_its_turn_is_pending_outside(api: Api, client: httpx.AsyncClient) -> None:
    _, held = builders.insert(api.db, *(builders.new_job(turn_key="k") for _ in range(2)))
    assert good(await client.get(f"/api/jobs/{held}"))["status"] == "pending"
    assert [job["status"] for job in good(await client.get("/api/jobs"))["jobs"]] == ["pending", "pending"]
    assert good(await client.get(f"/api/jobs/{held}/logs"))["status"] == "pending"


async def test_says_that_a_later_run_replaced_it(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.insert_one(api.db, turn_key="k")
    api.db.run(lambda tx: turns.clear(tx, ["k"], "stop", "rota", "replaced by the run of noon"))
    at = good(await client.get(f"/api/jobs/{job_id}"))["completedAt"]
    assert await why(client, job_id) == f"replaced: it was cancelled at {at} by rota: replaced by the run of noon"
