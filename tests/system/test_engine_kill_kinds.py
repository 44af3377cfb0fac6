"""A worker that dies with every kind of work under way leaves nothing behind, and another one does all of it."""

from __future__ import annotations

import pytest

from tests.support import procs
from tests.support.misbehaving import is_ours
from tests.support.roles import Roles, kill
from tests.support.target import Answer, TargetServer
from tests.support.waiting import wait_until

FUNCTIONS = {"ROTA_EXECUTORS": "function,http,command", "ROTA_FUNCTION_MODULES": "tests.support"}
EACH = 3
NAMES = ("again_is_quick", "again_is_quick_async", "again_is_quick_with_a_child")
FLED = "setsid sh -c 'sleep 600 & sleep 600' & sleep 600"


@pytest.mark.parametrize("tree", [False, True], ids=["alone", "with-its-tree"])
def test_a_worker_dies_under_every_kind_of_work(lite_roles: Roles, target_server: TargetServer, tree: bool) -> None:
    roles = lite_roles
    roles.start("scheduler")
    victim = roles.start("worker", **FUNCTIONS, ROTA_LEASE="5s")  # it has much to start, and must be killed holding it
    target_server.answer("/slow", *[Answer(hang=True)] * EACH, Answer(body={"n": 1}))
    for _ in range(EACH):
        roles.call("/slow")
        roles.command(f"[ $ROTA_ATTEMPT -gt 1 ] || {{ {FLED}; }}")
        for name in NAMES:
            target = {"kind": "function", "function": f"tests.support.bad_functions:{name}"}
            roles.ids.append(roles.shop.enqueue(target, args={"marks": str(roles.marks)}))
    roles.wait_for_starts(len(roles.ids))
    wait_until(lambda: "sleep 600" in victim.family().values(), what="processes below")
    assert sum(is_ours(pid) for pid in procs.descendants(victim.pid)) > EACH
    kill(victim, tree=tree)
    victim.assert_nothing_left()
    roles.start("worker", **FUNCTIONS, ROTA_LEASE="30s")
    roles.wait_for_all()
    assert roles.faults() == []
    ended = [roles.shop.get(job_id) for job_id in roles.ids]
    assert {(job.status, job.attempt, job.attempts_used) for job in ended} == {("completed", 2, 1)}
