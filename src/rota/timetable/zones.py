"""Time zones: their names, and the release of their data."""

from __future__ import annotations

import os
import re
import zoneinfo
from functools import lru_cache
from importlib import import_module
from zoneinfo import ZoneInfo

from rota.errors import Invalid, meant

# Every part of an IANA name begins with a capital, and nothing else in a zone folder does: not posix/, right/,
# localtime or a table of leap seconds.
_NAME = re.compile(r"[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*", re.ASCII)
_LONGEST_NAME = 64
_HINT = "use a name of the IANA database such as Europe/Paris, America/New_York or UTC"


def zone(name: str, field: str = "timezone") -> ZoneInfo:
    """Return a time zone by its IANA name; raises `Invalid` for ``field`` when there is none of that name."""
    if not isinstance(name, str):
        raise Invalid(field, f"a time zone is a name, not {type(name).__name__}", hint=_HINT)
    if not name:
        raise Invalid(field, "a time zone is empty", hint=_HINT)
    if len(name) > _LONGEST_NAME:
        raise Invalid(field, f"a time zone's name is longer than {_LONGEST_NAME} characters", hint=_HINT)
    try:
        return _load(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(field, f"there is no time zone {name!r}", hint=_resembling(name)) from None


# ZoneInfo keeps eight zones only, and would read the others from disk again and again.
@lru_cache(maxsize=1024)
def _load(name: str) -> ZoneInfo:
    if not _NAME.fullmatch(name):
        raise ValueError(name)
    return ZoneInfo(name)


def tzdata_release() -> str:
    """Name the release of the zone data in use and where it comes from, as in ``2025b (/usr/share/zoneinfo)``."""
    for folder in zoneinfo.TZPATH:
        if os.path.isfile(os.path.join(folder, "UTC")):
            return f"{_release_in(folder)} ({folder})"
    # By name, since the package carries no types.
    return f"{import_module('tzdata').IANA_VERSION} (the tzdata package)"


def _release_in(folder: str) -> str:
    for name in ("tzdata.zi", "+VERSION"):
        try:
            with open(os.path.join(folder, name), encoding="ascii", errors="replace") as file:
                first_line = file.readline(80)
        except OSError:
            continue
        release = re.search(r"[0-9]{4}[a-z]*", first_line)
        if release:
            return release[0]
    return "unknown release"


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    return {name.lower(): name for name in sorted(zoneinfo.available_timezones()) if _NAME.fullmatch(name)}


def _resembling(name: str) -> str | None:
    return meant(name, _names().values(), _HINT, cutoff=0.7)
