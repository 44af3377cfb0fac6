"""The service that the pages are tried on: ``rota up --demo`` with things to look at, friendly and hostile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import ROTA, KeptProcess
from tests.support.waiting import free_port, wait_until

HOSTILE = "<img src=x onerror=alert(1)> שלום עולם \u202eevil\u202c " + "ohne-leerzeichen" * 6
"""A name as it must never break a page: markup, right-to-left, an override, and no place to break a line at."""
BIG = 123456789012345678901234567890


class Service:
    """A running service on a database of its own, which may be stopped and started again at the same address."""

    def __init__(
        self, directory: Path, *arguments: str, role: str = "up", env: Mapping[str, str] | None = None
    ) -> None:
        self._directory = directory
        self._role = role
        self._arguments = arguments
        self._starts = 0
        self._env = {"ROTA_DATABASE_URL": f"sqlite:///{directory}/rota.db", **(env or {})}
        self.root_path = self._env.get("ROTA_ROOT_PATH", "")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{self.root_path}"
        self.start()

    @property
    def token(self) -> str:
        """The local admin token."""
        return (self._directory / "rota.db-token").read_text().strip()

    def start(self) -> None:
        """Start it, and wait until it answers, and is well: a page that sees otherwise says so in the console."""
        self._starts += 1
        place = self._directory / f"service-{self._starts}"
        place.mkdir(parents=True)
        self.process = KeptProcess(
            ROTA, self._role, "--port", str(self.port), *self._arguments, directory=place, env=self._env
        )
        wait_until(self._answers, 60, lambda: f"an answer of {self.process}")

    def stop(self) -> None:
        """Stop it in good order."""
        self.process.stop()
        self.process.close()

    def client(self) -> httpx.Client:
        """An HTTP client with the local token."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30, trust_env=False
        )

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Do a request and return its answer, which must be good."""
        with self.client() as client:
            answer = client.request(method, path, json=body) if body is not None else client.request(method, path)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def ended(self, job: str) -> dict[str, Any]:
        """Return a job when it has ended."""

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.call("GET", f"/api/jobs/{job}")
            return found if found["status"] in ("completed", "failed", "cancelled") else None

        return wait_until(look, 60, lambda: f"the end of job {job}: {self.call('GET', f'/api/jobs/{job}/why')}") or {}

    def _answers(self) -> bool:
        assert self.process.exit_code is None, str(self.process)
        try:
            status = httpx.get(f"{self.url}/health", timeout=5, trust_env=False).status_code
            return status == 200 or (status == 503 and self._role == "api")  # which nothing makes well alone
        except httpx.TransportError:
            return False


def fill(service: Service) -> None:
    """Make one of everything that pages show: every status, every kind, pauses, limits, tokens, hostile texts."""
    call = service.call
    call("PUT", "/api/job-types/invoice-mail", {"target": {"kind": "command", "command": ["sleep", "0.2"]}})
    call("PUT", "/api/job-types/nightly-export", {"target": {"kind": "command", "shell": "seq 1 400; exit 3"}})
    call("PATCH", "/api/queues/mail", {"concurrency": 5, "rateLimits": [{"limit": 100, "per": "1m"}]})
    call("PATCH", "/api/queues/held", {"concurrency": 1})
    jobs = [
        {"jobType": "invoice-mail", "queue": "mail", "args": {"invoice": BIG, "to": "ann@example.com"}, "tags": ["eu"]},
        {"jobType": "nightly-export", "queue": "exports", "maxAttempts": 1},
        {"jobType": "invoice-mail", "queue": "mail", "delayMs": 3_600_000},
        {"jobType": "invoice-mail", "queue": "held", "args": {"note": HOSTILE}, "tags": ["a" * 60]},
        {"target": {"kind": "command", "command": ["echo", HOSTILE]}, "queue": "mail"},
    ]
    call("POST", "/api/queues/held/pause", {"note": "waits for the new key of the bank"})
    made = [call("POST", "/api/jobs", job)["id"] for job in jobs]
    call(
        "PUT",
        "/api/schedules/invoices",
        {"jobType": "invoice-mail", "cron": "*/10 8-18 * * 1-5", "timezone": "Europe/Paris"},
    )
    call(
        "PUT", "/api/schedules/export", {"jobType": "nightly-export", "every": "10s", "startAt": "2026-01-01T00:00:00Z"}
    )
    call("PUT", f"/api/schedules/{'long-name-' * 9}x", {"jobType": "invoice-mail", "every": "1h", "note": HOSTILE})
    call("POST", "/api/schedules/invoices/pause", {"note": HOSTILE})
    check = call("PUT", "/api/checks/nightly-backup", {"cron": "30 2 * * *", "note": HOSTILE, "tags": ["a" * 60]})
    httpx.post(
        f"{service.url}{check['pingPath'].removeprefix(service.root_path)}/fail", content=HOSTILE, trust_env=False
    )
    call("PUT", "/api/checks/hourly-sync", {"every": "1h", "name": HOSTILE[:150]})
    call("POST", "/api/tokens", {"name": "deploy", "role": "operator"})
    for number in (0, 1, 4):
        service.ended(made[number])
    demo = "/api/schedules?q=demo-primes"  # the worker declares what the demo has when it has started
    wait_until(lambda: call("GET", demo)["schedules"], 60, "the schedules of the demo")
