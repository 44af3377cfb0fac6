"""PostgreSQL crashes under load: no process of Rota exits, and all go on when it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path

from rota.client import Client
from rota.errors import RotaError
from tests.support.load import Load, audit, role_pids
from tests.support.postgres import Cluster
from tests.support.processes import RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.target import TargetServer
from tests.support.waiting import free_port, wait_until

BACK_WITHIN_S = 15.0


class Feeder:
    """Enqueues jobs at a steady rate, whatever the service answers; keeps the ids of those that were accepted."""

    def __init__(self, url: str, load: Load, per_second: float) -> None:
        self._url = url
        self._load = load
        self._pause = 4 / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self.accepted: list[str] = []
        self.refused: list[str] = []

    def _feed(self) -> None:
        with Client(self._url, SECRET, patience_s=0.0) as client:
            while not self._stop.wait(self._pause):
                try:
                    self.accepted += [job["id"] for job in client.enqueue_many(self._load.jobs(4))]
                except RotaError as error:
                    self.refused.append(f"{error.status} {error}")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Feed until the end of the block."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(30)


def crash_and_go_on(
    rota_process: RotaProcesses, load: Load, cluster: Cluster, *, crashes: int, per_second: float
) -> list[float]:
    """Crash and restart the server so often under load, and audit; return how long each recovery took (s)."""
    port = free_port()
    service = start_up(rota_process, cluster.url(), port, load.env, cwd=load.folder)
    url = f"http://127.0.0.1:{port}"
    took: list[float] = []
    with Client(url, SECRET, patience_s=0.0) as client:
        wait_until(lambda: len(client.job_types()) >= 2, 60, "the application was loaded")
        before = role_pids(service)
        feeder = Feeder(url, load, per_second)
        with feeder.running():
            for _ in range(crashes):
                _wait_for_more(load.starts, 20)
                cluster.stop("immediate")
                _wait_for_more(lambda: feeder.refused, 1)
                cluster.start()
                took.append(_recovered(client))
        assert role_pids(service) == before, "a process was replaced"
        assert "supervisor/child-died" not in service.stdout + service.stderr
        # Of all: a request whose answer was lost with the connection may have been stored.
        wait_until(lambda: not active(client), 60, lambda: f"the end of {active(client)}")
        extra = {job["id"] for job in client.jobs()} - set(feeder.accepted)
        probes = {job["id"] for job in client.jobs(tag="probe")}
        assert audit(client, load, [*feeder.accepted, *(extra - probes)]) == []
        assert {job["status"] for job in client.jobs()} == {"completed"}
    assert all(text.startswith("503") for text in feeder.refused), feeder.refused
    return took


def active(client: Client) -> list[str]:
    """The jobs that have not ended."""
    return [job["id"] for job in client.jobs(status="scheduled,pending,running")]


def _wait_for_more(items: Callable[[], Sized], more: int) -> None:
    wanted = len(items()) + more
    wait_until(lambda: len(items()) >= wanted, 30, lambda: f"{wanted} instead of {len(items())}")


def _recovered(client: Client) -> float:
    """Return how long it takes until a new job is accepted and done."""
    began = time.monotonic()
    probe = {"target": {"kind": "command", "command": ["true"]}, "tags": ["probe"], "priority": 100}

    def accepted() -> str:
        try:
            return str(client.enqueue(probe)["id"])
        except RotaError:
            return ""

    job_id = wait_until(accepted, 30, "a job is accepted")
    wait_until(lambda: client.job(job_id)["status"] == "completed", 30, "it is done")
    return time.monotonic() - began


def test_a_crash_of_postgres_under_load(
    own_cluster: Cluster, rota_process: RotaProcesses, tmp_path: Path, target_server: TargetServer
) -> None:
    load = Load(tmp_path / "app", target_server, seconds=0.2)
    took = crash_and_go_on(rota_process, load, own_cluster, crashes=1, per_second=20)
    assert max(took) < BACK_WITHIN_S
