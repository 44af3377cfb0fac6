"""How long a process waits to write to a SQLite file that others write to all the time.

``python -m benchmarks.sqlite_waits [PROCESSES] [SECONDS]`` runs it with our way of waiting and with SQLite's own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from rota.settings import parse_database_url
from rota.store import jobs, migrate, sqlite
from rota.store.opening import open_database
from tests.store.builders import new_job


def write(url: str, seconds: float, own_handler: bool) -> None:
    """Commit single inserts as fast as it goes, and print the waits."""
    if own_handler:
        sqlite.SETUP = ("PRAGMA busy_timeout=10000", *sqlite.SETUP[1:])
    db = open_database(parse_database_url(url))
    waits = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        with db.transaction() as tx:
            jobs.insert(tx, [new_job()])
        waits.append((time.perf_counter() - began) * 1000)
    waits.sort()
    middle, late = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    print(
        f"  {len(waits):6} commits, p50 {middle:6.2f} ms, p99 {late:6.1f} ms, longest {waits[-1]:7.1f} ms", flush=True
    )
    db.close()


def main(processes: int = 4, seconds: float = 6.0) -> None:
    for own_handler in (False, True):
        print(f"{processes} processes, waiting {'by the busy handler of SQLite' if own_handler else 'our way'}:")
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/rota.db"
            db = open_database(parse_database_url(url))
            migrate.migrate(db)
            db.close()
            command = [sys.executable, "-m", "benchmarks.sqlite_waits", "--write", url, str(seconds)]
            sys.stdout.flush()
            for process in [subprocess.Popen([*command, str(int(own_handler))]) for _ in range(processes)]:
                process.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write(sys.argv[2], float(sys.argv[3]), sys.argv[4] == "1")
    else:
        main(*[int(argument) for argument in sys.argv[1:3]])
