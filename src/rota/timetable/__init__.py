"""When things are due: cron expressions, intervals and instants, in any time zone, by one written rule."""

from rota.timetable.instant import format_instant, parse_instant
from rota.timetable.rule import Rule, parse_rule, unite
from rota.timetable.zones import tzdata_release, zone

__all__ = ["Rule", "format_instant", "parse_instant", "parse_rule", "tzdata_release", "unite", "zone"]
