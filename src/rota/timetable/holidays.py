"""Public holidays of a country or a part of it, by the package `holidays`."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from types import ModuleType

from rota.errors import Invalid, meant
from rota.timetable.days import EPOCH_ORDINAL

EXTRA = "pip install 'rota[calendars]'"


def check_country(country: str, subdivision: str | None) -> None:
    """Raise Invalid for ``country`` or ``subdivision`` when no holidays of it are known."""
    known = _package().list_supported_countries(include_aliases=False)
    if country not in known:
        raise Invalid("country", f"no holidays are known of {country[:40]!r}", hint=_hint(country, list(known)))
    if subdivision is not None and subdivision not in known[country]:
        raise Invalid(
            "subdivision",
            f"{country} has no part {subdivision[:40]!r} with holidays of its own",
            hint=f"one of {', '.join(known[country])}" if known[country] else "leave it out",
        )


@lru_cache(maxsize=1024)
def holiday_days(country: str, subdivision: str | None, year: int) -> frozenset[int]:
    """Return the holidays of a year, as days since 1970-01-01."""
    found = _package().country_holidays(country, subdiv=subdivision, years=year, expand=False)
    return frozenset(day.toordinal() - EPOCH_ORDINAL for day in found if isinstance(day, date) and day.year == year)


def _package() -> ModuleType:
    # Thirteen megabytes that few need.
    try:
        import holidays
    except ImportError:
        raise Invalid("country", "holidays need a package that is not installed", hint=EXTRA) from None
    return holidays


def _hint(country: str, known: list[str]) -> str | None:
    return meant(country, known, "use a code of two letters such as FR or US")
