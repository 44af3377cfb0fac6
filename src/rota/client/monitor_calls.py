"""What a client asks about monitors and alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rota.client.address import Address, path_of
from rota.client.answers import Alert, Monitor, Proposal
from rota.client.script import Feed, Script, call, feed


class MonitorCalls(Address):
    """The calls about monitors and alerts."""

    @feed
    def monitors(self, /, *, limit: int | None = None, **filters: Any) -> Feed[Monitor]:
        """Walk through the monitors that match (``kind, subject, state, q``)."""
        return self.pages("/api/monitors", "monitors", filters, limit)

    @call
    def monitor(self, monitor_id: str) -> Script[Monitor]:
        """Return a monitor, by ``kind:subject kind:subject``."""
        return self.ask("GET", path_of("/api/monitors", monitor_id))

    @call
    def put_monitor(self, monitor_id: str, monitor: Mapping[str, Any]) -> Script[Monitor]:
        """Say what a monitor is like, all of it (``enabled, limit, count, grace, realert, quietHours, …``)."""
        return self.ask("PUT", path_of("/api/monitors", monitor_id), dict(monitor))

    @call
    def reset_monitor(self, monitor_id: str) -> Script[None]:
        """Let a monitor be as it is by default."""
        return self.ask("DELETE", path_of("/api/monitors", monitor_id))

    @call
    def mute_monitor(self, monitor_id: str, *, note: str | None = None, until: str | None = None) -> Script[Monitor]:
        """Tell nobody of what a monitor finds, perhaps until some time."""
        body = {name: value for name, value in (("note", note), ("until", until)) if value is not None}
        return self.ask("POST", path_of("/api/monitors", monitor_id, "mute"), body)

    @call
    def unmute_monitor(self, monitor_id: str) -> Script[Monitor]:
        """End a mute."""
        return self.ask("POST", path_of("/api/monitors", monitor_id, "unmute"), {})

    @feed
    def proposals(self, /, *, limit: int | None = None, **filters: Any) -> Feed[Proposal]:
        """Walk through the limits that history suggests (``q``)."""
        return self.pages("/api/monitors/proposals", "proposals", filters, limit)

    @call
    def accept_proposal(self, monitor_id: str) -> Script[Monitor]:
        """Set the limit that history suggests for a monitor."""
        return self.ask("POST", path_of("/api/monitors", monitor_id, "accept"), {})

    @feed
    def alerts(self, /, *, limit: int | None = None, **filters: Any) -> Feed[Alert]:
        """Walk through what monitors found, the latest first.

        By ``open, monitor, kind, severity, subject, since, until``.
        """
        return self.pages("/api/alerts", "alerts", filters, limit)
