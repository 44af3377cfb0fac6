"""The helpers that start processes: exit codes, output, and nobody who gets away."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota import __version__
from tests.support import procs
from tests.support.leftovers import Leftovers
from tests.support.processes import ROOT, KeptProcess, RotaProcesses
from tests.support.waiting import wait_until

ESCAPES = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("escaped", flush=True)
        time.sleep(100)
    os._exit(0)
os.wait()
"""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[list[KeptProcess]]:
    processes: list[KeptProcess] = []
    yield processes
    for process in processes:
        process.close()


def start(kept: list[KeptProcess], directory: Path, *command: str, env: dict[str, str] | None = None) -> KeptProcess:
    process = KeptProcess(*command, directory=directory, env=env)
    kept.append(process)
    return process


def test_output_exit_code_and_environment(
    kept: list[KeptProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTA_PORT", "1")
    command = "echo out; echo err >&2; echo $ROTA_HOST-${ROTA_PORT:-none}; pwd; exit 3"
    process = start(kept, tmp_path, "sh", "-c", command, env={"ROTA_HOST": "here"})
    assert process.wait() == 3
    assert process.stdout == f"out\nhere-none\n{tmp_path / 'work'}\n"
    assert process.stderr == "err\n"
    process.assert_nothing_left()


def test_rota_runs_to_its_end(rota_process: RotaProcesses) -> None:
    finished = rota_process.run("--version")
    assert (finished.code, finished.stderr) == (0, "")
    assert __version__ in finished.stdout


def test_a_signal_is_a_negative_exit_code(kept: list[KeptProcess], tmp_path: Path) -> None:
    process = start(kept, tmp_path, "sleep", "100")
    assert process.exit_code is None
    assert process.stop() == -signal.SIGTERM


def test_one_who_escapes_its_session_is_found_and_ended(kept: list[KeptProcess], tmp_path: Path) -> None:
    process = start(kept, tmp_path, sys.executable, "-c", ESCAPES)
    assert process.wait() == 0
    wait_until(lambda: "escaped" in process.stdout, what="the word of the one who escapes")
    left = process.family()
    assert len(left) == 1
    with pytest.raises(pytest.fail.Exception, match="the end of .*escaped"):
        process.assert_nothing_left(timeout=0.05)
    process.close()
    assert not any(procs.alive(pid) for pid in left)


def test_a_process_that_never_says_it_fails_the_test_with_its_output(kept: list[KeptProcess], tmp_path: Path) -> None:
    process = start(kept, tmp_path, "echo", "something else")
    with pytest.raises(pytest.fail.Exception, match="something else"):
        process.wait_for_output("hello")


STARTS_AND_WAITS = """
import sys, time
from pathlib import Path
from tests.support.processes import KeptProcess
print(KeptProcess("sleep", "100", directory=Path(sys.argv[1])).pid, flush=True)
time.sleep(100)
"""


def test_a_killed_run_leaves_no_process(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", STARTS_AND_WAITS, str(tmp_path)]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert procs.alive(pid)
        run.kill()
    wait_until(lambda: not procs.alive(pid), what="the keeper killed it")


def test_leftovers_are_the_processes_that_came_and_stayed() -> None:
    before = Leftovers()
    assert before.wait() == []
    with subprocess.Popen(["sleep", "100"]) as process:
        assert before.wait(0.2) == [f"process {process.pid} sleep 100"]
        process.kill()
    assert before.wait() == []
