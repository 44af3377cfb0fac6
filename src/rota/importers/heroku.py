"""Reads what the dashboard of Heroku Scheduler shows, copied as text, and lists of its jobs as JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from rota.errors import Invalid
from rota.importers.dialects import GREATEST, check_lone_step
from rota.importers.found import Collector, Found, Options, decoded, digest, one_line, slug

TIMEOUT = "24h"
"""A dyno of the scheduler is ended after a day."""
LONGEST_CELL = 100_000

_SIZE = (
    r"(?:free|eco|hobby|basic|standard-[12]x|performance-[a-z0-9-]+|"
    r"private-[a-z0-9-]+|shield-[a-z0-9-]+|[12]x|px)"
)
_CLOCK = r"(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2}))?\s*(?P<half>[ap]\.?m\.?)?(?:\s*utc)?"
_EVERY = re.compile(r"every\s+(?P<count>[0-9]{1,3})\s*min(?:ute)?s?", re.IGNORECASE)
_HOURLY = re.compile(
    r"(?:hourly|every\s+hour)"
    r"(?:\s+(?:at\s*)?(?:xx)?:?(?P<minute>[0-9]{1,2})(?:\s*min(?:ute)?s?(?:\s+past.*)?)?)?",
    re.IGNORECASE,
)
_DAILY = re.compile(rf"(?:daily|every\s+day)(?:\s*(?:at|@)?\s*{_CLOCK})?", re.IGNORECASE)
_CRON = re.compile(r"(?:[0-9*/,-]+\s+){2}(?:[0-9*/,LW-]+\s+)(?:[A-Za-z0-9*/,-]+\s+)[A-Za-z0-9*/,#-]+|@[a-z]+")
_WHEN = r"every\s+[0-9]{1,3}\s*min|hourly|every\s+hour|daily|every\s+day"
_BEGINS = re.compile(rf"(?<=\s)(?:{_WHEN})", re.IGNORECASE)
_SIZE_BEFORE = re.compile(rf"\s+{_SIZE}(?:\s+\|)?\s*\Z", re.IGNORECASE)
_GAP_BEFORE = re.compile(r"(?:\s{2}|\s\|\s)\Z")
MOST_BEGINNINGS = 100
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_AFTER = re.compile(rf"\s{{2,}}|\s+\|\s+|\s+(?=(?:last run|next due|never\b|{_MONTHS}))", re.IGNORECASE)
_SIZE_ALONE = re.compile(rf"(?:{_SIZE})(?:\s+dyno)?", re.IGNORECASE)
_TOLD = re.compile(
    r"(?:job|task|command|dyno(?: size)?|size|frequency|schedule|last run|next due|next run|edit|delete|remove|"
    r"add(?: new)? job|run command|save job|actions?|never|heroku scheduler|learn more.*|"
    r"(?:last run|next due|next run)\s*:?.*|"
    rf"(?:mon|tue|wed|thu|fri|sat|sun)?[a-z]*,?\s*(?:{_MONTHS})[a-z]*\.? [0-9]{{1,2}}.*|"
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*|"
    r"(?:about |less than )?(?:an?|[0-9]+) [a-z]+ ago|in (?:about )?(?:an?|[0-9]+) [a-z]+)",
    re.IGNORECASE,
)
"""What the dashboard shows beside commands and frequencies."""
_COMMANDS = ("command", "job", "task", "cmd")
_TIMES = ("cron", "schedule", "frequency", "interval", "every", "when")
_CLOCKS = ("at", "time")
_ON = frozenset(("true", "yes", "on", "1", "active", "enabled", "running", "started", "scheduled"))
_OFF = frozenset(("false", "no", "off", "0", "inactive", "disabled", "paused", "stopped", "suspended"))
_SWITCHES = {
    **dict.fromkeys(("enabled", "active", "state", "status"), _OFF),
    **dict.fromkeys(("paused", "disabled", "suspended"), _ON),
}
"""Columns of a list that say whether a job runs, each with the words that mean that it does not."""


def read(raw: bytes, options: Options) -> Found:
    """Read jobs: the text of the dashboard, or a list as JSON or CSV; Heroku's times are UTC."""
    text, collector = decoded(raw), Collector(options)
    head = text.lstrip()[:1]
    if head in ("[", "{"):
        _read_json(text, collector)
    elif _is_csv(text):
        for number, row in _csv_rows(text):
            _take_row(number, row, collector)
    else:
        _read_text(text, collector)
    return collector.found


