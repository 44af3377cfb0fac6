"""What the API answers of channels and notices."""

from __future__ import annotations

from typing import Literal

from rota.api.answers import Answer, Page, Time
from rota.model import NoticeKind, Severity


class ChannelOut(Answer):
    """Where notices go; its address is in the settings alone."""

    name: str
    kind: str
    """`slack`, `mail`, `webhook`, `pagerduty` …"""
    least: Severity
    """The severity from which on it is told: `warning` is all."""
    state: Literal["working", "failing", "unproven"]
    """`unproven`: nothing was sent to it yet."""
    waiting: int
    """Notices that are still to be sent to it."""
    sent_at: Time | None
    failing_since: Time | None
    failures: int
    """In a row."""
    error: str | None
    seen_at: Time
    """When a process that knows its address last said so."""


class ChannelList(Page):
    """Channels, by name."""

    channels: list[ChannelOut]


class DeliveryOut(Answer):
    """A notice on its way to one channel."""

    channel: str
    state: Literal["pending", "sent", "failed", "dropped"]
    in_summary: bool
    """It was told in one message with others."""
    attempts: int
    error: str | None
    sent_at: Time | None


class NoticeOut(Answer):
    """What channels are told."""

    id: str
    kind: NoticeKind
    severity: Severity
    title: str
    text: str
    path: str
    link: str | None
    """To the pages, where `ROTA_PUBLIC_URL` says where they are."""
    alert_ids: list[str]
    created_at: Time
    deliveries: list[DeliveryOut]
    """None where there was no channel."""


class NoticeList(Page):
    """Notices, the latest first."""

    notices: list[NoticeOut]


class ChannelTest(Answer):
    """How a test went."""

    id: str
    """Of its notice."""
    ok: bool
    deliveries: list[DeliveryOut]
    """One for each channel; `failed` where no process sent it in time."""
