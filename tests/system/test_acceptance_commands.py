"""``rota exec`` and ``rota jobs logs -f``: output as it comes, exit codes as they are, nothing left alive."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from rota.client import Client
from tests.support import procs
from tests.support.processes import RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.waiting import free_port, wait_until

GRACE_S = 2.0
LIMIT_S = 8.0
"""Of a job whose processes must have been seen before it is over."""
FAMILY = """
trap '' TERM
setsid sleep 600 &
echo $!
setsid sh -c 'trap "" TERM; echo $$; sleep 600; sleep 600' &
(sleep 600 & echo $!; wait) &
sh -c 'sh -c "echo \\$\\$; sleep 600; :"; :' &
echo $$
sleep 600
sleep 600
"""
"""A shell with grandchildren, deaf ones and ones in sessions of their own; five processes tell their id."""


@pytest.fixture
def env(sqlite_url: str, rota_process: RotaProcesses) -> dict[str, str]:
    """The environment of a command line beside a running service."""
    port = free_port()
    start_up(rota_process, sqlite_url, port, {"ROTA_GRACE": f"{GRACE_S:g}s"})
    return {"ROTA_DATABASE_URL": sqlite_url, "ROTA_PORT": str(port)}


def test_exec_streams_records_and_exits(rota_process: RotaProcesses, env: dict[str, str], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    shell = f"echo hi; echo there >&2; until [ -e {gate} ]; do sleep 0.05; done; echo bye; exit 3"
    running = rota_process("exec", "--name", "greeting", "--", "sh", "-c", shell, env=env)
    wait_until(lambda: (running.stdout, running.stderr) == ("hi\n", "there\n"), 60, lambda: str(running))
    assert running.exit_code is None
    gate.touch()
    assert running.wait() == 3
    assert (running.stdout, running.stderr) == ("hi\nbye\n", "there\n")

    with Client(f"http://127.0.0.1:{env['ROTA_PORT']}", SECRET) as client:
        [job] = client.jobs(tag="greeting")
        assert (job["status"], job["error"], job["attempt"]) == ("failed", "exit code 3", 1)
        lines = [(line["stream"], line["text"]) for line in client.logs(job["id"])]
    assert sorted(lines[:2]) == [("stderr", "there"), ("stdout", "hi")]
    assert lines[2] == ("stdout", "bye")
    assert lines[3][0] == "system" and "exit code 3" in lines[3][1]


def test_exec_exits_as_the_command_did(rota_process: RotaProcesses, env: dict[str, str]) -> None:
    commands = {"true": 0, "exit 255": 255, "/no/such/program": 127, "kill -9 $$": 137}
    codes = {text: rota_process.run("exec", "--", "sh", "-c", text, env=env).code for text in commands}
    assert codes == commands
    assert rota_process.run("exec", "--", "/no/such/program", env=env).code == 127


def test_exec_passes_arguments_on_as_they_are(rota_process: RotaProcesses, env: dict[str, str]) -> None:
    odd = ["a b", "c'd\"e", "f\ng", "*", "$HOME", "", "-x", "ü🙂"]
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    finished = rota_process.run("exec", "--", "python3", "-c", script, *odd, env=env)
    assert json.loads(finished.stdout) == odd


def test_logs_follow_a_running_job(rota_process: RotaProcesses, env: dict[str, str], tmp_path: Path) -> None:
    gates = [tmp_path / f"gate-{number}" for number in range(3)]
    lines = "".join(f"until [ -e {gate} ]; do sleep 0.02; done; echo line {n};" for n, gate in enumerate(gates))
    with Client(f"http://127.0.0.1:{env['ROTA_PORT']}", SECRET) as client:
        job_id = client.enqueue({"target": {"kind": "command", "shell": f"echo ready; {lines}"}})["id"]
        following = rota_process("jobs", "logs", "-f", job_id, env=env)
        following.wait_for_output("ready\n")  # what is measured is how soon lines come, not how soon it starts
        for number, gate in enumerate(gates):
            gate.touch()
            began = time.monotonic()
            following.wait_for_output(f"line {number}\n")
            assert time.monotonic() - began < 5
        assert following.wait() == 0
        assert client.job(job_id)["status"] == "completed"
    assert [line for line in following.stdout.splitlines() if line.startswith("line")] == ["line 0", "line 1", "line 2"]


def test_a_flood_keeps_its_head_and_tail(sqlite_url: str, rota_process: RotaProcesses) -> None:
    start_up(rota_process, sqlite_url, free_port(), {"ROTA_LIMIT_LOG": "1MiB"})
    env = {"ROTA_DATABASE_URL": sqlite_url}
    assert rota_process.run("exec", "--", "seq", "--format=%.0f of a million", "1000000", env=env).code == 0
    [job] = json.loads(rota_process.run("jobs", "list", "--json", env=env).stdout)
    lines = rota_process.run("jobs", "logs", job["id"], env=env).stdout.splitlines()
    assert (lines[0], lines[-2]) == ("1 of a million", "1000000 of a million")
    assert any(line.startswith("… ") and line.endswith(" lines left out") for line in lines)
    assert len("\n".join(lines)) < 3 << 20


def test_a_time_out_ends_a_shell_with_grandchildren(rota_process: RotaProcesses, env: dict[str, str]) -> None:
    began = time.monotonic()
    running = rota_process("exec", "--timeout", f"{LIMIT_S:g}s", "--", "sh", "-c", FAMILY, env=env)
    wait_until(lambda: len(running.stdout.split()) == 5, 60, lambda: str(running))
    told = time.monotonic()  # the start of the command line is no part of the time that the job has
    pids = [int(text) for text in running.stdout.split()]
    assert all(map(procs.alive, pids))
    assert running.wait() == 124
    ended = time.monotonic()
    assert ended - began >= LIMIT_S and ended - told < LIMIT_S + GRACE_S + 5
    assert not any(map(procs.alive, pids)), [procs.command(pid) for pid in pids if procs.alive(pid)]
    assert f"timed out after {LIMIT_S:g}s" in running.stderr
