"""One request with its redirects, and the answer to it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from rota.errors import Invalid
from rota.executors.answer import one_line
from rota.executors.http_body import Body, BodyBounds, BodyReader
from rota.executors.http_connect import Connections
from rota.executors.http_mask import is_secret_name, mask_url
from rota.executors.http_trouble import Trouble
from rota.executors.http_url import parse_url

REDIRECTS = frozenset((301, 302, 303, 307, 308))
_LARGE = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.  ``private`` names, in lower case, the headers that another origin must not get."""

    method: str
    url: URL
    headers: dict[str, str]
    body: bytes | None
    private: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    reason: str
    headers: CIMultiDictProxy[str]
    body: Body
    ms: int
    """Milliseconds from the request, of the last hop, to the end of what was read."""


class Exchange:
    """Sends one request and follows its redirects; holds what is known when somebody interrupts it."""

    def __init__(self, connections: Connections, *, bounds: BodyBounds, say: Callable[[str], None]) -> None:
        self._connections = connections
        self._bounds = bounds
        self._say = say
        self._reader: BodyReader | None = None
        self._started = time.monotonic()
        self.request: Request | None = None
        """What was sent last."""
        self.answer: Answer | None = None
        """What came back for it."""
        self.title = ""
        """Method and address of the hop that runs, fit to be shown."""

    @property
    def state(self) -> str:
        """How far the exchange has come, in words."""
        if self._reader is None:
            return "no answer"
        return f"no end of the answer, {self._reader.received} bytes so far,"

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the running hop began."""
        return round((time.monotonic() - self._started) * 1000)

    async def run(self, request: Request, *, redirects: int, expect: frozenset[int]) -> Answer:
        """Return the last answer.  Raises `Trouble` and the exceptions of the HTTP client."""
        for left in range(redirects, -1, -1):
            answer = await self._hop(request, follow=redirects > 0, expect=expect)
            location = answer.headers.get("Location")
            if redirects == 0 or answer.status not in REDIRECTS or answer.status in expect or not location:
                return answer
            if left == 0:
                break
            request = redirected(request, answer.status, location)
        raise Trouble("redirects", f"more than {redirects} redirects", permanent=True)

    async def _hop(self, request: Request, *, follow: bool, expect: frozenset[int]) -> Answer:
        self._started = time.monotonic()
        self._reader = None
        self.request, self.answer = request, None
        self.title = f"{request.method} {mask_url(str(request.url))}"
        session, seen = await self._connections.prepare(request.url)
        try:
            async with session.request(
                request.method,
                request.url,
                data=_payload(request.body),
                headers=request.headers,
                allow_redirects=False,
                proxy=self._connections.proxy,
            ) as response:
                if follow and response.status in REDIRECTS and response.status not in expect:
                    body = Body()
                else:
                    self._reader = BodyReader(self._bounds)
                    body = await self._reader.read(response)
                return self._answered(response, body)
        except (aiohttp.ClientError, OSError):
            seen.check()
            raise

    def _answered(self, response: aiohttp.ClientResponse, body: Body) -> Answer:
        ms = self.elapsed_ms
        more = "" if body.whole else " and more"
        where = response.headers.get("Location") if response.status in REDIRECTS else None
        to = f", to {one_line(mask_url(where), 500)}" if where else ""
        self._say(f"{self.title} → {response.status} in {ms} ms, {body.size} bytes{more}{to}")
        self.answer = Answer(response.status, response.reason or "", response.headers, body, ms)
        return self.answer


def redirected(request: Request, status: int, location: str) -> Request:
    """Return the request that a redirect asks for.

    Another origin does not get the private headers; 303, and 301 and 302 after a POST, make it a GET without a
    body, as all clients do.  Raises `Trouble` for an address that is not called.
    """
    try:
        url = parse_url(str(request.url.join(URL(location))), "redirect")
    except (Invalid, ValueError) as error:
        raise Trouble("redirect", one_line(f"the redirect is refused: {error}"), permanent=True) from None
    hidden: frozenset[str] = frozenset()
    if url.origin() != request.url.origin():
        hidden = request.private
    method, body = request.method, request.body
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body, hidden = "GET", None, hidden | {"content-type"}
    headers = {name: value for name, value in request.headers.items() if name.lower() not in hidden}
    return replace(request, method=method, url=url, headers=headers, body=body)


def private_names(headers: dict[str, str], auth: dict[str, str]) -> frozenset[str]:
    """Return the names, in lower case, of headers that carry credentials."""
    return frozenset(name.lower() for name in headers if name in auth or is_secret_name(name))


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    # The client writes a large text in one piece, and warns about it; a file it writes in chunks.
    return io.BytesIO(body) if body is not None and len(body) > _LARGE else body
