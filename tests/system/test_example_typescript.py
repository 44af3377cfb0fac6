"""The example in TypeScript: types made from the description of the API, a job enqueued, watched, another cancelled."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rota.client import Client
from tests.support.processes import RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.waiting import free_port

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/typescript"
FILES = ("package.json", "package-lock.json", "tsconfig.json", "main.ts", ".npmrc")


def missing(reason: str) -> None:
    """Skip the test, loudly; with CI=true fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example with what it needs, compiled against the description that is committed."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        missing("NODE IS MISSING: the example in TypeScript is not tried")
    folder = tmp_path / "examples" / "typescript"
    folder.mkdir(parents=True)
    (tmp_path / "web").mkdir()
    shutil.copy(ROOT / "web/openapi.json", tmp_path / "web")
    for name in FILES:
        shutil.copy(EXAMPLE / name, folder)
    try:
        run(folder, "npm", "ci", "--prefer-offline", "--no-audit", "--no-fund")
    except subprocess.CalledProcessError as error:
        missing(f"THE NPM REGISTRY CANNOT BE HAD, the example in TypeScript is not tried: {error.stderr[-300:]}")
    run(folder, "npm", "run", "types")
    run(folder, "npm", "run", "build")
    return folder


def run(folder: Path, *command: str, **env: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=240
    )
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stdout + done.stderr)
    return done.stdout


@pytest.mark.timeout(400)
def test_it_enqueues_watches_and_cancels(example: Path, rota_process: RotaProcesses, sqlite_url: str) -> None:
    port = free_port()
    start_up(rota_process, sqlite_url, port)
    url = f"http://127.0.0.1:{port}"
    with Client(url, SECRET) as client:
        client.request("PUT", "/api/job-types/hello", {"target": {"kind": "command", "command": ["echo", "hi, Node"]}})
        said = run(example, "node", "main.js", "hello", ROTA_URL=url, ROTA_TOKEN=SECRET).splitlines()
        cancelled, completed = client.jobs()
    assert said[:2] == [f"enqueued {completed['id']}", "log hi, Node"]
    assert said[-2:] == [
        "ended completed",
        f"cancelled {cancelled['id']}: cancelled",
    ]
    assert completed["args"] == {"from": "TypeScript"}


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (EXAMPLE / "package-lock.json").read_text()
