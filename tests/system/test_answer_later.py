"""Targets that answer later, over the real API, while workers die."""

from __future__ import annotations

import asyncio

import pytest

from rota.client import Answer
from rota.errors import AttemptOver, Conflict, Unauthorized
from tests.support.roles import Roles, kill
from tests.support.service import SECRET, is_ready
from tests.support.target import Answer as Reply
from tests.support.target import TargetServer
from tests.support.waiting import free_port, wait_until


def test_a_job_is_answered_though_its_worker_was_killed(roles: Roles, target_server: TargetServer) -> None:
    target_server.answer("/job", Reply(202, headers={"Rota-Async": "true"}))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    roles.begin("api", ROTA_PORT=str(port), ROTA_AUTH_SECRET=SECRET)
    roles.start("scheduler")
    worker = roles.start("worker")
    retry = {"attempts": 2, "delays": ["100ms"]}
    done, again = (roles.call(timeout="10m", retry=retry) for _ in range(2))
    wait_until(lambda: all(roles.shop.get(job_id).awaits_answer for job_id in (done, again)), 60, "both are taken")
    kill(worker, tree=True)
    roles.start("worker", ROTA_LEASE="30s")
    late = roles.call(timeout="1s", retry=retry)
    wait_until(lambda: roles.shop.worker_states()[0] == "lost", 60, "the lease of the first has run out")
    assert [roles.shop.get(job_id).attempt for job_id in (done, again)] == [1, 1]

    wait_until(lambda: is_ready(port), 60, "the API is ready")
    answers = {one.job_id: one for one in (Answer.of(request.headers, url) for request in target_server.requests[:2])}
    state = asyncio.run(answers[done].aheartbeat(progress=0.5, extend="5m"))
    assert (state["cancelRequested"], roles.shop.get(done).progress) == (False, 0.5)
    answers[done].complete({"frames": 7})
    assert answers[done].complete({"frames": 7})["status"] == "completed"  # as after an answer that was lost
    answers[again].fail("the first time")
    second = wait_until(lambda: [r for r in target_server.requests if r.headers["rota-attempt"] == "2"
                                 and r.headers["rota-job-id"] == again], 60, "it is called again")  # fmt: skip
    with pytest.raises(Conflict, match="attempt 1 of job .* is over") as refused:
        answers[again].complete()
    assert refused.value.code == AttemptOver.code
    with pytest.raises(Unauthorized):
        Answer(url, again, "x" * 64).complete()
    Answer.of(second[0].headers, url).complete([1])
    roles.wait_for_all()
    assert (roles.shop.get(done).result, roles.shop.get(again).result) == ('{"frames":7}', "[1]")
    job = roles.shop.get(late)
    assert (job.status, job.reason, roles.shop.outcomes(late)) == ("failed", "timeout", ["timeout"])
    assert roles.faults() == []
