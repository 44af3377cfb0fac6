"""What the API answers about calendars; the values themselves are made by ``rota.actions.calendars``."""

from __future__ import annotations

import msgspec

from rota.actions.specs import RangeIn
from rota.api.answers import Answer, Page, Time


class CalendarItem(Answer):
    """A calendar as it is listed."""

    name: str
    description: str | None
    problem: str | None
    note: str | None
    version: int
    author: str | None
    created_at: Time
    updated_at: Time


class CalendarOut(CalendarItem):
    """A calendar: times at which schedules that name it do not fire."""

    dates: list[str]
    ranges: list[RangeIn]
    yearly: list[str]
    weekdays: list[str]
    country: str | None
    subdivision: str | None
    ics: str | None
    events: int


class CalendarList(Page):
    """All calendars by name."""

    calendars: list[CalendarItem]


class Span(Answer):
    """A time from one instant up to, but without, another."""

    from_: Time = msgspec.field(name="from")
    to: Time


class CalendarDates(Answer):
    """What a calendar covers in a stretch of time, for a time zone."""

    timezone: str
    from_: Time = msgspec.field(name="from")
    to: Time
    spans: list[Span]
