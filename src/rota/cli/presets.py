"""Times of day as people say them, as cron expressions: every hour at 30 minutes past, every day at 09:00."""

from __future__ import annotations

import re

import click

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_MINUTE = re.compile(r":?([0-5]?[0-9])", re.ASCII)


def hourly(text: str) -> str:
    """Return the cron expression of a minute of every hour."""
    match = _MINUTE.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(f"{text[:40]!r} is no minute of an hour (write 0 to 59)")
    return f"{int(match[1])} * * * *"


def daily(text: str) -> str:
    """Return the cron expression of a time of every day."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(f"{text[:40]!r} is no time of day (write for example 09:00)")
    return f"{int(match[2])} {int(match[1])} * * *"
