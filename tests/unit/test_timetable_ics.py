"""Calendar files: what real ones say, in any zone; hostile ones are refused at once."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.errors import Invalid, TooLarge
from rota.timetable import Calendar, describe_calendar, format_instant, parse_calendar, parse_ics, parse_instant
from rota.timetable.events import Event
from rota.timetable.instant import FIRST_US, LAST_US
from tests.unit.test_timetable_walk import walked


def file(*events: Iterable[str], head: str = "") -> str:
    parts = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//y//EN"]
    parts += head.splitlines()
    for event in events:
        parts += ["BEGIN:VEVENT", *event, "END:VEVENT"]
    return "\r\n".join([*parts, "END:VCALENDAR", ""])


def calendar(text: str) -> Calendar:
    return parse_calendar(events=parse_ics(text))


def spans(text: str, zone: str = "Europe/Paris", first: str = "2026-01-01", until: str = "2027-01-01") -> list[str]:
    limits = [parse_instant(f"{day}T00:00Z", "day") for day in (first, until)]
    found = calendar(text).spans(limits[0], limits[1], zone)
    return [f"{format_instant(begin)[5:16]} {format_instant(end)[5:16]}" for begin, end in found]


def days(text: str, first: str = "2026-01-01", until: str = "2027-01-01") -> list[str]:
    return [line[:5] for line in spans(text, "UTC", first, until)]


@pytest.fixture(autouse=True, scope="module")
def only_what_is_new_is_collected() -> Iterator[None]:
    """Keep the collector from what thousands of tests before have left: it is no part of the time that is measured."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


DAY_OFF = ("UID:1", "DTSTART;VALUE=DATE:20261225")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (DAY_OFF, ["12-24T23:00 12-25T23:00"]),
        (("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"), ["12-23T23:00 12-26T23:00"]),
        (("DTSTART;VALUE=DATE:20260328", "DURATION:P2D"), ["03-27T23:00 03-29T22:00"]),
        (("DTSTART;VALUE=DATE:20260328", "DURATION:P1W"), ["03-27T23:00 04-03T22:00"]),
        (("DTSTART:20260601T100000Z", "DTEND:20260601T113000Z"), ["06-01T10:00 06-01T11:30"]),
        (("DTSTART:20260601T100000", "DURATION:PT90M"), ["06-01T08:00 06-01T09:30"]),
        (("DTSTART;TZID=America/New_York:20260601T100000", "DURATION:PT1H"), ["06-01T14:00 06-01T15:00"]),
        (('DTSTART;TZID="Romance Standard Time":20260601T100000', "DURATION:PT1H"), ["06-01T08:00 06-01T09:00"]),
        (("DTSTART;TZID=/mozilla.org/1/Asia/Tokyo:20260601T100000", "DURATION:PT1H"), ["06-01T01:00 06-01T02:00"]),
        (
            ("DTSTART;TZID=Asia/Tokyo:20260601T100000", "DTEND;TZID=Europe/London:20260601T100000"),
            ["06-01T01:00 06-01T09:00"],
        ),
        (("DTSTART;TZID=Europe/Paris:20260329T023000", "DURATION:PT1H"), ["03-29T01:30 03-29T02:30"]),
        (("DTSTART;TZID=Europe/Paris:20261025T023000", "DURATION:PT2H"), ["10-25T00:30 10-25T02:30"]),
        (("DTSTART;TZID=Europe/Paris:20260101T100000", "DTEND;TZID=Europe/Paris:20260101T100000"), []),
        (("DTSTART:20260601T100000Z",), []),
        ((*DAY_OFF, "STATUS:CANCELLED"), []),
        ((*DAY_OFF, "TRANSP:TRANSPARENT", "SUMMARY:as feasts", " are said"), ["12-24T23:00 12-25T23:00"]),
    ],
)
def test_one_event(event: tuple[str, ...], expected: list[str]) -> None:
    assert spans(file(event)) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (("DTSTART;VALUE=DATE:20001225", "RRULE:FREQ=YEARLY"), ["12-25"]),
        (("DTSTART;VALUE=DATE:20001123", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH"), ["11-26"]),
        (("DTSTART;VALUE=DATE:20260105", "RRULE:FREQ=WEEKLY;COUNT=3"), ["01-05", "01-12", "01-19"]),
        (("DTSTART;VALUE=DATE:20260105", "RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=3"), ["01-05", "01-19", "02-02"]),
        (("DTSTART;VALUE=DATE:20260105", "RRULE:FREQ=WEEKLY;UNTIL=20260119"), ["01-05", "01-12", "01-19"]),
        (("DTSTART:20260105T000000Z", "DURATION:P1D", "RRULE:FREQ=WEEKLY;UNTIL=20260119T000000Z"),
         ["01-05", "01-12", "01-19"]),
        (("DTSTART:20260105T000000Z", "DURATION:P1D", "RRULE:FREQ=WEEKLY;UNTIL=20260118T235959Z"), ["01-05", "01-12"]),
        (("DTSTART;VALUE=DATE:20260131", "RRULE:FREQ=MONTHLY;UNTIL=20260701"), ["01-31", "03-31", "05-31"]),
        (("DTSTART;VALUE=DATE:20260130", "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=3"),
         ["01-30", "02-27", "03-31"]),
        (("DTSTART;VALUE=DATE:20260103", "RRULE:FREQ=DAILY;INTERVAL=100;COUNT=3"), ["01-03", "04-13", "07-22"]),
        (("DTSTART;VALUE=DATE:20260103", "RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:20260104"), ["01-03", "01-05"]),
        (("DTSTART;VALUE=DATE:20260103", "RDATE;VALUE=DATE:20260201,20260301"), ["01-03", "02-01", "03-01"]),
        (("DTSTART;VALUE=DATE:20260108", "RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=3"), ["01-08", "01-12", "01-19"]),
    ],
)  # fmt: skip
def test_recurring_events(event: tuple[str, ...], expected: list[str]) -> None:
    assert days(file(event)) == expected


