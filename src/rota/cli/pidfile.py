"""A pidfile that tells the truth: its process holds a lock on it, which ends with the process, however that dies.

So a file that was left behind, whose number may be another program's by now, is noticed.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import click
import msgspec

from rota.errors import Conflict, RotaError
from rota.local_token import token_path
from rota.settings import load_settings

if os.name == "posix":
    import fcntl


pidfile_option = click.option(
    "--pidfile", type=click.Path(path_type=Path), metavar="F", help="Beside the database, when not given."
)


def find(path: Path | None) -> Pidfile:
    """Return the pidfile that was asked for, else that of the database of the settings."""
    if path is None:
        token = token_path(load_settings().database_url)
        path = token.with_name(token.name.removesuffix("-token").removesuffix(".token") + ".pid")
    return Pidfile(path.absolute())


def background(path: Path | None) -> dict[str, Any] | None:
    """Return what runs in the background by a pidfile, or what it was left behind by; None where there is none."""
    file = find(path)
    if not file.path.exists():
        return None
    pid = file.holder()
    return {"pidfile": str(file.path), "pid": pid, "runs": pid is not None} if pid or file.options() else None


class Pidfile:
    """The file of one service."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def take(self) -> int:
        """Lock the file and return its descriptor, to be inherited by the service.

        Raises Conflict where a service has it.
        """
        if os.name != "posix":
            raise RotaError("there is no `rota start` on this system", hint="run `rota up` by a service manager")
        while True:
            descriptor = self._open(os.O_RDWR | os.O_CREAT)
            if not _lock(descriptor):
                os.close(descriptor)
                raise Conflict(f"it runs already, with process {self._pid()}", hint="rota restart, or rota stop")
            try:
                if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                    return descriptor
            except FileNotFoundError:
                pass
            os.close(descriptor)  # whoever stopped it has removed this one

    def remove(self) -> None:
        """Remove the file, unless a service has it again."""
        with contextlib.suppress(Conflict):
            descriptor = self.take()
            self.path.unlink(missing_ok=True)
            os.close(descriptor)

    def note(self, descriptor: int, pid: int, options: list[str]) -> None:
        """Write which process it is, and how it was started."""
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{pid}\n{msgspec.json.encode(options).decode()}\n".encode())

    def holder(self) -> int | None:
        """Return the process that has the file; None where it was left behind, or is not there."""
        try:
            descriptor = self._open(os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            return None if _lock(descriptor) else self._pid()
        finally:
            os.close(descriptor)

    def options(self) -> list[str]:
        """Return how it was started the last time."""
        lines = self._lines()
        return msgspec.json.decode(lines[1], type=list[str]) if len(lines) > 1 else []

    def _pid(self) -> int | None:
        lines = self._lines()
        return int(lines[0]) if lines and lines[0].isdigit() and int(lines[0]) > 1 else None

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text().splitlines()
        except FileNotFoundError:
            return []

    def _open(self, how: int) -> int:
        try:
            return os.open(self.path, how | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            if not how & os.O_CREAT:
                raise
            raise RotaError(f"there is no folder {self.path.parent}", hint="give another --pidfile") from None
        except OSError as error:
            raise RotaError(f"{self.path} cannot be opened: {error.strerror}", hint="give another --pidfile") from error


def _lock(descriptor: int) -> bool:
    """Take the lock, and tell whether it was free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
