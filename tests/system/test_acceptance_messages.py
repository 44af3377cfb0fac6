"""What the message queue service promised, from outside: messages, their answers, priorities, leases and limits.

By REST alone, against real processes: `rota up` on SQLite; an api, a scheduler and workers on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from rota.client import Client, Json
from tests.support.judge import most_within
from tests.support.load import kill_role
from tests.support.processes import KeptProcess, RotaProcesses
from tests.support.roles import kill
from tests.support.service import SECRET, is_ready, start_up
from tests.support.target import Answer, Request, TargetServer
from tests.support.waiting import free_port, wait_until

QUEUE = "start-analysis"
COMPLETE = Answer(body={"status": "complete"})
JITTER_S = 0.1
"""Two starts may come so much nearer to each other on their way to the target than they were made."""
PER_S = 4
"""Of the limited rate; Rota's own windows are longer by a tenth, for what starts are late on their way."""


class Service:
    """A service, and a target that its messages call."""

    def __init__(self, rota: RotaProcesses, url: str, server: TargetServer, lease: str) -> None:
        self.server = server
        self.client: Client
        self._rota, self._url, self._port = rota, url, free_port()
        self._env = {
            "ROTA_DATABASE_URL": url,
            "ROTA_AUTH_SECRET": SECRET,
            "ROTA_LEASE": lease,
            "ROTA_LOG_FORMAT": "json",
        }
        self._worker: KeptProcess | None = None

    def start(self) -> Client:
        """Start all roles; return a client."""
        if self._url.startswith("sqlite"):
            self._up = start_up(self._rota, self._url, self._port, self._env)
        else:
            api = self._rota("api", env={**self._env, "ROTA_PORT": str(self._port)})
            wait_until(lambda: api.exit_code is not None or is_ready(self._port), 30, lambda: f"{api} is ready")
            self._rota("scheduler", env=self._env).wait_for_output('"event":"scheduler/started"')
            self._start_worker()
        self.client = Client(f"http://127.0.0.1:{self._port}", SECRET)
        target = {"kind": "http", "url": self.server.url("/message")}
        defaults = {"queue": QUEUE, "maxAttempts": 2, "retry": {"delays": ["0s"]}}
        self.client.request("PUT", "/api/job-types/analysis", {"target": target, "defaults": defaults})
        return self.client

    def _start_worker(self) -> None:
        self._worker = self._rota("worker", env=self._env)
        self._worker.wait_for_output('"event":"worker/started"')

    def kill_worker(self) -> None:
        """``kill -9`` the worker; another one takes its place."""
        if self._worker is None:
            kill_role(self._up, "worker")
        else:
            kill(self._worker)
            self._start_worker()

    def send(self, **message: Any) -> str:
        """Enqueue a message; its id."""
        return str(self.client.enqueue({"jobType": "analysis", **message})["id"])

    def limit(self, **limits: Any) -> None:
        """Change limits of the queue."""
        self.client.set_queue(QUEUE, limits)

    def consumer(self) -> Json:
        """What the living worker does with the queue."""
        found = [
            consumer
            for worker in self.client.workers()
            if worker["role"] == "worker" and worker["state"] == "running"
            for consumer in worker["consumers"]
            if consumer["queue"] == QUEUE
        ]
        return found[-1] if found else {"sleeping": {}}

    def sleeps(self) -> str | None:
        """Why the consumer sleeps."""
        sleeping = self.consumer()["sleeping"]
        return sleeping.get("reason") if sleeping else None

    def of(self, job_id: str) -> list[Request]:
        """The calls for a message."""
        return [request for request in list(self.server.requests) if request.headers["rota-job-id"] == job_id]


@pytest.fixture
def lease() -> str:
    """Long enough that a busy machine loses none; a test that kills a worker says a shorter one."""
    return "30s"


@pytest.fixture
def service(
    database_url: str, rota_process: RotaProcesses, target_server: TargetServer, lease: str
) -> Iterator[Service]:
    service = Service(rota_process, database_url, target_server, lease)
    with service.start():
        yield service


