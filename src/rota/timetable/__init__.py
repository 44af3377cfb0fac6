"""When things are due: cron expressions, intervals and instants, in any time zone, by one written rule.

And when nothing is, though it were due: calendars.
"""

from rota.timetable.calendar import Calendar
from rota.timetable.calendar_reader import parse_calendar
from rota.timetable.calendar_words import describe_calendar
from rota.timetable.ics import parse_ics
from rota.timetable.instant import bounded, format_instant, format_millis, parse_instant
from rota.timetable.rule import Rule, parse_rule, unite
from rota.timetable.zones import tzdata_release, zone

__all__ = [
    "Calendar",
    "Rule",
    "bounded",
    "describe_calendar",
    "format_instant",
    "format_millis",
    "parse_calendar",
    "parse_ics",
    "parse_instant",
    "parse_rule",
    "tzdata_release",
    "unite",
    "zone",
]
