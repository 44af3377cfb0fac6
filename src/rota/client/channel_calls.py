"""What a client asks about channels, and about what they were told."""

from __future__ import annotations

from typing import Any

from rota.client.address import Address, path_of
from rota.client.answers import Channel, ChannelTest, Notice
from rota.client.script import Feed, Script, call, feed

TEST_S = 60.0


class ChannelCalls(Address):
    """The calls about channels and notices."""

    @call
    def channels(self) -> Script[list[Channel]]:
        """Return the channels and how they do, without their addresses."""
        found: list[Channel] = (yield from self.ask("GET", "/api/channels"))["channels"]
        return found

    @call
    def test_channels(self, name: str | None = None) -> Script[ChannelTest]:
        """Send a test message through every channel, or the named one; return how it went with each."""
        path = "/api/channels/test" if name is None else path_of("/api/channels", name, "test")
        return self.ask("POST", path, {}, timeout_s=TEST_S)

    @feed
    def notices(self, /, *, limit: int | None = None, **filters: Any) -> Feed[Notice]:
        """Walk through what channels were told (``kind, severity, channel, state, since, until``), the latest first."""
        return self.pages("/api/notices", "notices", filters, limit)
