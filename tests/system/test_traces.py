"""A trace goes from who enqueues a job over its attempts to its target, by real processes and a real collector."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from rota.traces.parent import is_sampled
from tests.support.collector import CONSUMER, PRODUCER, Collector
from tests.support.processes import ROOT, RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.target import TargetServer
from tests.support.waiting import free_port, wait_until

APP = "tests.support.traced_app:rota"
ENV = {"ROTA_APP": APP, "ROTA_SERVICE_NAME": "orders", "PYTHONPATH": str(ROOT)}
CALLER = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"


class Service:
    """``rota up``, called by its REST API."""

    def __init__(self, port: int) -> None:
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {SECRET}"}, timeout=30
        )

    def send(self, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        """What the service answers."""
        answer = self._http.request("PUT" if "schedules" in path else "POST", path, json=body, headers=headers)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def types(self) -> set[str]:
        """The job types that are declared."""
        return {one["name"] for one in self._http.get("/api/job-types").json()["jobTypes"]}

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as it is shown."""
        found: dict[str, Any] = self._http.get(f"/api/jobs/{job_id}").json()
        return found

    def result(self, job_id: str) -> Any:
        """The result of a job, once it has completed."""
        wait_until(lambda: self.job(job_id)["status"] == "completed", 60, lambda: f"the end of {self.job(job_id)}")
        return self.job(job_id)["result"]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def place_of(parent: str) -> str:
    """``trace-span`` of a context that says *sampled*."""
    assert is_sampled(parent)
    return parent[3:52]


def test_from_the_caller_over_two_attempts_and_another_job_to_the_target(
    rota_process: RotaProcesses, sqlite_url: str, target_server: TargetServer
) -> None:
    collector, port = Collector(target_server), free_port()
    start_up(rota_process, sqlite_url, port, {**collector.environ, **ENV})
    service = Service(port)
    wait_until(lambda: {"relay", "look"} <= service.types(), 60, "the types are declared")
    body = {"jobType": "relay", "args": {"url": target_server.url("/hook")}}
    job_id = service.send("/api/jobs", body, traceparent=f"00-{CALLER}-01")["id"]
    plain = service.send("/api/jobs", {"jobType": "look"})["id"]
    at = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    service.send("/api/schedules/once", {"jobType": "look", "at": at, "catchup": "latest"})

    asked, first, second, called = collector.wait_for("enqueue relay", "run relay", "run relay", "run http")
    assert (asked.kind, f"{asked.trace}-{asked.parent}") == (PRODUCER, CALLER)  # the caller's own trace goes on
    assert (asked.service["service.name"], asked.service["rota.role"]) == ("orders", "api")

    # Each attempt is a trace of its own, linked to who asked for it and to the attempt before.
    assert (first.kind, first.parent, first.links) == (CONSUMER, "", {"enqueued": asked.place})
    assert (second.parent, second.links) == ("", {"enqueued": asked.place, "previous attempt": first.place})
    assert len({asked.trace, first.trace, second.trace, called.trace}) == 4
    assert (first.said["rota.outcome"], first.failed, first.error) == ("failed", True, "ValueError: not yet")
    assert (second.said["rota.outcome"], second.failed) == ("completed", False)
    assert [one.said["rota.attempt"] for one in (first, second)] == [1, 2]
    expected = {"rota.job.id": job_id, "rota.job.type": "relay", "rota.queue": "default", "messaging.system": "rota"}
    assert expected.items() <= second.said.items()

    # The function ran in the span of its attempt, and what it enqueued is linked to that.
    result = service.result(job_id)
    assert result["span"] == place_of(result["current"]) == second.place
    assert called.links == {"enqueued": second.place}
    (request,) = target_server.wait_for(1, "/hook")
    assert place_of(request.headers["traceparent"]) == called.place

    # A due instant begins a trace; the job of another caller, one of its own, also where functions may block.
    (fired,) = collector.wait_for("fire once")
    looks = {span.said["rota.job.id"]: span for span in collector.wait_for("run look", "run look")}
    mine = looks.pop(plain)
    (scheduled,) = looks.values()
    assert (fired.kind, fired.parent, scheduled.links) == (PRODUCER, "", {"enqueued": fired.place})
    assert scheduled.said["rota.schedule.id"] == fired.said["rota.schedule.id"] == "once"
    assert service.result(plain)["span"] == mine.place
    service.close()
