"""The units of systemd and the crontab that come with Rota: understood, and what they call exists."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rota.cli.main import rota

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def assert_command(words: list[str]) -> None:
    """The options of a command line of Rota are ones that it has."""
    command = rota.get_command(click.Context(rota), words[0])
    assert command is not None, words
    command.make_context(words[0], words[1:], resilient_parsing=False)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_systemd_understands_it(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    program, *words = shlex.split(line.removeprefix("ExecStart=").replace("%i", "mail"))
    assert program == "/srv/rota/.venv/bin/rota"
    assert_command(words)
    for needed in ("KillMode=mixed", "TimeoutStopSec=60", "RestartPreventExitStatus=2", "WantedBy=multi-user.target"):
        assert needed in text
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze: install the package systemd")
    here = tmp_path / unit.name.replace("@", "@mail")
    here.write_text(
        text.replace(program, f"{Path(sys.executable).with_name('rota')}").replace("User=rota", "User=root")
    )
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    done = subprocess.run([analyze, "verify", str(here)], env=environment, capture_output=True, text=True, check=False)
    assert unit.name.partition("@")[0] not in done.stderr, done.stderr


def test_names_of_units_on_the_page_are_such() -> None:
    page = (DEPLOY.parent / "docs" / "how-to" / "run-in-the-background.md").read_text()
    (named,) = re.findall(r"`systemctl enable --now ([^`]*@[^`]*)`", page)
    for name in named.split():
        assert re.fullmatch(r"rota-worker@[A-Za-z0-9:_.-]+", name), name  # whatever else would come escaped in %i


def test_the_crontab_is_one() -> None:
    lines = (DEPLOY / "cron" / "crontab").read_text()
    commands = [line for line in lines.splitlines() if line and not line.startswith("#")]
    assert [line.split(" cd ")[0] for line in commands] == ["@reboot", "*/5 * * * *"]
    for line in commands:
        assert_command(shlex.split(line.partition(".venv/bin/rota ")[2].partition(" >")[0]))
