"""What an importer finds in a file: entries, and the lines that it refuses with the reason."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from rota.errors import Invalid
from rota.executors import celery_target, command_target, http_target, rq_target
from rota.jsontext import MAX_NAME
from rota.timetable import parse_rule

MOST_ENTRIES = 10_000
"""Of one file: as many schedules as one request may make."""
MOST_LINES = 200_000
LONGEST_NOTE = 2000
LONGEST_SLUG = 60

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_PARSERS = {
    "command": command_target.check_target,
    "http": http_target.parse_target,
    "rq": rq_target.parse_target,
    "celery": celery_target.parse_target,
}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller of an import decides."""

    timezone: str | None = None
    """Of entries that say none; UTC if this says none either."""
    prefix: str = ""
    """Before each id, so that the files of two machines do not meet."""
    overlap: str | None = None
    """Instead of what the old system did."""
    catchup: str | None = None
    queue: str | None = None
    keep_user: bool = True
    module: str | None = None
    """Where functions live that the file defines itself."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that a file schedules."""

    line: int
    id: str
    schedule: str
    """When, in the words of the file."""
    command: str | list[str] | None = None
    """Byte for byte what is run; None where it is no command."""
    env: dict[str, str] = msgspec.field(default_factory=dict)
    timezone: str
    user: str | None = None
    stdin: str | None = None
    note: str | None = None
    warnings: list[str] = msgspec.field(default_factory=list)
    """What Rota does otherwise than the old system."""
    definition: dict[str, Any] = msgspec.field(default_factory=dict)
    """The schedule, as the REST API takes it."""


class Refused(msgspec.Struct, frozen=True):
    """A line that is not imported."""

    line: int
    reason: str


class Found(msgspec.Struct, kw_only=True):
    """All that a file says."""

    entries: list[Entry] = msgspec.field(default_factory=list)
    errors: list[Refused] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    """About the file as a whole."""


