"""A network between clients and a server, which breaks in the ways of real ones when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection."""

    def __init__(self, client: Streams, server: Streams) -> None:
        self.client = client
        self.server = server
        self.doomed = False
        """Whether the next that the server says is lost, and the connection with it."""
        self.passes: asyncio.Event | None = None
        """Instead of the event for all: never set, where this connection has fallen silent for ever."""

    def abort(self) -> None:
        for _, writer in (self.client, self.server):
            writer.transport.abort()


class Proxy:
    """Forwards connections to a port of this machine, on a port of its own."""

    def __init__(self, port: int) -> None:
        self.lost = 0
        """How many answers never arrived."""
        self.delay_s = 0.0
        """How long each piece is on its way; there is one way at a time in each direction."""
        self._target = port
        self._words: list[bytes] = []
        self._links: set[_Link] = set()
        self._is_cut = False
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy")
        self._thread.start()
        assert self._started.wait(60), "the proxy did not start"

    def lose(self, word: bytes, times: int = 1) -> None:
        """Lose the answers to the next messages with this word: what they ask for is done, and the connection cut."""
        self._do(lambda: self._words.extend([word] * times))

    def cut(self) -> None:
        """Break every connection, and take no new one."""
        self._is_cut = True

        def abort() -> None:
            for link in self._links:
                link.abort()

        self._do(abort)

    def freeze(self) -> None:
        """Let nothing pass any more, nor the end of anything; new connections are taken, and hear nothing."""
        self._do(self._passes.clear)

    def fall_silent(self) -> None:
        """Let nothing pass any more on the connections that there are, for ever; new ones work."""

        def silence() -> None:
            for link in self._links:
                link.passes = asyncio.Event()

        self._do(silence)

    def mend(self) -> None:
        """Pass on all again, also what was held back; what has fallen silent stays so."""
        self._is_cut, self.delay_s = False, 0.0
        self._do(self._passes.set)

    def close(self) -> None:
        """Break everything."""
        self._do(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the proxy did not stop"

    def _do(self, action: Callable[[], object]) -> None:
        done = threading.Event()

        def act() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(act)
        assert done.wait(10), "the proxy hangs"

    async def _serve(self) -> None:
        self._loop, self._stop, self._passes = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._passes.set()
        listener = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port: int = listener.getsockname()[1]
        server = await asyncio.start_server(self._connected, sock=listener)
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        for link in self._links:
            link.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if not self._is_cut:
                await self._passes.wait()
                server = await asyncio.open_connection("127.0.0.1", self._target)
                link = _Link((reader, writer), server)
                self._links.add(link)
                there, back = self._pump(link, link.client, server), self._pump(link, server, link.client)
                await asyncio.gather(there, back)
        writer.transport.abort()

    async def _pump(self, link: _Link, source: Streams, sink: Streams) -> None:
        to_server = source is link.client
        try:
            while data := await source[0].read(65536):
                if to_server:
                    self._doom(link, data)
                elif link.doomed:
                    self.lost += 1
                    break
                await asyncio.sleep(self.delay_s)
                await (link.passes or self._passes).wait()
                sink[1].write(data)
                await sink[1].drain()
            await (link.passes or self._passes).wait()
        except OSError:
            pass
        finally:
            self._links.discard(link)
            link.abort()

    def _doom(self, link: _Link, data: bytes) -> None:
        word = next((word for word in self._words if word in data), None)
        if word is not None:
            self._words.remove(word)
            link.doomed = True


@contextlib.contextmanager
def proxying(port: int) -> Iterator[Proxy]:
    """A network to a port of this machine."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