def _read_text(text: str, collector: Collector) -> None:
    """Walk over the cells in the order in which the dashboard has them: command, size, when, last run, next due."""
    command: tuple[int, str] | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if len(line) > LONGEST_CELL:
            collector.refuse(number, f"is longer than {LONGEST_CELL} characters")
            continue
        for cell in _cells(line.rstrip("\r")):
            if _is_when(cell):
                try:
                    if command is None:
                        raise Invalid("", f"{cell[:60]!r} has no command before it")
                    _add(*command, _when(cell) or "", one_line(cell), collector)
                except Invalid as error:
                    collector.refuse(number, error)
                command = None
            elif _is_command(cell):
                _refuse_alone(command, collector)
                command = (number, _bare(cell))
    _refuse_alone(command, collector)


def _refuse_alone(command: tuple[int, str] | None, collector: Collector) -> None:
    if command is not None:
        number, text = command
        hint = " (if it ends with one, put a tab before it)" if _BEGINS.search(text) else ""
        collector.refuse(number, f"says no frequency{hint}")


def _cells(line: str) -> list[str]:
    if "\t" in line:
        return [cell.strip() for cell in line.split("\t") if cell.strip()]
    text = line.strip()
    if _is_when(text):
        return [text]
    for found in [*_BEGINS.finditer(text)][: -MOST_BEGINNINGS - 1 : -1]:  # a command may speak of days and hours, too
        when = _AFTER.split(text[found.start() :], maxsplit=1)[0].strip()
        before = text[: found.start()]
        if _is_when(when) and (_SIZE_BEFORE.search(before) or _GAP_BEFORE.search(before)):
            return [_SIZE_BEFORE.sub("", before).rstrip(" \t|"), when]
    return [text]


def _is_command(cell: str) -> bool:
    return not (_SIZE_ALONE.fullmatch(cell) or _TOLD.fullmatch(cell))


def _bare(cell: str) -> str:
    """The dashboard shows a prompt before the command."""
    return re.sub(r"\A\$\s+", "", cell)


def _is_when(text: str) -> bool:
    """Whether a text is a frequency, also one that cannot be taken over."""
    try:
        return _when(text) is not None
    except Invalid:
        return True


def _when(text: str) -> str | None:
    """Return the cron expression of a frequency; None for a text that is none.

    Raises Invalid for a frequency that cron does not know.
    """
    text = text.strip()
    if found := _EVERY.fullmatch(text):
        return _every(int(found["count"]))
    if found := _HOURLY.fullmatch(text):
        return f"{int(found['minute'] or 0)} * * * *"
    if found := _DAILY.fullmatch(text):
        return _daily(found)
    if not _CRON.fullmatch(text):
        return None
    for field, greatest in zip(text.split(), GREATEST, strict=False):
        check_lone_step(field, greatest)
    return text


def _every(minutes: int) -> str:
    if not minutes or 60 % minutes:
        hint = f"rota schedules add ID --every {minutes}m" if minutes else None
        raise Invalid("", f"{minutes} minutes do not divide an hour, and cron begins anew with each", hint=hint)
    return f"*/{minutes} * * * *" if minutes < 60 else "0 * * * *"


