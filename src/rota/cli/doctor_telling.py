"""What ``rota doctor`` finds about those who are told: monitors, channels and the outside monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rota.cli.output import plural
from rota.durations import format_duration
from rota.notify.courier import MISSING, installed
from rota.settings import Settings
from rota.store import alerts, canary, channels, meta
from rota.store.canary import Canary
from rota.store.channels import ChannelState
from rota.store.database import Database

if TYPE_CHECKING:
    from rota.cli.doctor import Findings
    from rota.client import Client

SECOND = 1_000_000
STANDSTILL_US = 60 * SECOND
"""Monitors look each 5 s, whichever process comes first."""


def look_at_telling(db: Database, settings: Settings, found: Findings) -> None:
    """Find out whether monitors look, channels work, and the outside monitor is told."""
    with db.statement() as tx:
        now, looked = tx.now(), meta.get(tx, alerts.LOOKED_AT)
        known, state = channels.listed(tx, now), canary.get(tx)
    _monitors(now, int(looked) if looked else 0, found)
    _channels(known, settings, found)
    _canary(now, state, settings, found)


def look_at_remote_channels(client: Client, found: Findings) -> None:
    """Find out whether the channels of a service elsewhere work; needs a token."""
    known = client.channels()
    for one in known:
        if one["state"] == "failing":
            found.add("channels", False, f"{one['name']}: {one['error']}", "rota monitors test")
    if all(one["state"] != "failing" for one in known):
        names = ", ".join(one["name"] for one in known)
        found.add("channels", True, names or "none: nobody is told of alerts; set ROTA_NOTIFY_URLS there")


def _monitors(now: int, looked: int, found: Findings) -> None:
    text = f"they looked {_ago(now - looked)} ago" if looked else "they have never looked"
    fix = "start the service, or look at its log: rota up"
    found.add("monitors", bool(looked) and now - looked < STANDSTILL_US, text, fix)


def _channels(known: list[ChannelState], settings: Settings, found: Findings) -> None:
    if settings.notify_urls and not installed():
        found.add("channels", False, "ROTA_NOTIFY_URLS is set, and nobody can be told", MISSING)
        return
    if not known:
        text = "none: nobody is told of alerts; set ROTA_NOTIFY_URLS"
        if settings.notify_urls:
            text = f"{plural(len(settings.notify_urls), 'channel')} set here; no process that runs has them"
        found.add("channels", True, text)
        return
    failing = [one for one in known if one.failing_since is not None]
    for one in failing:
        found.add("channels", False, f"{one.name}: {one.error}", "rota monitors test")
    if not failing:
        link = "" if settings.public_url else "; messages have no link until ROTA_PUBLIC_URL is set"
        names = ", ".join(f"{one.name}{'' if one.sent_at else ' (nothing sent yet)'}" for one in known)
        found.add("channels", True, names + link)


def _canary(now: int, state: Canary | None, settings: Settings, found: Findings) -> None:
    if state is None:
        text = "none: nobody notices when Rota itself is gone; set ROTA_CANARY_URL"
        if settings.canary_url:
            text = "ROTA_CANARY_URL is set here; no scheduler has begun with it"
        found.add("canary", True, text)
        return
    last = state.told_at or state.since
    told = f"the outside monitor was told {_ago(now - last)} ago" if state.told_at else "nothing was told yet"
    if state.failing_since is not None:
        found.add(
            "canary", False, f"{told}: {state.error}", "is ROTA_CANARY_URL right, and can the scheduler reach it?"
        )
        return
    ok = now - last <= 3 * state.every_us + 60 * SECOND
    found.add("canary", ok, told, "its runs do not complete: rota schedules why rota-canary")


def _ago(duration_us: int) -> str:
    return format_duration(max(0, duration_us) // SECOND * SECOND) if duration_us >= SECOND else "less than 1s"
