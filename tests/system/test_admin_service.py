"""The requests of an admin panel's scheduler service, as its own documentation writes them, by curl to a real service.

It listens on all addresses, its people have tokens of an issuer, and Clerk says which of them are admins.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.issuer import DOWN, IssuerServer, SigningKey, running_issuer
from tests.support.processes import RotaProcesses
from tests.support.service import start_up
from tests.support.target import Answer, TargetServer
from tests.support.waiting import free_port, wait_until

RESULT = {"success": True, "itemsProcessed": 150, "errors": []}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ADMIN, MEMBER, STRANGER = "user_2abc123", "user_member", "user_stranger"
TRIGGER = '{"jobType":"crawl_pending","triggeredBy":"test_user"}'


@dataclass(frozen=True)
class Panel:
    """What the panel's developers type."""

    url: str
    issuer: IssuerServer

    def curl(self, *arguments: str, token: str | None = None) -> tuple[int, Any]:
        """Return (status, content) of what curl was answered; arguments that begin with / are paths of the service."""
        placed = [self.url + one if one.startswith("/") else one for one in arguments]
        header = [] if token is None else ["-H", f"Authorization: Bearer {token}"]
        command = ["curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", *placed, *header]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        content, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(content)

    def trigger(self, token: str | None) -> tuple[int, Any]:
        """POST /api/jobs/trigger as it is documented."""
        return self.curl(
            "-X", "POST", "/api/jobs/trigger", "-H", "Content-Type: application/json", "-d", TRIGGER, token=token
        )


@pytest.fixture
def issuer() -> Iterator[IssuerServer]:
    with running_issuer() as issuer:
        issuer.user(ADMIN, {"role": "admin"})
        issuer.user(MEMBER, {"role": "viewer"})
        issuer.user(STRANGER, {})
        yield issuer


@pytest.fixture
def panel(rota_process: RotaProcesses, database_url: str, issuer: IssuerServer, target_server: TargetServer) -> Panel:
    """``rota up`` on all addresses, with no secret: beside the issuer there is no way in."""
    port = free_port()
    target_server.answer("/api/crawl/batch", Answer(body=RESULT, delay=1))
    environ = issuer.clerk_settings(
        ROTA_AUTH_SECRET="",
        ROTA_SERVICE_NAME="scheduler-service",
        CRAWLER_SERVICE_URL=target_server.url(),
        HOST="0.0.0.0",
    )
    start_up(rota_process, database_url, port, environ)
    panel = Panel(f"http://127.0.0.1:{port}", issuer)
    wait_until(lambda: panel.curl("/health")[1]["status"] == "healthy", 30, "the service is healthy")
    declared = json.dumps({"target": {"kind": "http", "service": "crawler", "path": "/api/crawl/batch"}})
    put = ("-X", "PUT", "/api/job-types/crawl_pending", "-H", "Content-Type: application/json", "-d", declared)
    assert panel.curl(*put, token=issuer.token("admin"))[0] == 200
    return panel


def test_the_documented_requests_have_the_documented_answers(panel: Panel, issuer: IssuerServer) -> None:
    status, health = panel.curl("/health")
    assert (status, health["status"], health["service"]) == (200, "healthy", "scheduler-service")
    assert INSTANT.fullmatch(health["timestamp"])

    token = issuer.token(sub=ADMIN)
    status, triggered = panel.trigger(token)
    assert (status, triggered["status"]) == (200, "running")
    assert INSTANT.fullmatch(triggered["startedAt"])

    def finished() -> Any:
        status, job = panel.curl(f"/api/jobs/{triggered['jobId']}", token=token)
        assert status == 200
        return job if job["status"] != "running" else None

    job = wait_until(finished, 30, "the end of the job")
    assert {name: job[name] for name in ("id", "jobType", "status", "startedAt", "result")} == {
        "id": triggered["jobId"],
        "jobType": "crawl_pending",
        "status": "completed",
        "startedAt": triggered["startedAt"],
        "result": RESULT,
    }
    assert INSTANT.fullmatch(job["completedAt"])
    assert job["startedBy"] == ADMIN

    status, found = panel.curl("/api/jobs?type=crawl_pending&status=completed&limit=50", token=token)
    assert (status, found["total"], found["page"], found["limit"]) == (200, 1, 1, 50)
    (listed,) = found["jobs"]
    assert {name: listed[name] for name in ("id", "jobType", "status", "startedAt", "completedAt", "result")} == {
        name: job[name] for name in ("id", "jobType", "status", "startedAt", "completedAt", "result")
    }
    for none in ("type=weekly_digest&status=completed", "type=crawl_pending&status=failed"):
        status, found = panel.curl(f"/api/jobs?{none}&limit=50", token=token)
        assert (status, found["jobs"], found["total"]) == (200, [], 0)

    _check_who_may(panel, issuer, triggered["jobId"])
    _check_an_outage(panel, issuer)


def _check_who_may(panel: Panel, issuer: IssuerServer, job_id: str) -> None:
    status, refused = panel.trigger(None)
    assert (status, refused["error"]) == (401, "Missing authorization")
    for wrong in ("wrong", issuer.token(sub=ADMIN, exp=1), issuer.token("admin", key=SigningKey.make("x", number=3))):
        status, refused = panel.trigger(wrong)
        assert (status, refused["error"]) == (401, "Invalid token")
    status, refused = panel.trigger(issuer.token(sub=MEMBER))
    assert (status, refused["error"]) == (403, "Admin access required")
    assert panel.curl(f"/api/jobs/{job_id}", token=issuer.token(sub=MEMBER))[0] == 200
    for path in (f"/api/jobs/{job_id}", "/api/jobs", "/api/jobs/nothing"):
        status, refused = panel.curl(path, token=issuer.token(sub=STRANGER))
        assert (status, refused["error"]) == (403, "Admin access required")


def _check_an_outage(panel: Panel, issuer: IssuerServer) -> None:
    """Who the service knows gets in while the issuer does not answer; whose role nobody knows does not."""
    issuer.trouble = DOWN
    issuer.user("user_new", DOWN)
    assert panel.trigger(issuer.token(sub=ADMIN))[0] == 200
    assert panel.trigger(issuer.token("operator", sub="user_other"))[0] == 200
    status, refused = panel.trigger(issuer.token(sub="user_new"))
    assert (status, refused["code"]) == (503, "role-unavailable")
