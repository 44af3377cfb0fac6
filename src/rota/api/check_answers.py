"""What the API answers about checks; the values themselves are made by ``rota.actions.checks``."""

from __future__ import annotations

from typing import Literal

import msgspec

from rota.api.answers import Answer, Page, Time


class CheckItem(Answer):
    """A job that Rota does not run, as it is listed."""

    id: str
    name: str
    every: str | None
    cron: str | None
    timezone: str
    grace: str
    longest: str | None
    tags: list[str]
    note: str | None
    description: str
    """When it is expected, in words."""
    status: Literal["new", "up", "started", "late", "down", "failed", "paused"]
    problem: str | None
    problem_since: Time | None
    paused: bool
    paused_at: Time | None
    paused_by: str | None
    pause_note: str | None
    next_at: Time | None
    late_at: Time | None
    """After this time without a word, something is wrong."""
    started_at: Time | None
    """When the run began that goes on."""
    last_ping_at: Time | None
    last_end_at: Time | None
    last_exit_code: int | None
    last_duration_ms: int | None
    failures: int
    """Runs that failed one after another, up to now."""
    pings: int
    version: int
    created_at: Time
    updated_at: Time


class CheckOut(CheckItem):
    """A job that Rota does not run, for administrators with the address that it pings."""

    key: str | None
    ping_path: str | None
    ping_url: str | None
    """The whole address, where it is known how the service is reached."""


class CheckList(Page):
    """Checks in the order of their ids."""

    checks: list[CheckItem]


class PingOut(Answer):
    """Something that a check told of itself."""

    n: int
    at: Time
    kind: Literal["start", "success", "fail", "log"]
    exit_code: int | None
    rid: str | None
    duration_ms: int | None
    source: str | None
    body: str | None


class PingList(Page):
    """Pings of a check, the last first."""

    pings: list[PingOut]


class StatusPageOut(Answer):
    """What is shown to anybody of a tag."""

    tag: str
    page: bool
    badge: bool
    slug: str
    title: str
    names: dict[str, str]
    page_path: str | None
    """Where the page is, within Rota; null where it is off."""
    badge_path: str | None
    created_at: Time
    created_by: str | None
    updated_at: Time
    updated_by: str | None


class StatusPageList(Page):
    """Status pages by tag."""

    status_pages: list[StatusPageOut]


class PublicItem(msgspec.Struct, rename="camel", kw_only=True):
    """Something that has the tag."""

    name: str
    status: Literal["up", "late", "down", "failed", "running", "new", "paused"]


class PublicStatus(msgspec.Struct, rename="camel", kw_only=True):
    """The states of everything with a tag, as anybody may see them."""

    title: str
    status: Literal["up", "late", "down", "none"]
    """The worst of all."""
    at: Time
    items: list[PublicItem]
