"""The directory of one test run, and the end of every server that lives in it.

Whoever started the run holds a lock on the directory while it lives.  A watchdog process waits for that lock, so that
even ``kill -9`` of the run leaves no server and no directory behind.  Standard library only: the watchdog is this file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 10.0
MEMORY = Path("/dev/shm")
ROOM = 3 << 30


def memory() -> Path | None:
    """A folder in memory with room for a run, None where there is none.

    To make a database is to make some 300 files, which takes ten times as long on a disk.
    """
    try:
        found, text = os.statvfs(MEMORY), Path("/proc/meminfo").read_text()
    except OSError:
        return None
    kilobytes = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    room = min(found.f_bavail * found.f_frsize, int(kilobytes[1]) << 10 if kilobytes else 0)
    fits = room >= ROOM and not found.f_flag & os.ST_NOEXEC and os.access(MEMORY, os.W_OK | os.X_OK)
    return MEMORY if fits else None


class RunDirectory:
    """A short directory that servers of another user can enter, shared by all processes of a test run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._alive: int | None = None

    @classmethod
    def create(cls, base: Path | None = None) -> RunDirectory:
        """Make the directory, below ``base`` if given, and hold it until ``close`` or the end of this process."""
        # Sockets have paths of at most 107 bytes, and TMPDIR may be closed to the user who runs the server.
        if base is None and os.path.isdir("/tmp"):
            base = Path("/tmp")
        run = cls(Path(tempfile.mkdtemp(prefix="rota-", dir=base)))
        run.path.chmod(0o711)
        run._alive = os.open(run.path / "alive", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(run._alive, fcntl.LOCK_EX)
        return run

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Only one process of the run at a time does what has this name."""
        with open(self.path / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def watch(self) -> None:
        """Start the watchdog, once per run."""
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path / "watched", os.O_CREAT | os.O_EXCL))
            subprocess.run([sys.executable, "-I", "-S", __file__, str(self.path)], stdin=subprocess.DEVNULL, check=True)

    def close(self) -> None:
        """Stop every server of the run, remove the directory and let the watchdog go."""
        end_servers(self.path)
        shutil.rmtree(self.path, ignore_errors=True)
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None


def end_servers(path: Path) -> None:
    """Stop all PostgreSQL servers whose data lie below the path, at once and for good."""
    servers = [(pid, data) for data in path.glob("*/data") if (pid := server_of(data)) is not None]
    for sign in (signal.SIGQUIT, signal.SIGKILL):
        for pid, _ in servers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + PATIENCE
        while servers and time.monotonic() < deadline:
            time.sleep(0.01)
            servers = [(pid, data) for pid, data in servers if server_of(data) == pid]


def server_of(data: Path) -> int | None:
    """The process id of the server that runs on this data directory, None if none does."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    if not sys.platform.startswith("linux"):
        return pid
    try:
        # A server works in its data directory; a stale file may name the id of a stranger, or of a zombie.
        return pid if os.path.samefile(f"/proc/{pid}/cwd", data) else None
    except OSError:
        return None


def _watch(path: Path) -> None:
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.closerange(3, 256)
    try:
        alive = os.open(path / "alive", os.O_RDWR)
    except FileNotFoundError:
        return
    fcntl.flock(alive, fcntl.LOCK_EX)
    end_servers(path)
    shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    _watch(Path(sys.argv[1]))
