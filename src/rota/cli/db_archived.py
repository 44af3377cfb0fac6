"""``rota db archived``: what retention has put into files, to be read."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from rota.cli.command import Command
from rota.errors import Invalid, NotFound
from rota.ids import is_id
from rota.settings import load_settings

DAY = re.compile(r"[0-9]{4,5}-[01][0-9]-[0-3][0-9]", re.ASCII)


@click.command(cls=Command)
@click.option("--logs", is_flag=True, help="Lines of logs (ROTA_ARCHIVE_LOGS) instead of jobs.")
@click.option("--since", metavar="DAY", help="Of jobs that ended on this day (UTC) or later: 2026-11-21.")
@click.option("--until", metavar="DAY", help="Of jobs that ended on this day or earlier.")
@click.option("--id", "job_id", metavar="ID", help="Only of this job.")
@click.option("--dir", "folder", metavar="DIR", help="The folder; that of ROTA_ARCHIVE_DIR when not given.")
def archived(logs: bool, since: str | None, until: str | None, job_id: str | None, folder: str | None) -> None:
    """Print ended jobs that retention has written to files, each as a line of JSON.

    Files of JSON lines and of Parquet are read alike, also while the service adds to them.
    """
    from rota.engine.archived import read

    named = folder or load_settings().archive_dir
    if not named:
        raise Invalid("--dir", "there is no archive: ROTA_ARCHIVE_DIR is not set", hint="name a folder")
    if not Path(named).is_dir():
        raise NotFound(f"there is no folder {named}", hint="it is made when retention deletes the first job")
    if job_id is not None and not is_id(job_id):
        raise Invalid("--id", f"{job_id[:80]!r} is no id of a job")
    first, last = _day(since, "--since") or "", _day(until, "--until") or "~"
    for line in read(Path(named), "logs" if logs else "jobs", first, last, job_id):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _day(text: str | None, option: str) -> str | None:
    if text is not None and not DAY.fullmatch(text):
        raise Invalid(option, f"{text[:80]!r} is no day", hint="for example 2026-11-21")
    return text
