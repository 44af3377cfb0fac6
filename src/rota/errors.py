"""Every error that Rota raises on purpose, under one root.

The class decides the machine-readable ``code`` and the HTTP status; the instance says what was wrong and,
where there is one, the fix (``hint``).  A user's mistake is shown as one line, never as a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def meant(name: str, known: Iterable[str], otherwise: str | None = None, *, cutoff: float = 0.6) -> str | None:
    """Return a hint with the known name that is nearest to a wrong one, else ``otherwise``."""
    by_lowered = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), by_lowered, 1, cutoff)
    return f"did you mean {by_lowered[close[0]]}?" if close else otherwise


class RotaError(Exception):
    """Something went wrong."""

    code = "internal-error"
    status = 500

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        doc = (type(self).__doc__ or "").strip().splitlines()[0]
        self.message = message or doc
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class Invalid(RotaError):
    """A value was refused."""

    code = "invalid"
    status = 422

    def __init__(self, field: str, reason: str, *, hint: str | None = None) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}" if field else reason, hint=hint)


class SettingInvalid(Invalid):
    """A setting has an unknown name or a wrong value."""

    code = "setting-invalid"


class UnknownJobType(Invalid):
    """The job type was never declared."""

    code = "unknown-job-type"


class TooLarge(Invalid):
    """A value is larger than its limit."""

    code = "too-large"
    status = 413


class NotFound(RotaError):
    """There is no such thing."""

    code = "not-found"
    status = 404


class Conflict(RotaError):
    """The state of the thing does not allow this."""

    code = "conflict"
    status = 409


class Owned(Conflict):
    """The schedule belongs to another owner."""

    code = "owned"


class AttemptOver(Conflict):
    """The attempt is over."""

    code = "attempt-over"


class Unauthorized(RotaError):
    """Missing authorization"""

    code = "unauthorized"
    status = 401


class Forbidden(RotaError):
    """Admin access required"""

    code = "forbidden"
    status = 403


class DatabaseError(RotaError):
    """The database refused or failed a statement."""

    code = "database-error"
    status = 503


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached."""

    code = "database-unavailable"


class DatabaseUnusable(DatabaseUnavailable):
    """The database cannot be used as it is set up."""


class DatabaseBusy(DatabaseError):
    """The database is busy."""

    code = "database-busy"


class DatabaseDeadlock(DatabaseBusy):
    """Two transactions waited for each other."""


class DatabaseReadOnly(DatabaseError):
    """The database is read-only."""

    code = "database-read-only"


class DatabaseFull(DatabaseError):
    """The disk of the database is full."""

    code = "database-full"


class DatabaseRefused(DatabaseError):
    """The database cannot store a value."""

    code = "invalid"
    status = 422


class SchemaMismatch(RotaError):
    """The database has a schema that this version cannot use."""

    code = "schema-mismatch"
    status = 503


class ArchiveUnreadable(RotaError):
    """A file of the archive cannot be read."""

    code = "archive-unreadable"


class ServiceUnavailable(RotaError):
    """The service cannot be reached."""

    code = "service-unavailable"
    status = 503