def _daily(found: re.Match[str]) -> str:
    hour, minute = int(found["hour"] or 0), int(found["minute"] or 0)
    half = (found["half"] or "").replace(".", "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise Invalid("", f"{found[0][:60]!r}: there is no such hour")
        hour = hour % 12 + (12 if half == "pm" else 0)
    return f"{minute} {hour} * * *"


def _unsaid(told: str) -> list[str]:
    """Return what to tell of a frequency that says no time."""
    found = _HOURLY.fullmatch(told) or _DAILY.fullmatch(told)
    if found is None or any(found.groupdict().values()):
        return []
    return [f"{told[:40]!r} says no time: " + ("midnight is taken" if "hour" in found.groupdict() else "minute 0 is")]


def _add(line: int, command: str, cron: str, told: str, collector: Collector, **said: Any) -> None:
    name = said.pop("name", None)
    collector.add(
        line,
        slug(name) if name else f"{_word(command)}-{digest(command)}",
        {"cron": cron},
        {"kind": "command", "shell": command},
        schedule=cron,
        timezone=said.pop("timezone", "UTC"),
        note=f"Heroku Scheduler: {told}",
        warnings=[
            "runs with the environment of the worker: give it the config vars of the app",
            *_unsaid(told),
        ],
        overlap="allow",
        catchup="latest",
        timeout=TIMEOUT,
        **said,
    )


def _word(command: str) -> str:
    words = [word for word in command.split() if word not in ("bundle", "exec", "rake", "npm", "run", "node", "python")]
    return slug(words[0].rsplit("/", 1)[-1] if words else command)


def _read_json(text: str, collector: Collector) -> None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("FILE", f"is not JSON: {error}") from None
    if isinstance(found, dict):
        found = next((found[name] for name in ("jobs", "tasks", "scheduler_jobs", "data") if name in found), [found])
    for number, one in enumerate(found if isinstance(found, list) else [found], 1):
        if isinstance(one, Mapping):
            _take_row(number, one, collector)
        else:
            collector.refuse(number, "is no object with command and frequency")


def _is_csv(text: str) -> bool:
    header = next(iter(text.lstrip().splitlines()), "").lower()
    names = {name.strip().strip('"') for name in header.split(",")}
    return bool(names & set(_COMMANDS)) and bool(names & set(_TIMES))


def _csv_rows(text: str) -> list[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise Invalid("FILE", f"is not CSV: {error} in line {reader.line_num}") from None


def _take_row(number: int, row: Mapping[str, Any], collector: Collector) -> None:
    command = _text(row, _COMMANDS)
    told = _text(row, _TIMES)
    if command is None or told is None:
        collector.refuse(number, f"says no {'command' if command is None else 'frequency'}")
        return
    try:
        told = " at ".join((told, *sorted(_clocks(row))))
        when = _when(told)
        if when is None:
            raise Invalid("", f"the frequency {told[:60]!r} is unknown")
        paused = _is_paused(row)
    except Invalid as error:
        collector.refuse(number, error)
        return
    zone = _text(row, ("timezone", "time_zone", "tz")) or "UTC"
    name = _text(row, ("name", "description", "nickname"))
    more = {"paused": True} if paused else {}
    _add(number, _bare(command), when, one_line(told), collector, name=name, timezone=zone, **more)


def _clocks(row: Mapping[str, Any]) -> set[str]:
    """Return what a row says of the time beside the frequency; raises Invalid for what is no text."""
    said = [row[name] for name in _CLOCKS if row.get(name) is not None]
    if not all(isinstance(one, str) for one in said):
        raise Invalid("", f"{'/'.join(_CLOCKS)}: is no text, as in 5:00 PM")
    return {one.strip() for one in said} - {""}


def _is_paused(row: Mapping[str, Any]) -> bool:
    """Whether a row is switched off, in any of the words that such lists have; raises Invalid for others."""
    said = {name: str(row[name]).strip().lower() for name in _SWITCHES if row.get(name) is not None}
    for name, word in said.items():
        if word not in (_ON | _OFF | {""}) and name != "status":  # which may be that of the last run
            raise Invalid("", f"{name} {word[:40]!r} does not say whether it runs")
    return any(word in _SWITCHES[name] for name, word in said.items())


def _text(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip() if name not in _COMMANDS else value
    return None
