"""Starts the process of a command: pipes, environment, user, limits.

Standard library only, as in everything that the shepherd loads.
"""

from __future__ import annotations

import errno
import os
import pwd
import resource
import subprocess
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

from rota.executors.proctree import LINUX

_CPU_GRACE_S = 5
"""Between the CPU limit (SIGXCPU, which a program may handle) and its enforcement (SIGKILL)."""
_MEMORY = resource.RLIMIT_DATA if LINUX else resource.RLIMIT_AS
"""Linux counts private writable memory, not address space, of which many runtimes reserve more than they use."""


class Spawned(NamedTuple):
    """A started command: its process, and our ends of its output."""

    process: subprocess.Popen[bytes]
    stdout: int
    stderr: int


class Refused(Exception):
    """The command could not be started; says at which step and why."""

    def __init__(self, step: str, error: OSError) -> None:
        self.step = step
        self.errno = error.errno or 0
        self.text = error.strerror or str(error)
        super().__init__(f"{step}: {self.text}")


def spawn(spec: dict[str, Any]) -> Spawned:
    """Start the command of ``spec`` in a session of its own.  Raises `Refused`."""
    opened: list[int] = []
    kept: set[int] = set()
    try:
        stdin = _stdin(spec["stdin"], opened)
        stdout, stdout_write = _pipe(opened)
        stderr, stderr_write = _pipe(opened)
        environ = {**os.environ, **spec["env"]}
        process = subprocess.Popen(
            spec["argv"],
            stdin=stdin,
            stdout=stdout_write,
            stderr=stderr_write,
            cwd=spec["cwd"],
            env=environ,
            start_new_session=True,
            preexec_fn=_limiter(spec["limits"]),  # noqa: PLW1509 - a keeper has no threads
            **_user(spec["user"], spec["env"], environ),
        )
        kept = {stdout, stderr}
        return Spawned(process, stdout, stderr)
    except OSError as error:
        step = "cwd" if spec["cwd"] and error.filename == spec["cwd"] else "program"
        raise Refused(step, error) from None
    except (subprocess.SubprocessError, ValueError) as error:
        raise Refused("limits" if spec["limits"] else "program", OSError(errno.EINVAL, str(error))) from None
    finally:
        for each in opened:
            if each not in kept:
                os.close(each)


def _pipe(opened: list[int]) -> tuple[int, int]:
    ends = os.pipe()
    opened += ends
    os.set_blocking(ends[0], False)
    return ends


def _stdin(text: str | None, opened: list[int]) -> int:
    """Return a file with the text: unlike a pipe it needs nobody to feed it."""
    if not text:
        return subprocess.DEVNULL
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("stdin")
    else:
        number, path = tempfile.mkstemp(prefix="rota-stdin-")
        os.unlink(path)
    opened.append(number)
    rest = memoryview(text.encode())
    while rest:
        rest = rest[os.write(number, rest) :]
    os.lseek(number, 0, os.SEEK_SET)
    return number


def _user(name: str | None, given: dict[str, str], environ: dict[str, str]) -> dict[str, Any]:
    """Return how to become the user, with the variables that a login would set."""
    if name is None:
        return {}
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise Refused("user", OSError(0, f"there is no user {name} on this machine")) from None
    login = {"HOME": user.pw_dir, "SHELL": user.pw_shell, "USER": name, "LOGNAME": name}
    environ.update((key, value) for key, value in login.items() if key not in given)
    if user.pw_uid == os.geteuid():
        return {}
    if os.geteuid() != 0:
        raise Refused("user", OSError(0, f"only a worker of root can run commands as {name}"))
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": os.getgrouplist(name, user.pw_gid)}


def _limiter(limits: dict[str, int]) -> Callable[[], None] | None:
    """Return what sets the limits in the new process; only then it costs a real fork."""
    wanted = []
    if "memory" in limits:
        wanted.append((_MEMORY, limits["memory"], limits["memory"]))
    if "cpu" in limits:
        wanted.append((resource.RLIMIT_CPU, limits["cpu"], limits["cpu"] + _CPU_GRACE_S))
    if "processes" in limits:
        wanted.append((resource.RLIMIT_NPROC, limits["processes"], limits["processes"]))
    if "files" in limits:
        wanted.append((resource.RLIMIT_NOFILE, limits["files"], limits["files"]))
    if not wanted:
        return None

    def apply() -> None:
        for which, soft, hard in wanted:
            most = resource.getrlimit(which)[1]
            if most == resource.RLIM_INFINITY:
                resource.setrlimit(which, (soft, hard))
            else:
                resource.setrlimit(which, (min(soft, most), min(hard, most)))

    return apply
