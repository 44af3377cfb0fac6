"""DISK: a service on SQLite whose disk is full says so, keeps no half row, and goes on by itself when there is room."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import KeptProcess, RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.waiting import free_port, wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="a small disk is made in Linux's way"),
    pytest.mark.chaos("DISK"),
]

Fill = Callable[[], None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


class Caller:
    """Enqueues commands over REST, and remembers which were accepted."""

    def __init__(self, port: int) -> None:
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {SECRET}"}, trust_env=False
        )
        self.accepted: list[str] = []
        self.asked = 0

    def enqueue(self, script: str = "true", size: int = 1) -> httpx.Response:
        """Enqueue a command with an argument of so many bytes."""
        self.asked += 1
        body = {"target": {"kind": "command", "shell": script}, "args": {"n": self.asked, "text": "x" * size}}
        answer = self.client.post("/api/jobs", json=body, timeout=6)  # it answers within 5 s, whatever happens
        if answer.is_success:
            self.accepted.append(answer.json()["id"])
        return answer

    def refusal(self) -> httpx.Response | None:
        """Enqueue something large; the answer, when it is a refusal."""
        answer = self.enqueue(size=100_000)
        return None if answer.is_success else answer

    def status(self, job_id: str) -> str:
        """The status of a job."""
        return str(self.client.get(f"/api/jobs/{job_id}", timeout=6).json()["status"])


def numbers(path: Path) -> list[Any]:
    """What the file says of itself, and the stored jobs by the number in their arguments."""
    with sqlite3.connect(path) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchone()
        rows = connection.execute("SELECT id FROM rota_jobs ORDER BY id").fetchall()
    connection.close()
    return [found[0], [row[0] for row in rows]]


def roles(process: KeptProcess) -> set[int]:
    """The processes of the parts of the service."""
    found = {pid for pid, command in process.family().items() if " -m rota " in f"{command} "}
    assert len(found) >= 3, process.family()
    return found


@dataclass
class Disk:
    """A service, whoever calls it, and how its disk is filled and freed."""

    process: KeptProcess
    caller: Caller
    folder: Path
    fill: Fill
    free: Fill

    def full_and_free(self, number: int) -> None:
        """Fill the disk under a running job, and free it again."""
        caller, go = self.caller, self.folder / f"go-{number}"
        begun = caller.enqueue(f"until test -e {go}; do sleep 0.02; done; echo done").json()["id"]
        wait_until(lambda: caller.status(begun) == "running", what="a job runs")
        said = self.process.stderr.count("database/lost")
        self.fill()
        refused = wait_until(caller.refusal, 60, "a refusal")
        assert refused is not None
        assert refused.status_code == 503, refused.text
        assert refused.json()["code"] in ("database-full", "database-unavailable")
        go.touch()  # its end cannot be stored now
        if not number:  # it is told once in a while only
            wait_until(lambda: self.process.stderr.count("database/lost") > said, 60, lambda: f"{self.process} says so")
        assert caller.client.get("/live", timeout=6).status_code == 200
        self.free()
        wait_until(lambda: caller.enqueue().is_success, 60, "it takes jobs again")
        for job_id in caller.accepted:
            wait_until(lambda job_id=job_id: caller.status(job_id) == "completed", 30, "all are done")  # type: ignore[misc]

    def ends_well(self, path: Path) -> None:
        """End the service, and see what is stored."""
        self.caller.client.close()
        assert self.process.stop() == 0
        assert numbers(path) == ["ok", sorted(self.caller.accepted)]
        assert "Traceback" not in self.process.stderr, self.process.stderr[-3000:]


def fills(disk: Disk, path: Path, times: int) -> None:
    before = roles(disk.process)
    for number in range(times):
        disk.full_and_free(number)
    assert roles(disk.process) == before, "no process has ended, or was started anew"
    disk.ends_well(path)


def test_a_full_disk(small_disk: Path, tmp_path: Path, rota_process: RotaProcesses, full_size: bool) -> None:
    path, port = small_disk / "rota.db", free_port()
    process = start_up(rota_process, f"sqlite:///{path}", port)
    ballast = small_disk / "ballast"

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:  # until there is no space left
                file.write(b"x" * 65536)

    fills(Disk(process, Caller(port), tmp_path, fill, ballast.unlink), path, 10 if full_size else 1)


def test_a_limit_on_the_size_of_files(tmp_path: Path, rota_process: RotaProcesses, full_size: bool) -> None:
    path, port = tmp_path / "rota.db", free_port()
    process = start_up(rota_process, f"sqlite:///{path}", port)

    def limit(size: int) -> None:
        for pid in process.family():
            with contextlib.suppress(ProcessLookupError):  # the demo's commands come and go
                hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))

    disk = Disk(process, Caller(port), tmp_path, lambda: limit(2_000_000), lambda: limit(resource.RLIM_INFINITY))
    fills(disk, path, 3 if full_size else 1)
