"""Which entries of a file are schedules that it declared before, where their ids alone would not tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from rota.importers.found import Entry

_MADE = re.compile(r"(.*?-[0-9a-f]{8})(?:-(?:[0-9a-f]{8}|[0-9]+))*", re.DOTALL)
"""An id that an importer made of a command, and what it added where that command stands more than once."""
_RULE = ("cron", "every", "seconds", "dayMatch", "timezone")

Key = tuple[Any, ...]


def keep_ids(entries: list[Entry], known: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """Return the entries with the ids of those schedules of this source that they are, by command and time.

    The id of a command that stands once says no time, those of one that stands more than once do.  So without this a
    line that comes or goes would change the ids of others, and their old schedules would run beside the new ones.
    ``known`` is as REST shows schedules.  What is left over of a command has changed its time.
    """
    there = {schedule_id: one for one in known if _MADE.fullmatch(schedule_id := str(one["id"]))}
    found: dict[int, str] = {}
    for key in (_whole, _command_and_time, _command):
        left = [place for place, one in enumerate(entries) if place not in found and _MADE.fullmatch(one.id)]
        taken = set(found.values())
        _match(entries, left, {name: one for name, one in there.items() if name not in taken}, key, found)
    taken = set(found.values())
    kept = []
    for place, entry in enumerate(entries):
        schedule_id = found.get(place) or _free(entry.id, taken, there)
        taken.add(schedule_id)
        kept.append(entry if schedule_id == entry.id else msgspec.structs.replace(entry, id=schedule_id))
    return kept


def _match(
    entries: list[Entry],
    left: list[int],
    there: Mapping[str, Mapping[str, Any]],
    key: Callable[[str, Mapping[str, Any]], Key],
    found: dict[int, str],
) -> None:
    """Give entries the ids of schedules with the same key, each once: first those that have that id already."""
    free: dict[Key, list[str]] = {}
    for schedule_id, one in sorted(there.items()):
        free.setdefault(key(schedule_id, one), []).append(schedule_id)
    for place in sorted(left, key=lambda one: entries[one].id not in there):
        own = entries[place].id
        same = free.get(key(own, entries[place].definition))
        if same:
            found[place] = own if own in same else same[0]
            same.remove(found[place])


def _free(wanted: str, taken: set[str], there: Mapping[str, Any]) -> str:
    found, number = wanted, 1
    while found in taken or (number > 1 and found in there):
        number += 1
        found = f"{wanted}-{number}"
    return found


def _whole(schedule_id: str, one: Mapping[str, Any]) -> Key:
    env = (one.get("target") or {}).get("env") or {}
    return (*_command_and_time(schedule_id, one), tuple(sorted(env.items())))


def _command_and_time(schedule_id: str, one: Mapping[str, Any]) -> Key:
    return (*_command(schedule_id, one), *(one.get(name) for name in _RULE))


def _command(schedule_id: str, _: Mapping[str, Any]) -> Key:
    made = _MADE.fullmatch(schedule_id)
    return (made[1] if made else schedule_id,)
