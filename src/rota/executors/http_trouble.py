"""What can go wrong between a request and its answer, in words."""

from __future__ import annotations

import socket

import aiohttp

from rota.executor import ErrorDetail, Outcome
from rota.executors.answer import one_line


class Trouble(Exception):
    """The exchange gave no answer that can be judged.  ``permanent``: no second try can help."""

    def __init__(self, code: str, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.permanent = permanent

    def outcome(self) -> Outcome:
        """Return the failed attempt."""
        line = one_line(self.text)
        detail = ErrorDetail(self.code, message=line)
        return Outcome("failed", error=line, detail=detail, permanent=self.permanent)


def explain(error: Exception) -> Trouble:
    """Return the trouble that an exception of the HTTP client or of the system means."""
    match error:
        case Trouble():
            return error
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return Trouble("proxy", f"the proxy cannot be used: {_reason(error)}")
        case aiohttp.ClientConnectorDNSError():
            return Trouble("dns", f"the name {error.host} cannot be resolved: {_reason(error.os_error)}")
        case aiohttp.ClientConnectorCertificateError():
            return Trouble("tls", f"the certificate of {error.host} is refused: {_reason(error.certificate_error)}")
        case aiohttp.ClientConnectorSSLError():
            return Trouble("tls", f"no TLS with {error.host}: {_reason(error.os_error)}")
        case aiohttp.ClientConnectorError():
            return Trouble("connect", f"cannot connect to {error.host}:{error.port}: {_reason(error.os_error)}")
        case aiohttp.InvalidURL():
            return Trouble("address", f"the address is refused: {error}", permanent=True)
        case aiohttp.ClientResponseError():
            return Trouble("broken-answer", f"the answer is not HTTP: {one_line(error.message, 200)}")
        case aiohttp.ClientPayloadError():
            return Trouble("broken-answer", "the answer broke off before its end")
        case aiohttp.ServerDisconnectedError():
            return Trouble("disconnected", "the target closed the connection without an answer")
        case aiohttp.ClientError() | OSError():
            return Trouble("connection", f"the connection failed: {_reason(error)}")
        case _:
            return Trouble("internal", f"the call failed: {type(error).__name__}: {error}")


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return error.strerror or "unknown name"
    return one_line(str(error) or type(error).__name__, 200)
