"""What psycopg's errors mean, as our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from rota.errors import (
    DatabaseBusy,
    DatabaseDeadlock,
    DatabaseError,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseRefused,
    DatabaseUnavailable,
    DatabaseUnusable,
)
from rota.store.database import Duplicate

# By SQLSTATE, the first prefix that fits.  Class names would mislead: to psycopg a cancelled statement and a value
# that is too large are operational errors, like a lost connection.
KINDS: tuple[tuple[str, type[DatabaseError]], ...] = (
    ("53100", DatabaseFull),
    ("53", DatabaseBusy),
    ("40P01", DatabaseDeadlock),
    ("40", DatabaseBusy),
    ("55P03", DatabaseBusy),
    ("57014", DatabaseBusy),
    ("25006", DatabaseReadOnly),
    ("25P03", DatabaseUnavailable),
    ("57P", DatabaseUnavailable),
    ("58", DatabaseUnavailable),
    ("08", DatabaseUnavailable),
    ("22", DatabaseRefused),
    ("54", DatabaseRefused),
)
UNIQUE_VIOLATION = "23505"
REFUSALS = (
    "authentication failed",
    "no pg_hba.conf entry",
    "no password supplied",
    "does not exist",
    "permission denied",
)
"""By these words a server says that it is there, but not for this user or not with this database."""


def translate(error: psycopg.Error) -> Exception:
    """Return our own error for one of psycopg's."""
    state = error.sqlstate or ""
    text = " ".join(str(error).split()) or type(error).__name__
    if not state and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return DatabaseUnavailable(f"PostgreSQL: {text}")
    if not state and isinstance(error, psycopg.DataError):
        return DatabaseRefused(f"PostgreSQL: {text}")
    return _by_state(state, text)


def translate_any(error: Exception) -> Exception:
    """Return our own error for one of whatever library a connection is of."""
    if not isinstance(error, psycopg.Error):
        error = getattr(error, "orig", None) or error  # as SQLAlchemy wraps it
    if isinstance(error, psycopg.Error):
        return translate(error)
    if not getattr(error, "sqlstate", None) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    return _by_state(getattr(error, "sqlstate", None) or "", text)


def _by_state(state: str, text: str) -> Exception:
    if state == UNIQUE_VIOLATION:
        return Duplicate(text)
    for prefix, kind in KINDS:
        if state.startswith(prefix):
            return kind(f"PostgreSQL: {text}")
    return DatabaseError(f"PostgreSQL: {text}")


def not_connected(error: psycopg.Error) -> DatabaseUnavailable:
    """Return our own error for a connection that was not made; libpq gives no SQLSTATE for it, only words."""
    text = " ".join(str(error).split()).partition(" Is the server running")[0]
    text = text.removeprefix("connection failed: ").removeprefix("connection is bad: ")
    if any(refusal in text for refusal in REFUSALS):
        return DatabaseUnusable(f"PostgreSQL: {text}", hint="look at user, password and name in ROTA_DATABASE_URL")
    return DatabaseUnavailable(f"PostgreSQL: {text}")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error) from error