def test_answers(service: Service) -> None:
    """Where it goes, when, and what becomes of it by what the target answers."""
    client, server = service.client, service.server
    server.answer("/message", COMPLETE)
    server.answer("/own", Answer(body={"status": "complete"}))
    again = Answer(body={"status": "retry", "delayMs": 20})
    server.answer("/again", *[again] * 5, COMPLETE)
    server.answer("/never", Answer(body={"status": "failed", "error": "malformed message"}))
    server.answer("/down", Answer(status=500))

    own = service.send(callbackUrl=server.url("/own"), delayMs=4000, args={"id": 7}, priority=5)
    assert client.job(own)["status"] == "scheduled"
    assert client.why(own)["causes"][0]["code"] == "not-due"
    many = service.send(callbackUrl=server.url("/again"))
    never = service.send(callbackUrl=server.url("/never"))
    down = service.send(callbackUrl=server.url("/down"))
    ended: dict[str, Any] = {job_id: client.wait(job_id, timeout_s=30) for job_id in (own, many, never, down)}

    (call,) = service.of(own)
    body = call.json()
    assert (call.path, body["args"], body["queue"], body["attempt"]) == ("/own", {"id": 7}, QUEUE, 1)
    assert call.headers["idempotency-key"] == own
    assert ended[own]["priority"] == 5
    assert ended[own]["startedAt"] >= ended[own]["runAt"]
    # Retried by its own wish far beyond the two attempts that a message has, of which it used only the last.
    assert [call.json()["attempt"] for call in service.of(many)] == [1, 2, 3, 4, 5, 6]
    assert (ended[many]["status"], ended[many]["attempt"], ended[many]["maxAttempts"]) == ("completed", 6, 2)
    assert (ended[never]["status"], ended[never]["attempt"]) == ("failed", 1)
    assert "malformed message" in ended[never]["error"]
    assert (ended[down]["status"], ended[down]["attempt"]) == ("failed", 2)


def test_failed_messages_of_a_queue(service: Service) -> None:
    """They stay with what is known of them, are counted, retried and deleted by queue."""
    client, server = service.client, service.server
    server.answer("/message", Answer(body={"status": "failed", "error": "no"}))
    ids = [service.send(priority=priority) for priority in (5, 5, 1)]
    others = [service.send(queue="other")]
    for job_id in (*ids, *others):
        assert client.wait(job_id, timeout_s=60)["status"] == "failed"
    waiting = service.send(delayMs=3_600_000, priority=9)
    found = client.queue(QUEUE)
    assert found["counts"] == {"pending": 0, "scheduled": 1, "running": 0, "failed": 3}
    stats = {(row["status"], row["priority"]): row for row in found["stats"]}
    assert {place: row["count"] for place, row in stats.items()} == {
        ("failed", 5): 2, ("failed", 1): 1, ("scheduled", 9): 1,
    }  # fmt: skip
    assert stats["failed", 5]["oldestAt"] == min(client.job(job_id)["runAt"] for job_id in ids[:2])
    assert stats["scheduled", 9]["oldestAt"] == client.job(waiting)["runAt"]

    server.answer("/message", COMPLETE)
    client.queue_action(QUEUE, "retry-failed")
    for job_id in ids:
        job = client.wait(job_id, timeout_s=60)
        assert (job["status"], job["attempt"], len(job["attempts"])) == ("completed", 2, 2)
    assert client.job(others[0])["status"] == "failed"
    client.queue_action("other", "delete-failed")
    assert list(client.jobs(queue="other")) == []
    wait_until(lambda: service.sleeps() == "empty", 60, lambda: str(service.consumer()))


