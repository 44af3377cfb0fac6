"""The main program of a runner: ``python -m rota.executors.runner``, started by the worker and by nobody else.

User code lives in such processes, so that a crash, a leak or a held interpreter costs one runner, not the worker.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import socket
import sys

import msgspec

from rota.executors import runner_frames as frames
from rota.executors.runner_app import Functions, load
from rota.executors.runner_async import AsyncLane
from rota.executors.runner_call import Limits
from rota.executors.runner_frames import Hello
from rota.executors.runner_life import die_with, ignore_polite_signals, spare_what_is_loaded
from rota.executors.runner_link import Link
from rota.executors.runner_output import capture_logging, capture_streams
from rota.executors.runner_sync import SyncLane


class Setup(msgspec.Struct, kw_only=True):
    """What the worker gives to a runner, as one JSON argument."""

    lane: str
    socket: int
    marker: int
    worker_pid: int
    apps: tuple[str, ...]
    modules: tuple[str, ...]
    limits: Limits = Limits()


def main() -> None:
    """Load the applications, say hello, work until the worker has enough or is gone."""
    setup = msgspec.json.decode(sys.argv[1], type=Setup)
    sys.argv = ["rota-runner"]  # an application may look at its arguments when it is imported
    die_with(setup.worker_pid)
    ignore_polite_signals()
    faulthandler.enable(sys.__stderr__ or sys.stderr)
    capture_streams()
    for fd in (setup.socket, setup.marker):
        os.set_inheritable(fd, False)  # what a function starts must not speak to the worker
    connection = socket.socket(fileno=setup.socket)
    marker = memoryview(mmap.mmap(setup.marker, frames.MARKER_BYTES)).cast("Q")
    if setup.lane == "sync":
        sync_lane = SyncLane(connection, setup.limits, marker)
        functions = load(setup.apps, setup.modules)
        capture_logging()
        spare_what_is_loaded()
        sync_lane.link.send(frames.HELLO, Hello(functions.errors, [], []))
        sync_lane.run(functions)
    else:
        link = Link(connection)
        link.watch()
        functions = load(setup.apps, setup.modules)
        capture_logging()
        spare_what_is_loaded()
        link.send(frames.HELLO, _hello(functions))
        AsyncLane(link, functions, setup.limits, marker).run()


def _hello(functions: Functions) -> Hello:
    types = functions.declared()
    return Hello(functions.errors, types, functions.schedules)


if __name__ == "__main__":
    main()
