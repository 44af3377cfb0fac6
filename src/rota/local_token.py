"""The local admin token: a file beside the database that only its user can read, as Jupyter does it.

Whoever can read the file can read the database too, so it opens no door that was closed.  The command line and the
API find the same file by the database's address alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
import tempfile
import time
from pathlib import Path

from rota.errors import RotaError
from rota.settings import DatabaseUrl

PREFIX = "rota_local_"
CODE_VALID_S = 600
"""How long a login link can be used."""


def token_path(url: DatabaseUrl) -> Path:
    """Return where the token of a database is kept: beside a SQLite file, else in the user's state folder."""
    if url.path is not None:
        return Path(f"{url.path}-token")
    name = hashlib.sha256(url.display.encode()).hexdigest()[:16]
    return _state_folder() / f"{name}.token"


def read_local_token(url: DatabaseUrl) -> str | None:
    """Return the token, or None where none was made.

    Raises `RotaError` when the file is not safe: others may have written or read it.
    """
    path = token_path(url)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RotaError(f"{path} cannot be read: {error.strerror}", hint="remove it and start again") from error
    with os.fdopen(descriptor, "rb") as file:
        _check_private(path, os.fstat(file.fileno()))
        token = file.read(200).decode("ascii", "replace").strip()
    if not token.startswith(PREFIX) or len(token) < len(PREFIX) + 40:
        raise RotaError(f"{path} holds no token", hint="remove it and start again")
    return token


def ensure_local_token(url: DatabaseUrl) -> str:
    """Return the token, made now where there is none.  Of several that make it at once, all get the same."""
    found = read_local_token(url)
    if found is not None:
        return found
    path = token_path(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create(path, PREFIX + secrets.token_urlsafe(32))
    except OSError as error:
        raise RotaError(
            f"the local token cannot be kept in {path}: {error.strerror}",
            hint="make its folder writable, or set ROTA_AUTH_SECRET",
        ) from error
    made = read_local_token(url)
    if made is None:
        raise RotaError(f"{path} vanished as it was made", hint="start again")
    return made


def new_login_code(token: str, *, now_s: float | None = None) -> str:
    """Return a code for a login link.

    It proves knowledge of the token without showing it, and ends after ``CODE_VALID_S``; whoever takes it sees to it
    that it is taken once.
    """
    until = int(time.time() if now_s is None else now_s) + CODE_VALID_S
    body = f"{until:x}.{secrets.token_hex(12)}"
    return f"{body}.{_signature(token, body)}"


def is_login_code(token: str, code: str, *, now_s: float | None = None) -> bool:
    """Tell whether a code was made with this token and has not ended."""
    body, _, signature = code.rpartition(".")
    if not code.isascii() or not hmac.compare_digest(signature, _signature(token, body)):
        return False
    now = time.time() if now_s is None else now_s
    return now <= int(body.partition(".")[0], 16) <= now + CODE_VALID_S


def _signature(token: str, body: str) -> str:
    return hmac.new(token.encode(), b"rota login code " + body.encode(), hashlib.sha256).hexdigest()[:32]


def _create(path: Path, token: str) -> None:
    """Write the whole file before it gets its name, so that nobody reads half a token."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(token + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)


def _check_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise RotaError(f"{path} is not a plain file", hint="remove it and start again")
    if os.name == "nt":
        return  # the folder of the user's profile is private there, and modes say nothing
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise RotaError(
            f"{path} may be read or written by others, so its token is worth nothing",
            hint="remove it and start again, as the user who runs Rota",
        )


def _state_folder() -> Path:
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "rota"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "rota"
