"""Cron expressions of other libraries, written in the words in which Rota means the same."""

from __future__ import annotations

import re

from rota.errors import Invalid

_STARS = frozenset(("*", "?", "*/1", "?/1"))
_STEP = re.compile(r"[*?]/([0-9]+)")
_PLAIN = re.compile(r"[*?]|[0-9]+|[A-Za-z]{3}", re.ASCII)


def either_day(cron: str) -> str:
    """Write an expression of a library that looks for either day field where both are restricted, ``*/2`` too.

    Cron takes what begins with a star for a star.  Macros, and expressions that are none, stay as they are.
    """
    fields = cron.split()
    if len(fields) not in (5, 6):
        return cron
    fields = ["*" if not _STARS.isdisjoint(field.split(",")) else field for field in fields]
    if fields[2] != "*" and fields[4] != "*":
        for place, all_of_it in ((2, "1-31"), (4, "0-6")):
            fields[place] = ",".join(_STEP.sub(rf"{all_of_it}/\1", term) for term in fields[place].split(","))
    return " ".join(fields)


def both_days(cron: str) -> dict[str, str]:
    """Return the rule of an expression of a library where both day fields have to match, whatever they look like."""
    fields = cron.split()
    both = len(fields) == 5 and fields[2] != "*" and fields[4] != "*"
    return {"cron": cron, "dayMatch": "and"} if both else {"cron": cron}


def check_plain(cron: str, whose: str) -> None:
    """Raise Invalid for what Rota would read and that system does not: ``H``, ``L``, ``W``, ``#``."""
    if cron.startswith("@"):
        return
    for field in cron.split():
        for word in re.split(r"[,/-]", field):
            if not _PLAIN.fullmatch(word):
                raise Invalid("", f"{whose} does not read the field {field[:40]!r}")
