"""What the pages tell their readers to type works as it is written.

Of each page listed here: the files that it says to save are saved, the service is started as it says, and its ``bash``
blocks run one after the other in one shell.  Blocks marked ``sh`` are examples that need another machine.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from tests.support.processes import KeptProcess, RotaProcesses
from tests.support.waiting import free_port, wait_until

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/how-to/first-schedule.md",
    "docs/how-to/apply.md",
    "docs/how-to/calendars.md",
    "docs/how-to/run-commands.md",
    "docs/how-to/pings.md",
    "docs/how-to/status-pages.md",
    "docs/how-to/http-callbacks.md",
    "docs/how-to/answer-later.md",
    "docs/how-to/access.md",
    "docs/how-to/trigger-from-an-admin-panel.md",
    "docs/how-to/unique-jobs.md",
    "docs/how-to/dependencies-and-batches.md",
    "docs/how-to/postgresql.md",
    "docs/how-to/monitors.md",
    "docs/how-to/retention-and-archive.md",
    "docs/how-to/backup.md",
    "docs/how-to/move-from-crontab.md",
    "docs/how-to/move-from-heroku-scheduler.md",
    "docs/how-to/move-from-kubernetes-cronjobs.md",
    "docs/how-to/move-from-celery-beat.md",
    "docs/how-to/move-from-an-admin-job-service.md",
    "docs/how-to/move-from-a-daemon.md",
    "docs/how-to/move-from-rq.md",
    "docs/how-to/move-from-a-message-queue-service.md",
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"as `([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STARTED = re.compile(r"^((?:[A-Z_]+=\S+ )*)rota (up.*)$", re.MULTILINE)
PORTS = ("7005", "8099")
"""Ports that the pages use, for which each test takes free ones."""


def with_free_ports(text: str) -> tuple[str, str]:
    """The text with free ports in it, and that of the service."""
    free = {port: str(free_port()) for port in PORTS}
    return re.sub("|".join(PORTS), lambda found: free[found[0]], text), free[PORTS[0]]


def follow(page: str, folder: Path, environ: dict[str, str], processes: RotaProcesses) -> None:
    """Save, start and type what a page says, in a folder of its own."""
    text, port = with_free_ports((ROOT / page).read_text(encoding="utf-8"))
    environ = {**environ, "ROTA_PORT": port}
    folder.mkdir()
    for name, content in SAVED.findall(text):
        (folder / name).write_text(content, encoding="utf-8")
    start(text, folder, environ, processes)
    typed = [block for kind, block in BLOCK.findall(text) if kind == "bash"]
    assert typed
    type_in("set -euo pipefail\n" + "\n".join(typed), folder, environ)


def start(text: str, folder: Path, environ: dict[str, str], processes: RotaProcesses) -> None:
    """Start the service as the page does, if it does; a reader types on when all of it works."""
    examples = [block for kind, block in BLOCK.findall(text) if kind == "sh"]
    found = next((found for block in examples if (found := STARTED.search(block))), None)
    if found is not None:
        given = dict(each.split("=", 1) for each in shlex.split(found[1]))
        service = processes(*shlex.split(found[2]), env={**environ, **given}, cwd=folder)
        service.wait_for_output("Rota is running")
        for role in ("worker", "scheduler"):
            service.wait_for_output(f'"event":"{role}/started"')
        wait_until(lambda: is_healthy(int(environ["ROTA_PORT"])), 60, lambda: f"the health of {service}")
        if "--app" in found[2]:
            service.wait_for_output('"event":"type/declared"')


def is_healthy(port: int) -> bool:
    """Whether the service says that all is well, which takes a first look of its scheduler."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


def type_in(script: str, folder: Path, environ: dict[str, str]) -> None:
    """Run a script in a shell; it must end well and leave nothing behind."""
    place = folder.with_name("shell")
    place.mkdir()
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    shell = KeptProcess("bash", "-c", script, directory=place, env={**environ, "PATH": path}, cwd=folder)
    try:
        assert shell.wait(240) == 0, str(shell)
        shell.assert_nothing_left()
    finally:
        shell.close()


@pytest.fixture
def environ(request: pytest.FixtureRequest, page: str) -> dict[str, str]:
    """What the reader has set: the page on PostgreSQL has a database."""
    url = request.getfixturevalue("pg_database") if "postgresql" in page else ""
    return {"ROTA_DATABASE_URL": url} if url else {}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_as_it_is_written(
    page: str, tmp_path: Path, rota_process: RotaProcesses, environ: dict[str, str]
) -> None:
    missing = [name for name in ("bash", "curl") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    follow(page, tmp_path / "reader", environ, rota_process)
