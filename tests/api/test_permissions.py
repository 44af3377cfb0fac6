"""Operations that the settings give to other roles."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rota.api.app import create_app
from rota.api.permissions import check_permissions
from rota.errors import SettingInvalid
from rota.store.database import Database
from tests.api.calls import COMMAND, Api, good, problem, settings_of
from tests.store import builders


@pytest_asyncio.fixture
async def api(lite: Database, sqlite_url: str) -> AsyncIterator[Api]:
    api = Api(lite, settings_of(sqlite_url, ROTA_PERMISSIONS="cancelJob=admin,retryJob=viewer,listAudit=operator"))
    yield api
    api.close()


async def test_operations_take_the_roles_that_the_settings_say(api: Api) -> None:
    job_id = builders.insert_one(api.db)
    async with api.as_role("viewer") as viewer, api.as_role("operator") as operator, api.client() as admin:
        found = problem(await operator.post(f"/api/jobs/{job_id}/cancel"), 403)
        assert "takes the role admin" in found["hint"]
        good(await admin.post(f"/api/jobs/{job_id}/cancel"))
        assert good(await viewer.post(f"/api/jobs/{job_id}/retry"))["status"] == "pending"
        assert good(await operator.get("/api/audit"))["entries"]
        problem(await viewer.get("/api/audit"), 403)


async def test_me_says_what_the_caller_may(api: Api, small: Api) -> None:
    async with api.as_role("viewer") as viewer, api.as_role("operator") as operator, api.client() as admin:
        may = [set(good(await one.get("/api/me"))["permissions"]) for one in (viewer, operator, admin)]
    assert may[0] < may[1] < may[2]
    assert {"retryJob", "listJobs"} <= may[0]
    assert "enqueueJob" in may[1] - may[0]
    assert {"cancelJob", "createToken"} <= may[2] - may[1]
    async with small.as_role("operator") as operator:
        assert "cancelJob" in good(await operator.get("/api/me"))["permissions"]


async def test_me_tells_the_truth(api: Api) -> None:
    """What it lists is not refused for the role, and what it leaves out is."""
    for role in ("viewer", "operator"):
        async with api.as_role(role) as client:
            may = good(await client.get("/api/me"))["permissions"]
            for operation in api.app.state.operations:
                if operation.role is None or operation.id == "streamEvents":
                    continue
                path = operation.path.replace("{name:path}", "none").replace("{key:path}", "none")
                answer = await client.request(operation.method, path, content=b"{no json" if operation.body else None,
                                              headers={"Content-Type": "application/json"})  # fmt: skip
                assert (answer.status_code == 403) == (operation.id not in may), (role, operation.id, answer.text)


async def test_a_target_of_its_own_takes_an_admin_whatever_is_moved(lite: Database, sqlite_url: str) -> None:
    api = Api(lite, settings_of(sqlite_url, ROTA_PERMISSIONS="enqueueJob=viewer,putSchedule=viewer"))
    async with api.as_role("viewer") as viewer, api.client() as admin:
        good(await admin.put("/api/job-types/crawl", json={"target": COMMAND}))
        good(await viewer.post("/api/jobs", json={"jobType": "crawl"}), 201)
        problem(await viewer.post("/api/jobs", json={"target": COMMAND}), 403)
        problem(await viewer.put("/api/schedules/mine", json={"every": "1h", "target": COMMAND}), 403)
    api.close()


async def test_the_target_of_a_job_answers_though_people_may_not(lite: Database, sqlite_url: str) -> None:
    api = Api(lite, settings_of(sqlite_url, ROTA_PERMISSIONS="completeJob=admin"))
    job_id = builders.run_one(lite, builders.register(lite)).call.job_id
    async with api.client(None) as target, api.as_role("operator") as operator:
        problem(await operator.post(f"/api/jobs/{job_id}/complete", json={}), 403)
        answer = await target.post(f"/api/jobs/{job_id}/complete", json={}, headers={"Rota-Answer-Token": "wrong"})
        assert problem(answer, 401)["detail"] != "Admin access required"  # the operation itself has looked
    api.close()


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ("cancelJobs=admin", "there is no operation 'cancelJobs'", "did you mean cancelJob?"),
        ("frobnicate=admin", "there is no operation 'frobnicate'", "/api/me"),
        ("putSecret=operator", "putSecret takes an admin always", "leave it out"),
        ("createToken=viewer", "createToken takes an admin always", "leave it out"),
        ("putJobType=operator", "putJobType takes an admin always", "leave it out"),
        ("getHealth=admin", "getHealth is open to everybody", "leave it out"),
    ],
)
def test_what_cannot_be_given_refuses_the_start_by_name(
    lite: Database, sqlite_url: str, given: str, said: str, hint: str
) -> None:
    settings = settings_of(sqlite_url, ROTA_PERMISSIONS=given)
    for start in (lambda: check_permissions(settings), lambda: create_app(lite, settings)):
        with pytest.raises(SettingInvalid) as refused:
            start()
        assert refused.value.field == "ROTA_PERMISSIONS"
        assert said in str(refused.value)
        assert hint in str(refused.value.hint)


def test_names_of_pages_may_be_given_too(sqlite_url: str) -> None:
    check_permissions(settings_of(sqlite_url, ROTA_PERMISSIONS="getReference=operator,putSecret=admin"))