def test_a_recurring_event_goes_by_the_clock_of_its_zone() -> None:
    text = file(("DTSTART;TZID=Europe/Paris:20260323T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2"))
    assert spans(text, "Asia/Tokyo") == ["03-23T08:00 03-23T09:00", "03-30T07:00 03-30T08:00"]


def test_a_changed_recurrence_is_in_place_of_the_planned_one() -> None:
    weekly = ("UID:a", "DTSTART;TZID=Europe/Paris:20260105T180000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=4")
    moved = ("UID:a", "RECURRENCE-ID:20260112T170000Z", "DTSTART;TZID=Asia/Tokyo:20260113T180000", "DURATION:PT2H")
    cancelled = ("UID:a", "RECURRENCE-ID;TZID=Europe/Paris:20260119T180000", "STATUS:CANCELLED",
                 "DTSTART;TZID=Europe/Paris:20260119T180000")  # fmt: skip
    other = ("UID:b", "RECURRENCE-ID:20260126T170000Z", "STATUS:CANCELLED", "DTSTART:20260126T170000Z")
    expected = ["01-05T17:00 01-05T18:00", "01-13T09:00 01-13T11:00", "01-26T17:00 01-26T18:00"]
    assert spans(file(moved, weekly, cancelled, other)) == expected


def test_a_zone_of_the_file_itself_says_where_it_is() -> None:
    head = "BEGIN:VTIMEZONE\nTZID:Head Office\nX-LIC-LOCATION:Asia/Tokyo\nEND:VTIMEZONE"
    text = file(("DTSTART;TZID=Head Office:20260601T100000", "DURATION:PT1H"), head=head)
    assert spans(text) == ["06-01T01:00 06-01T02:00"]


def test_only_events_are_read_and_of_them_what_says_when() -> None:
    inner = ("UID:1", "BEGIN:VALARM", "TRIGGER:nonsense", "DTSTART:nonsense", "END:VALARM", DAY_OFF[1], "GEO:nonsense")
    head = "BEGIN:VTODO\nDTSTART:nonsense\nEND:VTODO\nX-WR-CALNAME:Days off"
    assert days(file(inner, head=head).replace("\r\n", "\n")) == ["12-25"]
    assert days("\ufeff" + file(inner, head=head).replace("\r\n", "\r")) == ["12-25"]


def test_lines_may_be_folded_anywhere() -> None:
    assert days(file(DAY_OFF).replace("VALUE=DATE:2026", "VAL\r\n UE=DATE:20\r\n\t26")) == ["12-25"]


def test_events_are_stored_as_json() -> None:
    events = parse_ics(file(DAY_OFF, ("DTSTART:20260101T000000Z", "DURATION:PT1H", "RRULE:FREQ=MONTHLY;BYDAY=-1FR")))
    assert msgspec.json.decode(msgspec.json.encode(events), type=tuple[Event, ...]) == events
    assert describe_calendar(parse_calendar(events=events)) == "2 events of a calendar file"


def test_a_file_without_events_covers_nothing() -> None:
    assert parse_ics(file()) == ()


