"""Celery's and RQ's files: nothing that makes, changes or switches off a schedule is passed over without a word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rota.errors import Invalid
from rota.importers import celery, rq
from rota.importers.found import Found, Options

CRONTAB = {"minute": "0", "hour": "9"}


def read_json(said: Any, **options: str) -> Found:
    return celery.read(json.dumps(said).encode(), Options(**options))  # type: ignore[arg-type]  # texts are all


def reasons(found: Found) -> dict[int, str]:
    return {one.line: one.reason for one in found.errors}


# -- JSON of Celery ---------------------------------------------------------------------------------------------------


def test_the_zone_and_the_switches_of_json() -> None:
    found = read_json(
        {
            "timezone": "Europe/Paris",
            "beat_schedule": {
                "a": {"task": "t.a", "schedule": CRONTAB},
                "b": {"task": "t.b", "crontab": {**CRONTAB, "timezone": "Asia/Tokyo"}, "enabled": False},
                "c": {"task": "t.c", "schedule": 5, "one_off": True, "enabled": True},
                "d": {"task": "t.d", "schedule": {"type": "crontab", "crontab": {**CRONTAB, "timezone": "Asia/Tokyo"}}},
                "e": {"task": "t.e", "schedule": "0 9 * * *", "timezone": "Asia/Tokyo", "one_off": False},
            },
        }
    )
    said = {one.id: one.definition for one in found.entries}
    assert {name: one["timezone"] for name, one in said.items()} == {
        "a": "Europe/Paris", "b": "Asia/Tokyo", "c": "Europe/Paris", "d": "Asia/Tokyo", "e": "Asia/Tokyo"
    }  # fmt: skip
    assert [name for name, one in said.items() if one.get("paused")] == ["b"]
    assert {name: one["maxRuns"] for name, one in said.items() if "maxRuns" in one} == {"c": 1}
    assert found.notes == [] and found.errors == []


def test_the_zone_beside_entries() -> None:
    entry = {"task": "t", "schedule": CRONTAB}
    for name in ("timezone", "CELERY_TIMEZONE", "TIME_ZONE"):
        found = read_json({name: "Asia/Tokyo", "a": entry})
        assert ([one.timezone for one in found.entries], found.errors) == (["Asia/Tokyo"], [])
    assert [one.id for one in read_json({"timezone": entry}).entries] == ["timezone"]  # an entry of that name
    with pytest.raises(Invalid, match="timezone is no name of a zone"):
        read_json({"timezone": 1, "beat_schedule": {"a": entry}})
    with pytest.raises(Invalid, match="neither an object nor a list"):
        read_json({"beat_schedule": 5})


def test_times_for_which_nothing_says_a_zone_are_told() -> None:
    entry = {"task": "t", "schedule": CRONTAB}
    assert "taken for UTC" in read_json({"a": entry}).notes[0]
    assert "taken for UTC" in read_json([{"name": "a", **entry}]).notes[0]
    assert read_json({"a": entry}, timezone="Asia/Tokyo").notes == []
    assert read_json({"a": {"task": "t", "schedule": 5}}).notes == []  # an interval has none
    assert "enable_utc is off" in read_json({"enable_utc": False, "beat_schedule": {"a": entry}}).notes[0]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"schedule": 5, "enabled": "perhaps"}, "enabled is neither true nor false"),
        ({"schedule": 5, "one_off": []}, "one_off is neither true nor false"),
        ({"schedule": {**CRONTAB, "timezone": 2}}, "timezone: '2' is no name of a zone"),
        ({"schedule": {**CRONTAB, "timezone": "Moon/Base"}}, "timezone"),
        ({"schedule": {**CRONTAB, "day": "1"}}, "says 'day'"),
        ({"schedule": {"hours": 1, "hour": 1}}, "neither seconds nor a crontab"),
        ({"schedule": 5, "crontab": CRONTAB}, "more than one time"),
        ({"crontab": None}, "no time"),
    ],
)
def test_what_json_says_and_nobody_understands_is_refused(said: dict[str, Any], reason: str) -> None:
    found = read_json({"a": {"task": "t", **said}})
    assert found.entries == [] and reason in found.errors[0].reason


def test_what_is_left_out_of_an_entry_is_told() -> None:
    said = {"task": "t", "crontab": CRONTAB, "interval": None, "start_time": "2026-12-01T00:00:00Z", "queue": None}
    (one,) = read_json({"a": said}).entries
    assert one.warnings == ["not taken over: start_time"]


def test_switches_in_a_python_file() -> None:
    text = """beat_schedule = {
    "a": {"task": "t", "schedule": 5, "enabled": False},
    "b": {"task": "t", "schedule": 5, "one_off": True, "description": _("words")},
    "c": {"task": "t", "schedule": 5, "enabled": LIVE},
}"""
    found = celery.read(text.encode(), Options())
    assert [(one.id, one.definition.get("paused"), one.definition.get("maxRuns")) for one in found.entries] == [
        ("a", True, None), ("b", None, 1)
    ]  # fmt: skip
    assert set(reasons(found)) == {4}


# -- Python of Celery -------------------------------------------------------------------------------------------------

ENTRIES = """app.conf.beat_schedule = {"a": {"task": "t.a", "schedule": 5}}
OTHER = {"o": {"task": "t.o", "schedule": 5}}
"""


@pytest.mark.parametrize(
    "statement",
    [
        "app.conf.beat_schedule.update(more())",
        "app.conf.beat_schedule.update(UNKNOWN)",
        "app.conf.beat_schedule.update(**more())",
        "app.conf.beat_schedule.update({**more()})",
        "app.conf.beat_schedule.update(b=make())",
        "app.conf.beat_schedule.update({'b': make()})",
        "app.conf['beat_schedule'].update(more())",
        "app.conf.beat_schedule.setdefault('c', make())",
        "app.conf.beat_schedule.setdefault('c', {'task': 't', 'schedule': 5})",
        "app.conf.beat_schedule.pop('a')",
        "app.conf.beat_schedule.clear()",
        "del app.conf.beat_schedule['a']",
        "del app.conf.beat_schedule",
        "app.conf.beat_schedule |= more()",
        "app.conf.beat_schedule |= UNKNOWN",
        "app.conf['beat_schedule'] = load()",
        "app.conf['beat_schedule']['c'] = make()",
        "CELERY_BEAT_SCHEDULE.update(more())",
    ],
)
def test_what_changes_a_schedule_unseen_is_refused(statement: str) -> None:
    found = celery.read(f"{ENTRIES}{statement}\n".encode(), Options())
    assert set(reasons(found)) == {3}
    assert {"a", "o"} <= {one.id for one in found.entries}


@pytest.mark.parametrize(
    "statement",
    [
        "app.conf.beat_schedule.update(OTHER)",
        "app.conf.beat_schedule.update(x={'task': 't', 'schedule': 5})",
        "app.conf.beat_schedule |= OTHER",
        "print(app.conf.beat_schedule.items())",
        "app.conf['beat_schedule'] = OTHER",
        "headers.update(more())",
    ],
)
def test_what_is_written_out_is_not_refused(statement: str) -> None:
    found = celery.read(f"{ENTRIES}{statement}\n".encode(), Options())
    assert found.errors == [] and found.notes == []
    assert {"a", "o"} <= {one.id for one in found.entries}


@pytest.mark.parametrize(
    "statement",
    [
        "app.conf.update(more())",
        "app.conf.update(**more())",
        "app.conf.update({'x': 1, **more()})",
        "app.config_from_object('django.conf:settings', namespace='CELERY')",
    ],
)
def test_settings_from_elsewhere_are_told(statement: str) -> None:
    found = celery.read(f"{ENTRIES}{statement}\n".encode(), Options())
    assert found.errors == [] and len(found.entries) == 2
    assert found.notes[0].startswith("line 3: what app.conf")


def test_settings_of_a_name_are_seen() -> None:
    text = "SETTINGS = {'timezone': 'Asia/Tokyo', 'beat_schedule': load()}\napp.conf.update(SETTINGS)\n" + ENTRIES
    found = celery.read(text.encode(), Options())
    assert {one.timezone for one in found.entries} == {"Asia/Tokyo"} and found.notes == []
    assert set(reasons(found)) == {1}


# -- Python of RQ -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        "s.cron(*x)",
        "s.schedule(**opts)",
        "register(*ARGS)",
        "register(**opts)",
        "s.schedule(when, 'a.b', interval=60, **kw)",
        "cron.register('a.b', 'q', cron='* * * * *', **EXTRA)",
        "service.schedule_periodic(*x)",
    ],
)
def test_a_call_with_hidden_arguments_is_refused(call: str) -> None:
    found = rq.read(f"\n{call}\n".encode(), Options())
    assert found.entries == [] and set(reasons(found)) == {2}
    assert "not written out" in found.errors[0].reason


def test_mappings_that_are_written_out_are_arguments() -> None:
    text = 'COMMON = {"queue_name": "slow", "timeout": 9}\ns.cron("0 9 * * *", "a.b", **COMMON)\n'
    (one,) = rq.read(text.encode(), Options()).entries
    assert (one.definition["target"]["queue"], one.definition["timeout"]) == ("slow", "9s")


def test_calls_of_others_are_left_alone() -> None:
    text = """
import atexit
from django.contrib import admin
def register(*what): pass
atexit.register(*x)
admin.site.register(*MODELS, **options)
register(*x)
"""
    found = rq.read(text.encode(), Options())
    assert (found.entries, found.errors) == ([], [])
