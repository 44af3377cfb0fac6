"""What a client asks about checks (jobs that Rota does not run) and status pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rota.client.address import Address, path_of
from rota.client.answers import Check, CheckItem, Ping, StatusPage
from rota.client.script import Feed, Script, call, feed


class CheckCalls(Address):
    """The calls about checks and status pages."""

    @feed
    def checks(self, /, **filters: Any) -> Feed[CheckItem]:
        """Walk through the checks that match (``q, tag, status``)."""
        return self.pages("/api/checks", "checks", filters, None)

    @call
    def check(self, check_id: str) -> Script[Check]:
        """Return a check, for administrators with the address that its job pings."""
        return self.ask("GET", path_of("/api/checks", check_id))

    @call
    def put_check(self, check_id: str, check: Mapping[str, Any]) -> Script[Check]:
        """Make a check, or say anew what is expected of it (``every`` or ``cron``, ``grace``, ``longest``, …)."""
        return self.ask("PUT", path_of("/api/checks", check_id), dict(check))

    @call
    def delete_check(self, check_id: str) -> Script[None]:
        """Delete a check with its history."""
        return self.ask("DELETE", path_of("/api/checks", check_id))

    @call
    def pause_check(self, check_id: str, *, note: str | None = None) -> Script[Check]:
        """Expect nothing of a check for the time being."""
        return self.ask("POST", path_of("/api/checks", check_id, "pause"), {} if note is None else {"note": note})

    @call
    def resume_check(self, check_id: str) -> Script[Check]:
        """Expect pings again, from now on."""
        return self.ask("POST", path_of("/api/checks", check_id, "resume"), {})

    @call
    def new_check_key(self, check_id: str) -> Script[Check]:
        """Give a check another address; the old one is none from now on."""
        return self.ask("POST", path_of("/api/checks", check_id, "key"), {})

    @feed
    def check_pings(self, check_id: str, *, limit: int | None = None, kind: str | None = None) -> Feed[Ping]:
        """Walk through what a check told of itself, the last first."""
        filters = {} if kind is None else {"kind": kind}
        return self.pages(path_of("/api/checks", check_id, "pings"), "pings", filters, limit)

    @call
    def status_pages(self) -> Script[list[StatusPage]]:
        """Return what is shown to anybody, by tag."""
        found: list[StatusPage] = (yield from self.ask("GET", "/api/status-pages"))["statusPages"]
        return found

    @call
    def put_status_page(self, tag: str, shown: Mapping[str, Any]) -> Script[StatusPage]:
        """Say what is shown to anybody of a tag (``page, badge, slug, title, names``)."""
        return self.ask("PUT", path_of("/api/status-pages", tag), dict(shown))

    @call
    def delete_status_page(self, tag: str) -> Script[None]:
        """Show nothing more of a tag."""
        return self.ask("DELETE", path_of("/api/status-pages", tag))