WRONG = {
    "nothing": ("", "no calendar file"),
    "something else": ("<html>", "no calendar file"),
    "a file cut off": (file(DAY_OFF)[:-16], "ends within VCALENDAR"),
    "an end of nothing": ("BEGIN:VCALENDAR\nEND:VEVENT\n", "line 2: END:VEVENT ends nothing"),
    "no start": (file(("UID:1",)), "event at line 4: DTSTART is missing"),
    "no time": (file(DAY_OFF, ("UID:1", "DTSTART:tomorrow")), "event at line 8 cannot be read"),
    "no date": (file(("DTSTART;VALUE=DATE:20260230",)), "event at line 4 cannot be read"),
    "an unknown zone": (file(("DTSTART;TZID=Mars/Olympus:20260101T000000",)), "'Mars/Olympus' is not known"),
    "a day and a time": (file(("DTSTART;VALUE=DATE:20260101", "DTEND:20260102T000000Z")), "not both days"),
    "seconds": (file((*DAY_OFF, "RRULE:FREQ=SECONDLY")), "FREQ=SECONDLY of RRULE is not known"),
    "hours": (file((*DAY_OFF, "RRULE:FREQ=DAILY;BYHOUR=1,2")), "BYHOUR of RRULE is not known"),
    "weeks of the year": (file((*DAY_OFF, "RRULE:FREQ=YEARLY;BYWEEKNO=20")), "BYWEEKNO of RRULE is not known"),
    "no frequency": (file((*DAY_OFF, "RRULE:INTERVAL=2")), "event at line 4"),
    "a strange frequency": (file((*DAY_OFF, "RRULE:FREQ=SOMETIMES")), "event at line 4"),
    "an interval of 0": (file((*DAY_OFF, "RRULE:FREQ=DAILY;INTERVAL=0")), "INTERVAL=0"),
    "a negative count": (file((*DAY_OFF, "RRULE:FREQ=DAILY;COUNT=-1")), "COUNT=-1"),
    "a thirteenth month": (file((*DAY_OFF, "RRULE:FREQ=YEARLY;BYMONTH=13")), "BYMONTH=13"),
    "day 0": (file((*DAY_OFF, "RRULE:FREQ=YEARLY;BYMONTHDAY=0")), "BYMONTHDAY=0"),
    "a numbered day of a week": (file((*DAY_OFF, "RRULE:FREQ=WEEKLY;BYDAY=2MO")), "BYDAY"),
    "a date of a week": (file((*DAY_OFF, "RRULE:FREQ=WEEKLY;BYMONTHDAY=2")), "BYMONTHDAY does not go"),
    "no weekday": (file((*DAY_OFF, "RRULE:FREQ=WEEKLY;BYDAY=XX")), "event at line 4"),
    "a count and an end": (file((*DAY_OFF, "RRULE:FREQ=DAILY;COUNT=2;UNTIL=20270101")), "both COUNT and UNTIL"),
    "two rules": (file((*DAY_OFF, "RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY")), "several RRULE"),
    "an exception rule": (file((*DAY_OFF, "RRULE:FREQ=DAILY", "EXRULE:FREQ=WEEKLY")), "EXRULE is not known"),
    "all from there on": (file((*DAY_OFF, "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20261225")), "RANGE"),
    "a period": (file((*DAY_OFF, "RDATE;VALUE=PERIOD:20260101T000000Z/PT1H")), "periods in RDATE"),
    "long and often": (file((*DAY_OFF, "DURATION:P500D", "RRULE:FREQ=DAILY")), "longer than 400 days"),
    "two starts": (file((*DAY_OFF, "DTSTART;VALUE=DATE:20261226")), "event at line 4"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_understood_is_refused_with_its_place(kind: str) -> None:
    text, reason = WRONG[kind]
    with pytest.raises(Invalid) as refusal:
        parse_ics(text)
    assert refusal.value.field == "ics" and reason in refusal.value.reason


def many(count: int, *lines: str) -> str:
    return file(*(tuple(line.replace("#", str(number)) for line in lines) for number in range(count)))


HOSTILE: dict[str, Callable[[], str]] = {
    "more than a megabyte": lambda: file((*DAY_OFF, "DESCRIPTION:" + "x" * (1 << 20))),
    "thousands of events": lambda: many(11_000, "UID:#", DAY_OFF[1]),
    "a megabyte of lines": lambda: file(("X:1\r\n" * 200_000).splitlines()),
    "a megabyte of starts": lambda: file(["DTSTART:20260101T000000Z"] * 40_000),
    "a megabyte of dates": lambda: file((*DAY_OFF, "EXDATE;VALUE=DATE:" + ",".join(["20260101"] * 110_000))),
    "a megabyte of lists": lambda: file((*DAY_OFF, *["EXDATE;VALUE=DATE:20260101"] * 37_000)),
    "a megabyte of nests": lambda: "BEGIN:VCALENDAR\n" + "BEGIN:VEVENT\n" * 80_000,
    "daily events by the thousand": lambda: many(2000, "UID:#", "DTSTART;VALUE=DATE:19000101", "RRULE:FREQ=DAILY"),
    "counts that never end": lambda: many(
        2000, "UID:#", "DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=9999"
    ),
    "changes by the thousand": lambda: file(
        *[("UID:1", DAY_OFF[1])] * 1000, *[("UID:1", "RECURRENCE-ID;VALUE=DATE:20261225", DAY_OFF[1])] * 1000
    ),
    "daily rules that name no day": lambda: many(
        1000, "UID:#", "DTSTART;VALUE=DATE:20000101", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"
    ),
    "unknown zones by the thousand": lambda: many(2000, "UID:#", "DTSTART;TZID=Mars/Olympus#:20260101T000000"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused_in_less_than_a_second(kind: str) -> None:
    text = HOSTILE[kind]()
    started = time.process_time()
    with pytest.raises(Invalid) as refusal:
        parse_ics(text)
    assert time.process_time() - started < 1
    assert refusal.value.field == "ics" and len(str(refusal.value)) < 300


@pytest.mark.parametrize("lines", [["DESCRIPTION:" + "x" * 1_000_000], ["UID:" + "x" * 1_000_000], [" "] * 300_000])
def test_what_matters_not_may_be_large(lines: list[str]) -> None:
    text = file((*DAY_OFF, *lines))
    started = time.process_time()
    assert days(text) == ["12-25"]
    assert time.process_time() - started < 1


def test_a_large_calendar_is_read_and_asked_in_less_than_a_second() -> None:
    text = many(1500, "UID:#", "SUMMARY:Feast of #", "DTSTART;VALUE=DATE:19991225", "RRULE:FREQ=YEARLY")
    started = time.process_time()
    known = calendar(text)
    assert known.covers(parse_instant("2026-12-25T12:00Z", "at"), "UTC")
    assert time.process_time() - started < 1.5
    started = time.process_time()
    for hour in range(1000):
        known.covers(parse_instant("2026-01-01T00:00Z", "at") + hour * 3_600_000_000, "UTC")
    assert time.process_time() - started < 0.1


def test_what_never_comes_costs_nothing() -> None:
    never = calendar(many(200, "UID:#", "DTSTART;VALUE=DATE:20000101", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"))
    started = time.process_time()
    assert not never.covers(parse_instant("2026-02-28T12:00Z", "at"), "UTC")
    assert time.process_time() - started < 1


ALL = file(
    (*DAY_OFF, "RRULE:FREQ=YEARLY;BYMONTH=1,2;BYDAY=1MO,-1FR;BYSETPOS=1;WKST=SU;UNTIL=20300101"),
    ("UID:a", "DTSTART;TZID=Asia/Tokyo:20260101T000000", "DURATION:P1DT2H", "RRULE:FREQ=WEEKLY;COUNT=9"),
    ("UID:a", "RECURRENCE-ID;TZID=Asia/Tokyo:20260108T000000", "DTSTART:20260109T000000Z", "DTEND:20260109T010000Z"),
    ("UID:b", "DTSTART:20260101T000000", "DURATION:PT2H", "RDATE:20260201T000000", "EXDATE;VALUE=DATE:20260101"),
)
SCRAPS = [
    "BEGIN:VEVENT\n", "END:VEVENT\n", ";TZID=", ";VALUE=DATE", "VALUE=PERIOD", "-P1D", "99999999", "T000000", "Z",
    "P1D", "RRULE:", "FREQ=DAILY", ";COUNT=9999", "BYDAY=", "RDATE:", "EXDATE:", "RECURRENCE-ID:", "/PT1H",
    "STATUS:CANCELLED", "00010101", "99991231", "T235959", "-1",
    "\0", "\ud800", ":", ";", ",", "=", '"', "\n ", " ", "é", "",
]  # fmt: skip


@settings(walked, max_examples=300)
@given(
    cuts=st.lists(
        st.tuples(st.integers(0, len(ALL)), st.integers(0, 20), st.sampled_from(SCRAPS)), min_size=1, max_size=6
    )
)
def test_any_text_is_a_calendar_or_refused(cuts: list[tuple[int, int, str]]) -> None:
    text = ALL
    for place, length, scrap in cuts:
        text = text[:place] + scrap + text[place + length :]
    try:
        known = calendar(text)
    except Invalid as refusal:
        assert refusal.field == "ics" and refusal.reason
    else:
        for instant in (FIRST_US, 0, parse_instant("2026-01-15T00:00Z", "at"), LAST_US):
            known.covers(instant, "Europe/Paris")


def test_a_file_needs_the_extra_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "icalendar", None)
    with pytest.raises(Invalid) as refusal:
        parse_ics(file(DAY_OFF))
    assert refusal.value.hint == "pip install 'rota[calendars]'"
    with pytest.raises(TooLarge):
        parse_ics("x" * (1 << 21))