class Collector:
    """Takes the entries of a file one by one: checks each, and gives it an id that stays the same."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.found = Found()
        self._taken: set[str] = set()
        self._places: dict[str, list[tuple[int, str]]] = {}
        """Of each name its entries, with the ids that they have where it stands more than once."""

    def refuse(self, line: int, reason: str | Invalid) -> None:
        """Note a line that is not imported; an error of a check is told without the part that nobody wrote."""
        if len(self.found.errors) >= MOST_ENTRIES:
            raise Invalid("FILE", f"has more than {MOST_ENTRIES:,} lines that cannot be imported")
        self.found.errors.append(Refused(line, one_line(_told(reason))))

    def note(self, text: str) -> None:
        """Say something about the file, once."""
        if text not in self.found.notes:
            self.found.notes.append(text)

    def add(
        self,
        line: int,
        name: str,
        rule: Mapping[str, Any],
        target: Mapping[str, Any],
        *,
        schedule: str,
        timezone: str | None = None,
        note: str | None = None,
        warnings: list[str] | None = None,
        **fields: Any,
    ) -> None:
        """Take an entry, or refuse it.

        ``name`` becomes its id, with the time where it stands more than once; ``rule`` is ``{"cron": …}`` or
        ``{"every": …}``, ``fields`` are others of the schedule.
        """
        if len(self.found.entries) >= MOST_ENTRIES:
            raise Invalid("FILE", f"has more than {MOST_ENTRIES:,} entries", hint="import it in parts")
        zone = timezone or self.options.timezone or "UTC"
        plain = f"{self.options.prefix}{name}"[: MAX_NAME - 8]
        timed = f"{plain[: MAX_NAME - 24]}-{digest(plain, json.dumps(rule, sort_keys=True), timezone or '')}"
        try:
            _check(plain, rule, zone, target)
        except Invalid as error:
            self.refuse(line, error)
            return
        schedule_id = self._id(plain, timed)
        self.found.entries.append(
            Entry(
                line=line,
                id=schedule_id,
                schedule=schedule,
                command=_command(target, fields.pop("command", None)),
                env=dict(target.get("env") or {}),
                timezone=zone,
                user=fields.pop("user", None) or target.get("user"),
                stdin=target.get("stdin"),
                note=note,
                warnings=list(warnings or ()),
                definition=self._definition(rule, zone, target, note, fields),
            )
        )

    def _definition(
        self, rule: Mapping[str, Any], zone: str, target: Mapping[str, Any], note: str | None, fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        options = self.options
        chosen = {"overlap": options.overlap, "catchup": options.catchup, "queue": options.queue}
        said = {
            **rule,
            "timezone": zone,
            "target": dict(target),
            **fields,
            **{name: value for name, value in chosen.items() if value is not None},
            "note": one_line(note)[:LONGEST_NOTE] if note else None,
        }
        return {name: value for name, value in said.items() if value is not None}

    def _id(self, plain: str, timed: str) -> str:
        """Return the id of the next entry: its name, and once that stands again the time too.

        The place would not do: a line that is deleted would pass its id on to the next one.
        """
        places = self._places.setdefault(plain, [])
        if len(places) == 1:
            place, first = places[0]
            entries = self.found.entries
            entries[place] = msgspec.structs.replace(entries[place], id=self._free(first))
        places.append((len(self.found.entries), timed))
        return self._free(timed if len(places) > 1 else plain)

    def _free(self, wanted: str) -> str:
        found, number = wanted, 1
        while found in self._taken:
            number += 1
            found = f"{wanted}-{number}"
        self._taken.add(found)
        return found


def _check(schedule_id: str, rule: Mapping[str, Any], zone: str, target: Mapping[str, Any]) -> None:
    """Raise Invalid for what a service would refuse, whatever it knows."""
    parse_rule(
        cron=rule.get("cron"),
        every=rule.get("every"),
        at=rule.get("at"),
        timezone=zone,
        day_match=rule.get("dayMatch"),
        seconds=rule.get("seconds"),
        key=schedule_id,
    )
    for name, value in (target.get("env") or {}).items():
        if "{{" in value:
            raise Invalid(
                "", f"the variable {name} holds {{{{, with which Rota fills in secrets", hint="set it by hand"
            )
    _PARSERS[target["kind"]]({name: value for name, value in target.items() if name != "user"})


def _command(target: Mapping[str, Any], said: Any) -> str | list[str] | None:
    if said is not None:
        return said  # type: ignore[no-any-return]  # what the importer of the format took it for
    found: str | list[str] | None = target.get("shell") or target.get("command")
    return found


def _told(reason: str | Invalid) -> str:
    if isinstance(reason, str):
        return reason
    field = reason.field.removeprefix("target.").removeprefix("shell").removeprefix("cron")
    told = f"{field}: {reason.reason}" if field else reason.reason
    return f"{told} ({reason.hint})" if reason.hint else told


def one_line(text: str) -> str:
    """Return a text without line ends and control characters."""
    return _CONTROL.sub(" ", text).strip()


def slug(text: str) -> str:
    """Return what of a text may stand in an id."""
    found = _UNFIT.sub("-", text).strip("-._")[:LONGEST_SLUG].strip("-._")
    return found or "job"


def named(text: str) -> str:
    """Return the id of something that has a name: the name, and where it had to be changed some letters of its hash."""
    found = slug(text)
    return found if found == text else f"{found}-{digest(text)}"


def digest(*parts: str) -> str:
    """Return a few letters that stand for some texts."""
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(joined, digest_size=4).hexdigest()


def decoded(raw: bytes) -> str:
    """Return the text of a file; raises Invalid for what is none, or has too many lines."""
    if raw.count(b"\n") > MOST_LINES:
        raise Invalid("FILE", f"has more than {MOST_LINES:,} lines")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Invalid("FILE", f"is not UTF-8: {error.reason} in line {line}") from None
