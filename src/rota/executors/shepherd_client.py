"""The worker's side of a shepherd: starts it, asks it for keepers, notices its end."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import rota
from rota.errors import ServiceUnavailable
from rota.executors import frames
from rota.executors.channel import Channel

START_S = 20.0
END_S = 10.0
_BOOT = """
import sys, types
package = sys.modules["rota"] = types.ModuleType("rota")
package.__path__ = [sys.argv[1]]
from rota.executors.shepherd import main
main()
"""
"""The package's own ``__init__`` is not run: it may load what a small process has no need of."""


class Shepherd:
    """A shepherd process.  Must be made on a running event loop; never blocks but for the start of the process."""

    def __init__(self, environ: Mapping[str, str], on_end: Callable[[], None]) -> None:
        """Start the process; ``on_end`` is called when it is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            # Its own environment is that of the commands: there is no secret in it to begin with.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, _package_folder(), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environ,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        loop = asyncio.get_running_loop()
        self.started_at = loop.time()
        self._on_end = on_end
        self._ready = asyncio.Event()
        self._gone = asyncio.Event()
        self.reaped: asyncio.Future[int] | None = None
        """Its exit code, as ``subprocess`` tells it; from the moment on that its end is noticed."""
        self._numbers = itertools.count(1)
        self._control = Channel(ours, self._receive, self._ended)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Tell whether the shepherd lives, as exactly as can be told now."""
        return not self._control.ended()

    async def ready(self) -> None:
        """Wait until the shepherd is up.  Raises `ServiceUnavailable`."""
        waits = [asyncio.ensure_future(each.wait()) for each in (self._ready, self._gone)]
        await asyncio.wait(waits, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        if not self._ready.is_set():
            self.kill()
            raise ServiceUnavailable(
                "The process that starts commands did not come up", hint=f"tried to run {sys.executable}"
            )

    def new_keeper(self) -> tuple[int, socket.socket]:
        """Ask for a keeper; return its number and our end of its channel, which may be used at once.

        Raises `OSError` when sockets are used up.
        """
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._control.send_with(frames.KEEPER, b"%d" % number, theirs)
            except OSError:
                ours.close()
                raise
        return number, ours

    def kill_keeper(self, number: int) -> None:
        """Kill a keeper that does not answer; the shepherd kills what was below it."""
        self._control.send(frames.KILL, b"%d" % number)

    def kill(self) -> None:
        """Kill the shepherd itself; its keepers end what runs."""
        self._process.kill()

    async def close(self) -> None:
        """Let it end, with its keepers and all that they run, and wait for that."""
        self._control.finish()
        try:
            async with asyncio.timeout(END_S):
                await self._gone.wait()
        except TimeoutError:
            self.kill()
            await self._gone.wait()
        if self.reaped is not None:
            await self.reaped

    def _receive(self, found: Sequence[tuple[bytes, bytes]]) -> None:
        if any(kind == frames.READY for kind, _ in found):
            self._ready.set()

    def _ended(self) -> None:
        self._gone.set()
        # Its socket is gone a moment before it is.
        self.reaped = asyncio.get_running_loop().run_in_executor(None, self._process.wait)
        self._on_end()


def _package_folder() -> str:
    return os.fspath(Path(rota.__file__).parent)