@pytest.mark.parametrize("lease", ["2s"])
def test_priorities_parallelism_and_leases(service: Service) -> None:
    """One at a time, the most urgent first; more at once within a second; a lost lease is taken again."""
    server = service.server
    server.answer("/message", COMPLETE)
    server.answer("/message", Answer(delay=8), COMPLETE)  # while it lasts, the others are sent and looked at
    service.limit(concurrency=1)
    order = [service.send()]
    server.wait_for(1)
    order += [service.send(priority=priority) for priority in (1, 5, 3, 5)]
    wait_until(lambda: service.sleeps() == "full", 15, lambda: str(service.consumer()))
    assert service.consumer()["numRunningLoops"] == 1
    assert service.client.why(order[1])["causes"][0]["code"] == "queue-full"
    for job_id in order:
        assert service.client.wait(job_id, timeout_s=60)["status"] == "completed"
    called = [request.headers["rota-job-id"] for request in server.requests]
    assert called == [order[place] for place in (0, 2, 4, 3, 1)]
    assert server.most_in_flight == 1

    server.answer("/message", Answer(hang=True))
    held = [service.send() for _ in range(6)]
    wait_until(lambda: server.in_flight == 1, 10, lambda: f"{server.in_flight} calls")
    service.limit(concurrency=4)
    wait_until(lambda: server.in_flight == 4, 1.5, lambda: f"{server.in_flight} calls")
    assert service.consumer()["numRunningLoops"] == 4
    server.answer("/message", COMPLETE)
    service.kill_worker()  # those that hang are lost, and taken again after their leases
    for job_id in held:
        assert service.client.wait(job_id, timeout_s=60)["status"] == "completed"
    lost = [service.client.job(job_id) for job_id in held if len(service.of(job_id)) > 1]
    assert len(lost) == 4
    for job in lost:
        assert [one["outcome"] for one in job["attempts"]] == ["lost", "completed"]


def test_a_rate_limit_counts_attempts_also_across_completion(service: Service) -> None:
    """Three starts in four seconds, be they messages that completed or that asked to be called again."""
    server = service.server
    server.answer("/warm", COMPLETE)
    # The first call of a worker takes longer than those after it: its start would seem nearer to the next ones.
    assert service.client.wait(service.send(callbackUrl=server.url("/warm"), queue="other"), timeout_s=60)
    again: Callable[[Request], Answer] = lambda request: (  # noqa: E731 - a rule
        COMPLETE if request.json()["attempt"] > 1 else Answer(body={"status": "retry", "delayMs": 0})
    )
    server.answer("/message", again)
    service.limit(rateLimits=[{"limit": 3, "per": f"{PER_S}s"}])
    ids = [service.send() for _ in range(4)]
    server.wait_for(3, "/message")
    # Each look is at one moment: between two of them a window may end, and three more start.
    sleeping = wait_until(lambda: rate_limited(service), 30, lambda: str(service.consumer()))
    assert sleeping["until"] is not None
    cause = wait_until(lambda: rate_limited_cause(service), 30, "a message that waits for the rate limit")
    assert cause["until"] is not None
    for job_id in ids:
        assert service.client.wait(job_id, timeout_s=60)["attempt"] == 2
    times = [request.at for request in server.requests_to("/message")]
    assert len(times) == 8
    assert most_within(times, PER_S - JITTER_S) == 3
    last = service.send()  # what completed counts on
    assert service.client.wait(last, timeout_s=60)["status"] == "completed"
    assert most_within([request.at for request in server.requests_to("/message")], PER_S - JITTER_S) == 3


def rate_limited(service: Service) -> Json:
    """How the consumer sleeps, where it is for the rate limit; else nothing."""
    sleeping: Json = service.consumer()["sleeping"] or {}
    return sleeping if sleeping.get("reason") == "rate-limited" else {}


def rate_limited_cause(service: Service) -> Json:
    """The cause that names the rate limit, of the first message that waits; nothing where there is none."""
    waiting = next(iter(service.client.jobs(queue=QUEUE, status="pending")), None)
    causes: Sequence[Json] = service.client.why(waiting["id"])["causes"] if waiting is not None else ()
    return next((cause for cause in causes if cause["code"] == "rate-limited"), {})
