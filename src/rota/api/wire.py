"""HTTP on the wire: uvicorn's protocol, with bounds on what a stranger may send before anybody looks at it."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024
"""Address and headers of a request together; about what comes in one read more is let through."""
HEAD_WITHIN_S = 30.0
"""How long a client may take to send them."""
BODY_WITHIN_S = 60.0
"""How long a client may take for the rest; the largest body takes that at 35 kB a second."""
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: application/problem+json\r\n"
    b"content-length: %d\r\n\r\n%s"
)
_PROBLEM = (
    b'{"status":431,"title":"Request Header Fields Too Large","detail":"The headers are too large",'
    b'"code":"headers-too-large","error":"The headers are too large"}'
)


class BoundedHttp(HttpToolsProtocol):
    """Refuses endless headers, and hangs up on who does not send them, or what they announce."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(transport)
        self._wait(HEAD_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        if self._deadline is None:
            self._wait(HEAD_WITHIN_S)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        self._wait(BODY_WITHIN_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD and b"\r\n\r\n" not in data:
                self.transport.write(_REFUSAL % (len(_PROBLEM), _PROBLEM))
                self.transport.close()
                return
        super().data_received(data)

    def _wait(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._hang_up)

    def _hang_up(self) -> None:
        self._deadline = None
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
