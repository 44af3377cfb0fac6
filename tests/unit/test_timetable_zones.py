"""Zones: their names, and the changes of their clocks against the zone files themselves."""

from __future__ import annotations

import os
import struct
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.timetable import tzdata_release, zone
from rota.timetable.instant import EPOCH, FIRST_US, LAST_US
from rota.timetable.stretches import FIRST_SECOND, LAST_SECOND, stretch_at

SAMPLE = [
    "Africa/Cairo", "Africa/Casablanca", "Africa/Tunis", "Africa/Monrovia", "America/Boa_Vista",
    "America/Danmarkshavn", "America/Juneau", "America/New_York", "America/Sao_Paulo", "Antarctica/Casey",
    "Asia/Gaza", "Asia/Kathmandu", "Asia/Manila", "Asia/Pyongyang", "Australia/Lord_Howe",
    "Europe/Dublin", "Europe/London", "Europe/Paris", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Kwajalein",
]  # fmt: skip


def changes_in_file(name: str) -> list[tuple[int, int, int]]:
    """Return each change of the clock that a zone's file lists: when, from which offset, to which."""
    data = zone_file(name)
    blocks: list[tuple[int, int, int]] = []
    position = 0
    for size in (4, 8):
        utc, standard, leaps, times, types, letters = struct.unpack(">6l", data[position + 20 : position + 44])
        body = position + 44
        position = body + times * size + times + types * 6 + letters + leaps * (size + 4) + standard + utc
        blocks.append((body, times, types))
    body, times, types = blocks[1]
    instants = struct.unpack(f">{times}q", data[body : body + times * 8])
    kinds = data[body + times * 8 : body + times * 9]
    offsets = [struct.unpack(">l", data[body + times * 9 + n * 6 :][:4])[0] for n in range(types)]
    found = []
    before = offsets[0]
    for instant, kind in zip(instants, kinds, strict=True):
        if offsets[kind] != before and instant >= FIRST_SECOND:
            found.append((instant, before, offsets[kind]))
        before = offsets[kind]
    return found


def zone_file(name: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                return file.read()
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


@pytest.mark.parametrize("name", SAMPLE)
def test_stretches_begin_at_the_changes_of_the_zone_file(name: str) -> None:
    listed = changes_in_file(name)
    assert len(listed) > 1
    for instant, before, after in listed:
        stretch = stretch_at(name, instant)
        assert (stretch.start, stretch.before, stretch.offset) == (instant, before, after)
        assert stretch_at(name, instant - 1).end == instant
        assert stretch_at(name, instant - 1).offset == before


@pytest.mark.parametrize("name", SAMPLE)
def test_stretches_follow_each_other_without_other_changes(name: str) -> None:
    listed = [instant for instant, _, _ in changes_in_file(name)]
    instant, seen = listed[0] - 1, []
    while instant <= listed[-1]:
        stretch = stretch_at(name, instant)
        assert stretch.start <= instant < stretch.end
        if stretch.change and stretch.start == instant:
            seen.append(instant)
        instant = stretch.end
    assert seen == listed


@given(name=st.sampled_from(SAMPLE), days=st.integers(-600_000, 2_930_000), second=st.integers(0, 86_399))
def test_offsets_of_any_year_are_those_of_the_zone(name: str, days: int, second: int) -> None:
    instant = days * 86_400 + second
    local = (EPOCH + timedelta(seconds=instant)).astimezone(ZoneInfo(name))
    stretch = stretch_at(name, instant)
    assert timedelta(seconds=stretch.offset) == local.utcoffset()
    assert stretch.start <= instant < stretch.end


@pytest.mark.parametrize("name", SAMPLE)
def test_changes_of_far_years_are_those_of_the_zone(name: str) -> None:
    for year in (2600, 2601, 4000, 9998, 9999):
        instant = (datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(seconds=1)
        stretch = stretch_at(name, instant)
        while EPOCH + timedelta(seconds=stretch.end - 1) < datetime(year, 12, 29, tzinfo=UTC):
            change = EPOCH + timedelta(seconds=stretch.end)
            stretch = stretch_at(name, stretch.end)
            before = (change - timedelta(seconds=1)).astimezone(ZoneInfo(name)).utcoffset()
            after = change.astimezone(ZoneInfo(name)).utcoffset()
            assert (before, after) == (timedelta(seconds=stretch.before), timedelta(seconds=stretch.offset))


@pytest.mark.parametrize("name", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
def test_the_calendar_has_two_ends(name: str) -> None:
    assert stretch_at(name, FIRST_US // 1_000_000).start <= FIRST_SECOND
    assert stretch_at(name, LAST_US // 1_000_000).end == LAST_SECOND + 1


def test_every_zone_has_an_acceptable_name() -> None:
    for name in zoneinfo.available_timezones():
        if name != "localtime":  # the server's own
            assert isinstance(zone(name), ZoneInfo)


def test_release_of_the_system_database(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    folder = str(tmp_path)
    monkeypatch.setattr(zoneinfo, "TZPATH", (os.path.join(folder, "missing"), folder))
    with open(os.path.join(folder, "UTC"), "wb"):
        pass
    assert tzdata_release() == f"unknown release ({folder})"
    with open(os.path.join(folder, "+VERSION"), "w", encoding="ascii") as file:
        file.write("2024a\n")
    assert tzdata_release() == f"2024a ({folder})"
    with open(os.path.join(folder, "tzdata.zi"), "w", encoding="ascii") as file:
        file.write("# version 2025b\n# more\n")
    assert tzdata_release() == f"2025b ({folder})"


def test_release_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    release, _, source = tzdata_release().partition(" ")
    assert release[:2] == "20" and release[-1].isalpha()
    assert source == "(the tzdata package)"
