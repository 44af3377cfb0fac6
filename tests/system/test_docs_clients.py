"""What the page on clients shows does what it says, at a real service."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rota.client import Client
from tests.support.processes import RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.waiting import free_port

PAGE = Path(__file__).parents[2] / "docs/how-to/clients.md"
HELLO = {"target": {"kind": "command", "command": ["echo", "hi"]}}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.timeout(240)
def test_the_examples_work(rota_process: RotaProcesses, sqlite_url: str, tmp_path: Path) -> None:
    port = free_port()
    start_up(rota_process, sqlite_url, port)
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        client.request("PUT", "/api/job-types/hello", HELLO)
        sync, asynchronous = (_run([sys.executable, "-W", "error", "-c", code], port) for code in blocks("python"))
        shown = sync.splitlines()
        assert (shown[0], shown[-1]) == ("hi", "completed {'exitCode': 0}")
        states = {line.split()[1] for line in asynchronous.splitlines()}
        assert states == {"completed", "cancelled"}
        curl = next(block for block in blocks("bash") if block.startswith("curl"))
        first, again = (_run(["bash", "-c", curl], port) for _ in range(2))
        assert '"status":"completed"' in first
        assert client.job(re.findall(r'"id":"([^"]+)"', again)[0])["args"] == {"limit": 10}
        assert len(list(client.jobs(type="hello"))) == 4


def _run(command: list[str], port: int) -> str:
    said = [word.replace("127.0.0.1:7005", f"127.0.0.1:{port}").replace("rota_…", SECRET) for word in command]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TOKEN": SECRET, "LANG": "C.UTF-8"}
    done = subprocess.run(said, capture_output=True, text=True, env=env, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
