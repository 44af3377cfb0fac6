"""The trace context of a caller is kept with what it enqueues, unless it is none."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.calls import COMMAND, Api, good
from tests.store import builders

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LATER = "00-a0000000000000000000000000000001-b000000000000001-00"
JOB = {"target": COMMAND}


def trace_of(api: Api, job_id: str) -> str | None:
    return builders.get(api.db, job_id).trace


@pytest.mark.parametrize("more", [{}, {"concurrencyKey": "a"}, {"orderKey": "a"}, {"uniqueKey": "a"}])
async def test_a_job_keeps_it(api: Api, client: httpx.AsyncClient, more: dict[str, Any]) -> None:
    sent = await client.post("/api/jobs", json={**JOB, **more}, headers={"traceparent": PARENT})
    assert trace_of(api, good(sent, 201)["id"]) == PARENT


async def test_one_that_was_not_sent_is_not_made_up(api: Api, client: httpx.AsyncClient) -> None:
    assert trace_of(api, good(await client.post("/api/jobs", json=JOB), 201)["id"]) is None


async def test_many_keep_it(api: Api, client: httpx.AsyncClient) -> None:
    body = {"jobs": [JOB, {**JOB, "orderKey": "a"}, JOB]}
    made = good(await client.post("/api/jobs/bulk", json=body, headers={"traceparent": PARENT}), 201)["jobs"]
    assert [trace_of(api, one["id"]) for one in made] == [PARENT] * 3


async def test_a_batch_and_its_callback_keep_it(api: Api, client: httpx.AsyncClient) -> None:
    body = {"jobs": [JOB], "callback": JOB}
    made = good(await client.post("/api/batches", json=body, headers={"traceparent": PARENT}), 201)
    assert [trace_of(api, job_id) for job_id in (*made["jobs"], made["callbackId"])] == [PARENT] * 2


async def test_a_trigger_keeps_it(small: Api, admin: httpx.AsyncClient) -> None:
    good(await admin.put("/api/job-types/tidy", json={"target": COMMAND}))
    body = {"jobType": "tidy"}
    made = good(await admin.post("/api/jobs/trigger", json=body, headers={"traceparent": PARENT}))
    assert trace_of(small, made["id"]) == PARENT


async def test_a_job_that_is_replaced_takes_that_of_the_later_call(api: Api, client: httpx.AsyncClient) -> None:
    body = {**JOB, "uniqueKey": "one", "ifExists": "replace", "delayMs": 60_000}
    first = good(await client.post("/api/jobs", json=body, headers={"traceparent": PARENT}), 201)
    again = good(await client.post("/api/jobs", json=body, headers={"traceparent": LATER}), 201)
    assert (again["id"], again["replaced"]) == (first["id"], True)
    assert trace_of(api, first["id"]) == LATER


@pytest.mark.parametrize(
    "sent", ["", "x" * 10_000, PARENT.upper(), PARENT + "-more", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "'; --"]
)
async def test_what_is_none_is_dropped(small: Api, admin: httpx.AsyncClient, sent: str) -> None:
    answer = await admin.post("/api/jobs", json=JOB, headers={"traceparent": sent})
    assert trace_of(small, good(answer, 201)["id"]) is None


async def test_two_are_none(small: Api, admin: httpx.AsyncClient) -> None:
    twice = [("traceparent", PARENT), ("traceparent", LATER)]
    answer = await admin.post("/api/jobs", json=JOB, headers=twice)
    assert trace_of(small, good(answer, 201)["id"]) is None
