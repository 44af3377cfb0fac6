"""``rota start``, ``stop``, ``restart`` and ``status``, and the same by supervisord: real processes that detach."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROTA, KeptProcess, RotaProcesses
from tests.support.waiting import free_port, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, rota_process: RotaProcesses) -> Iterator[Path]:
    """A folder whose service in the background is stopped in the end."""
    work = tmp_path / "work"
    yield work
    if (work / "rota.db.pid").exists():
        rota_process.run("stop", "--now")


def pid_in(folder: Path) -> int:
    return int((folder / "rota.db.pid").read_text().splitlines()[0])


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_life_of_a_service_in_the_background(folder: Path, rota_process: RotaProcesses) -> None:
    assert "nothing runs" in rota_process.run("stop").stdout
    started = rota_process.run("start", "--port", "0")
    assert started.code == 0 and "Rota is running at http://127.0.0.1:" in started.stdout, started
    first = pid_in(folder)
    again = rota_process.run("start")
    assert (again.code, f"runs already, with process {first}" in again.stderr) == (1, True)

    job = rota_process("exec", "--", "sh", "-c", "echo begun; sleep 1; echo done")
    job.wait_for_output("begun")
    assert rota_process.run("restart").code == 0
    assert job.wait() == 0, job  # it could end first
    second = pid_in(folder)
    assert not alive(first) and alive(second)
    assert f"process {second}" in rota_process.run("status").stdout

    os.killpg(second, signal.SIGKILL)
    wait_until(lambda: not alive(second), what="the end of the killed service")
    assert "was left behind" in rota_process.run("status").stdout
    assert rota_process.run("start", "--port", "0").code == 0
    assert pid_in(folder) != second
    assert "stopped" in rota_process.run("stop").stdout
    assert not (folder / "rota.db.pid").exists()
    assert '"event":"supervisor/stopped"' in (folder / "rota.db.log").read_text()


def test_what_keeps_it_from_starting_is_said(folder: Path, rota_process: RotaProcesses) -> None:
    refused = rota_process.run("start", "--host", "0.0.0.0", "--port", "0")
    assert refused.code == 2 and "ROTA_AUTH_SECRET" in refused.stderr, refused
    assert refused.stderr.count("\n") == 1
    assert "nothing runs" in rota_process.run("stop").stdout


def test_by_supervisord(tmp_path: Path) -> None:
    """The file that comes with Rota, with folders of this machine in it."""
    program = Path(sys.executable).with_name("supervisord")
    if not program.exists():
        pytest.skip("supervisord is not installed: pip install 'rota[test]'")
    text = (ROOT / "deploy" / "supervisord" / "rota.conf").read_text()
    work = tmp_path / "w"
    work.mkdir()
    text = text.replace("/srv/rota/.venv/bin/rota up", f"{ROTA} up --port {free_port()}").replace(
        "/srv/rota", str(work)
    )
    text = text.replace("/var/log/rota", str(work)).replace("user=rota\n", "")
    head = f"[supervisord]\nnodaemon=true\nlogfile={work}/s.log\npidfile={work}/s.pid\nchildlogdir={work}\n"
    (work / "s.conf").write_text(head + text)
    place = tmp_path / "p"
    place.mkdir()
    manager = KeptProcess(str(program), "-n", "-c", str(work / "s.conf"), directory=place, cwd=work)
    try:
        log = work / "out.log"
        wait_until(lambda: log.exists() and "Rota is running" in log.read_text(), 60, "the service below supervisord")
        manager.send(signal.SIGTERM)
        assert manager.wait() == 0
        assert "supervisor/stopped" in log.read_text()
        assert "SIGKILL" not in (work / "s.log").read_text()
        manager.assert_nothing_left()
    finally:
        manager.close()
