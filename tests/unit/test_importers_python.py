"""Schedules in Python files, in the spellings that people use: what is read, and what is refused instead of guessed."""

from __future__ import annotations

from typing import Any

from rota.importers import celery, rq
from rota.importers.found import Found, Options

BEAT = """
import os
from datetime import timedelta as td
from celery.schedules import crontab as ct, schedule
TZ = "Europe/Paris"
FIVE = 5 * 60
COMMON = {"options": {"queue": "slow", "expires": 30}, "args": (1,)}
ENTRY = {"task": "t.entry", "schedule": FIVE}
RATE = 60
if os.environ.get("PROD"):
    RATE = 10
LATER = [1]
LATER.append(2)
app.conf.timezone = TZ
app.conf.update(
    beat_schedule={
        "common": {**COMMON, "task": "t.common", "schedule": ct(minute=range(0, 60, 15))},
        "named": ENTRY,
        "alias": {"task": "t.alias", "schedule": td(hours=1)},
        "rate": {"task": "t.rate", "schedule": RATE},
        "list": {"task": "t.list", "schedule": 5, "args": LATER},
        "twice": {"task": "t.one", "schedule": 1},
        "hidden": {**make(), "task": "t.x"},
        "made": make_entry("t.y"),
        "inner": {"task": "t.n", "schedule": schedule(run_every=td(minutes=2)), "relative": True},
        "seven": {"task": "t.n", "schedule": ct(day_of_week=7)},
        **EXTRA,
    }
)
app.conf.beat_schedule |= {"twice": dict(task="t.two", schedule=2)}
app.conf.beat_schedule["positional"] = dict(COMMON, task="t.kw", schedule=2)
app.conf.beat_schedule["made"] = make_entry("t.y")
"""


def schedules(found: Found) -> dict[str, str]:
    return {one.id: one.schedule for one in found.entries}


def reasons(found: Found) -> dict[int, str]:
    return {one.line: one.reason for one in found.errors}


def test_spellings_of_beat() -> None:
    found = celery.read(BEAT.encode(), Options())
    assert schedules(found) == {
        "common": "0,15,30,45 * * * *", "named": "@every 300s", "alias": "@every 3600s", "inner": "@every 120s",
        "twice": "@every 2s", "positional": "@every 2s",
    }  # fmt: skip
    assert {one.timezone for one in found.entries} == {"Europe/Paris"}
    by_id: dict[str, dict[str, Any]] = {one.id: one.definition for one in found.entries}
    for name in ("common", "positional"):
        assert (by_id[name]["args"], by_id[name]["expiresIn"]) == ([1], "30s")
        assert by_id[name]["target"]["queue"] == "slow"
    assert by_id["twice"]["target"]["task"] == "t.two"


def test_what_is_hidden_in_beat_is_told() -> None:
    told = reasons(celery.read(BEAT.encode(), Options()))
    assert set(told) == {20, 21, 22, 23, 24, 26, 27, 32}
    assert "RATE is not written out" in told[20] and "LATER is not written out" in told[21]
    assert "stands again in line 30, and Celery takes that one" in told[22]
    assert "make(…) is not written out" in told[23] and "with task and schedule" in told[24]
    assert "'7' is not within 0-6" in told[26] and "taken into beat_schedule" in told[27]
    assert reasons(celery.read(b"app.conf.beat_schedule = load()\n", Options())) == {
        1: "beat_schedule is not written out, and nothing of the file is run"
    }


def test_the_zone_of_beat() -> None:
    entry = b'\nbeat_schedule = {"a": {"task": "t", "schedule": 5}}\n'

    def read(text: bytes, **options: str) -> tuple[str, list[str]]:
        found = celery.read(text + entry, Options(**options))  # type: ignore[arg-type]  # texts are all that is given
        return found.entries[0].timezone, found.notes

    assert read(b'TIME_ZONE = "America/New_York"') == ("America/New_York", [])
    assert read(b'TIME_ZONE = "America/New_York"\nCELERY_TIMEZONE = "Asia/Tokyo"') == ("Asia/Tokyo", [])
    assert read(b'app.conf.update({"timezone": "Asia/Tokyo"})') == ("Asia/Tokyo", [])
    zone, notes = read(b"app.conf.timezone = os.environ['TZ']")
    assert zone == "UTC" and "is not written out" in notes[0]
    assert read(b"app.conf.timezone = os.environ['TZ']", timezone="Asia/Tokyo") == ("Asia/Tokyo", [])
    assert "more than once" in read(b"timezone = 'Asia/Tokyo'\napp.conf.timezone = 'Europe/Paris'")[1][0]
    assert "enable_utc is off" in read(b"enable_utc = False")[1][0]


RQ = """
from datetime import datetime, timezone
s.schedule(datetime(2026, 12, 1, 9), "a.once", interval=86400, repeat=0, at_front=True)
s.schedule(scheduled_time=datetime(2026, 12, 1, 9, tzinfo=timezone.utc), func="a.b", interval=60, repeat=3)
s.schedule(scheduled_time=when, func="a.c", interval=60)
s.schedule(scheduled_time=datetime.now(timezone.utc), func="a.d", interval=60)
s.cron("0 0 0 13 * fri *", func="a.e")
cron.register("a.f", queue_name="x", cron="0 0 */2 * fri", name="weekly thing")
cron.register("a.g", queue_name="x", cron="0 0 1 * * 30")
s.cron("0 9 * * *", func="a.h", use_local_timezone=True)
"""


def test_spellings_of_rq() -> None:
    found = rq.read(RQ.encode(), Options())
    said = {one.line: one.definition for one in found.entries}
    assert [said[line].get("startAt") for line in (3, 4, 5, 6)] == [
        "2026-12-01T09:00:00Z", "2026-12-01T09:00:00Z", None, None
    ]  # fmt: skip
    assert [said[line].get("maxRuns") for line in (3, 4, 5)] == [1, 3, None]
    warned = {one.line: one.warnings for one in found.entries if one.warnings}
    assert set(warned) == {3, 5} and "at_front" in warned[3][0] and "written out" in warned[5][0]
    assert said[8]["cron"] == "0 0 1-31/2 * fri"  # croniter takes either day for */2 too
    assert (said[9]["cron"], said[9]["seconds"]) == ("0 0 1 * * 30", "last")
    assert found.entries[4].id.startswith("weekly-thing-")
    assert set(reasons(found)) == {7}


def test_the_zone_of_rq() -> None:
    found = rq.read(RQ.encode(), Options())
    assert {one.timezone for one in found.entries} == {"UTC"} and "--tz" in found.notes[0]
    there = rq.read(RQ.encode(), Options(timezone="Europe/Paris"))
    assert {one.timezone for one in there.entries} == {"Europe/Paris"} and there.notes == []
