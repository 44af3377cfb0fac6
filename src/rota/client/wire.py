"""What makes the calls to a service: in the thread of the caller, or on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self, TypeVar

import httpx

from rota.client.address import PATIENCE_S, TIMEOUT_S, Address
from rota.client.script import Async, Done, Feed, Give, Pause, Read, Script, Send, Step, Sync, advance

T = TypeVar("T")


class Wire(Address, Sync):
    """The connections of a thread to one service."""

    http: httpx.Client

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """See `rota.client.Client`; raises Invalid for ``url`` and ``token``."""
        self.http = httpx.Client(transport=transport, **self._set_up(url, token, timeout_s, patience_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def run(self, script: Script[T]) -> T:
        """Return what a script returns."""
        with contextlib.closing(_Hands(self.http)) as hands:
            came: Any = None
            while not isinstance(step := advance(script, came), Done):
                came = hands.do(step)
            found: T = step.value
            return found

    def walk(self, script: Feed[T]) -> Iterator[T]:
        """Yield what a script gives."""
        with contextlib.closing(_Hands(self.http)) as hands:
            came: Any = None
            while not isinstance(step := advance(script, came), Done):
                if isinstance(step, Give):
                    yield step.item
                    came = None
                else:
                    came = hands.do(step)


class AsyncWire(Address, Async):
    """The connections of an event loop to one service."""

    http: httpx.AsyncClient

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """See `rota.client.AsyncClient`; raises Invalid for ``url`` and ``token``."""
        self.http = httpx.AsyncClient(transport=transport, **self._set_up(url, token, timeout_s, patience_s))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def run(self, script: Script[T]) -> T:
        """Return what a script returns."""
        async with contextlib.aclosing(_AsyncHands(self.http)) as hands:
            came: Any = None
            while not isinstance(step := advance(script, came), Done):
                came = await hands.do(step)
            found: T = step.value
            return found

    async def walk(self, script: Feed[T]) -> AsyncIterator[T]:
        """Yield what a script gives."""
        async with contextlib.aclosing(_AsyncHands(self.http)) as hands:
            came: Any = None
            while not isinstance(step := advance(script, came), Done):
                if isinstance(step, Give):
                    yield step.item
                    came = None
                else:
                    came = await hands.do(step)


class _Hands:
    """Does the steps of one script, in this thread; an error of the connection is returned."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._streamed: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def do(self, step: Step) -> Any:
        try:
            match step:
                case Send(request, False):
                    return self._http.send(request)
                case Send(request, True):
                    return self._open(request)
                case Read():
                    return next(self._pieces, None)
                case Pause(seconds):
                    time.sleep(seconds)
        except httpx.HTTPError as error:
            return error

    def _open(self, request: httpx.Request) -> httpx.Response:
        self.close()
        self._streamed = answer = self._http.send(request, stream=True)
        if not answer.is_success:
            answer.read()
        else:
            self._pieces = answer.iter_bytes()
        return answer

    def close(self) -> None:
        """Leave the answer that is streamed."""
        if self._streamed is not None:
            self._streamed.close()


class _AsyncHands:
    """Does the steps of one script, on the event loop; an error of the connection is returned."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._streamed: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes]

    async def do(self, step: Step) -> Any:
        try:
            match step:
                case Send(request, False):
                    return await self._http.send(request)
                case Send(request, True):
                    return await self._open(request)
                case Read():
                    return await anext(self._pieces, None)
                case Pause(seconds):
                    await asyncio.sleep(seconds)
        except httpx.HTTPError as error:
            return error

    async def _open(self, request: httpx.Request) -> httpx.Response:
        await self.aclose()
        self._streamed = answer = await self._http.send(request, stream=True)
        if not answer.is_success:
            await answer.aread()
        else:
            self._pieces = answer.aiter_bytes()
        return answer

    async def aclose(self) -> None:
        """Leave the answer that is streamed."""
        if self._streamed is not None:
            await self._streamed.aclose()
