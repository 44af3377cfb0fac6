"""The settings of a process, read once at its start: environment over ``rota.toml`` over defaults."""

from rota.settings.database_url import DatabaseUrl, parse_database_url
from rota.settings.load import Settings, load_settings
from rota.settings.table import GROUPS, OTHER_VARIABLES, SETTINGS, Setting
from rota.settings.values import LEAST_SECRET, MAKE_SECRET

__all__ = [
    "GROUPS",
    "LEAST_SECRET",
    "MAKE_SECRET",
    "OTHER_VARIABLES",
    "SETTINGS",
    "DatabaseUrl",
    "Setting",
    "Settings",
    "load_settings",
    "parse_database_url",
]
