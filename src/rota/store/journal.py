"""The journal (WAL) of a SQLite file: how large it is, and whose reading keeps it from being written back."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from rota.store.database import Tx

_SHARED = range(123, 128)
"""The bytes of the file ``-shm`` on which those who read the journal hold a lock (``WAL_READ_LOCK`` in SQLite)."""
_LONGEST = 100


class Reader(msgspec.Struct, frozen=True):
    """A process that reads, or has begun to and not ended."""

    pid: int
    command: str


def size(path: str) -> int:
    """Return how many bytes the journal beside a database file has."""
    try:
        return os.stat(f"{path}-wal").st_size
    except OSError:
        return 0


def write_back(tx: Tx) -> bool:
    """Write the journal into the database file and empty it; False where readers or a writer are in the way."""
    row = tx.row("PRAGMA wal_checkpoint(TRUNCATE)")
    return row is not None and row[0] == 0


def readers(path: str) -> list[Reader]:
    """Return the processes that read the database just now; none where the system does not tell."""
    try:
        file = os.stat(f"{path}-shm")
        # The file is not opened for it: closing it again would let go of the locks of this process.
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    name = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    found = set()
    for line in locks:
        words = line.replace("->", "").split()  # number, POSIX, ADVISORY, READ, pid, file, first byte, last byte
        if len(words) == 8 and words[3] == "READ" and words[5] == name and int(words[6]) in _SHARED:
            found.add(int(words[4]))
    return [Reader(pid, _command(pid)) for pid in sorted(found)]


def _command(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "?"
    return " ".join(text.replace("\0", " ").split())[:_LONGEST] or "?"
