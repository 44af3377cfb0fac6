"""Pages of other origins: those that ``ROTA_CORS_ORIGINS`` names may call the API with a token, never with a cookie."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rota.api.reply import refusal_of
from rota.errors import Forbidden

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
SENT = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID"
READ = "Content-Disposition, Idempotency-Replayed, Retry-After, Rota-Accounted-To, WWW-Authenticate"
BELIEVED_S = 600
"""How long a browser need not ask again."""


class CrossOrigin:
    """ASGI middleware that answers the question a browser asks first, and says who may read the other answers.

    Nothing allows credentials, so a browser sends none: what a page of another origin may do, its own token says.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        allowed = origin is not None and origin.lower() in self._origins

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                told.add_vary_header("Origin")
                if allowed and origin is not None:
                    told["access-control-allow-origin"] = origin
                    told["access-control-expose-headers"] = READ
            await send(message)

        if origin is not None and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await self._asked_first(allowed=allowed)(scope, receive, tell)
        else:
            await self._app(scope, receive, tell)

    def _asked_first(self, *, allowed: bool) -> Response:
        """Answer what a browser asks before the request itself, without any credential."""
        if not allowed:
            return refusal_of(Forbidden("Origin not allowed", hint="name it in ROTA_CORS_ORIGINS"))
        told = {
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": SENT,
            "Access-Control-Max-Age": str(BELIEVED_S),
        }
        return Response(status_code=204, headers=told)
