"""The environments of the peers, in ``build/``: made when they are first needed, used as they are afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.setting import ROOT

PEERS = ROOT / "benchmarks" / "peers"
VENV = ROOT / "build" / "peers-venv"
NODE = ROOT / "build" / "peers-node"
INSTALL_S = 400.0
MADE_OF = "made-of.txt"


class Missing(Exception):
    """Why something cannot be measured here."""


def python(*, install: bool) -> list[str]:
    """Return the command of the peers' Python; raises `Missing`."""
    wanted = (PEERS / "requirements.txt").read_text()
    command = [str(VENV / "bin" / "python")]
    if _made_of(VENV) != wanted:
        _allowed(install)
        _run([sys.executable, "-m", "venv", "--clear", str(VENV)])
        requirements = str(PEERS / "requirements.txt")
        _run([*command, "-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20", "-r", requirements])
        (VENV / MADE_OF).write_text(wanted)
    return command


def node(*, install: bool) -> list[str]:
    """Return the command of Node; raises `Missing`.  The scripts lie beside what npm has installed."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Missing("there is no Node here")
    NODE.mkdir(parents=True, exist_ok=True)
    for file in (PEERS / "node").iterdir():
        shutil.copy(file, NODE)
    wanted = (PEERS / "node" / "package.json").read_text()
    if _made_of(NODE) != wanted:
        _allowed(install)
        _run(["npm", "install", "--prefix", str(NODE), "--no-audit", "--no-fund", "--silent"])
        (NODE / MADE_OF).write_text(wanted)
    return ["node"]


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Yield the address of a Redis of our own with stock settings, or that of ROTA_TEST_REDIS_URL."""
    given = os.environ.get("ROTA_TEST_REDIS_URL")
    if given:
        yield given
        return
    server = shutil.which("redis-server")
    if server is None:
        raise Missing("there is no redis-server here, and no ROTA_TEST_REDIS_URL")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="rota-bench-redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        with subprocess.Popen([server, *options], stdout=subprocess.DEVNULL) as process:
            try:
                _until_it_answers(port)
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                process.terminate()


def _until_it_answers(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > end:
            raise Missing("redis-server does not start")
        time.sleep(0.02)


def _made_of(folder: Path) -> str | None:
    with contextlib.suppress(OSError):
        return (folder / MADE_OF).read_text()
    return None


def _allowed(install: bool) -> None:
    if not install:
        raise Missing("not installed; a run that is not quick installs it")


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as error:
        lines = [line for line in (error.stderr or error.stdout or "").splitlines() if line.strip()]
        raise Missing(f"cannot be installed: {lines[-1] if lines else error}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"cannot be installed: {error}") from error
