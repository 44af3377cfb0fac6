"""The roles as processes: what ``rota up``, ``api``, ``scheduler`` and ``worker`` do."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from rota import logs, traces
from rota.api.listen import bind, check_listen
from rota.engine.app_check import check_app
from rota.engine.awaiting import Awaiting
from rota.engine.canary import CanaryLoop
from rota.engine.janitor import Janitor
from rota.engine.journal import JournalLoop
from rota.engine.leases import Lease, new_record
from rota.engine.loading import check_executors, load_executors
from rota.engine.loop import Loop, stop_all
from rota.engine.monitors import Monitors
from rota.engine.mover import Mover
from rota.engine.notifier import Notifier
from rota.engine.operations import OperationsLoop
from rota.engine.probe import Probe, listen
from rota.engine.probed import of_loops, of_worker
from rota.engine.reloading import folders_of, state_of, watch
from rota.engine.retention import Retention
from rota.engine.rollups import Rollups
from rota.engine.scheduler import Scheduler
from rota.engine.signals import Bell, Stops, on_stop
from rota.engine.supervisor import Child, Supervisor, watch_life_pipe
from rota.engine.unserved import Unserved
from rota.engine.upkeep import Upkeep
from rota.engine.wakeups import Wakeups
from rota.engine.worker import Worker
from rota.errors import DatabaseError, DatabaseReadOnly, DatabaseUnusable, SettingInvalid
from rota.executors.proctree import make_undumpable
from rota.executors.runner_life import spare_what_is_loaded
from rota.settings import Settings
from rota.store import migrate
from rota.store.database import Database
from rota.store.opening import open_database

DEMO_APP = "rota.demo:rota"
START_PATIENCE_S = 30.0
"""How long a role waits for the database at its start: in a new deployment both start at once."""
LONGEST_PAUSE_S = 5.0
STOP_S = 5.0
"""How long loops may take to end their present turn."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line adds to the settings."""

    demo: bool = False
    insecure: bool = False
    reload: bool = False


def apps_of(settings: Settings, options: Options) -> list[str]:
    """Return the applications (``MODULE:ATTR``) that workers load."""
    return [
        *([settings.app] if settings.app else []),
        *([DEMO_APP] if options.demo else []),
    ]


def prepare(settings: Settings, role: str, *, patience_s: float = START_PATIENCE_S) -> Database:
    """Begin the log, open the database and bring its schema up to date; waits for a database that is not there yet.

    Raises SettingInvalid where no waiting will help: another user, another name, another file is needed.
    """
    make_undumpable()  # before anything of a user runs: what a command starts must not read our secrets
    logs.configure(settings, role)
    if role != "supervisor":
        traces.start(settings.service_name, role)
    db = open_database(settings.database_url)
    give_up = time.monotonic() + patience_s
    pause = 0.25
    while True:
        try:
            for name in migrate.migrate(db):
                logs.event("database/migrated", f"applied {name}", migration=name)
            return db
        except DatabaseError as error:
            is_read_only_file = isinstance(error, DatabaseReadOnly) and db.dialect == "sqlite"
            if isinstance(error, DatabaseUnusable) or is_read_only_file:
                raise SettingInvalid("ROTA_DATABASE_URL", error.message, hint=error.hint) from error
            if time.monotonic() > give_up:
                raise
            logs.event_limited("start", "database/lost", f"waiting for the database: {error}", error=str(error))
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)


def run_worker(settings: Settings, options: Options) -> int:
    """Run a worker until SIGTERM; return the exit code."""
    listener = _probe_listener(settings, supervised=watch_life_pipe())
    check_app(settings.app)
    if options.reload:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # which would hide an edit within the same second
    executors = load_executors(settings, apps_of(settings, options))
    db = prepare(settings, "worker")
    worker = Worker(db, settings, executors)
    loops = loops_of_every_role(db, settings)

    if listener is not None:
        Probe(db, settings, of_worker(worker), listener).start()
    spare_what_is_loaded()
    for loop in loops:
        loop.start()

    async def main() -> None:
        stop, stop_now = asyncio.Event(), asyncio.Event()
        _on_signals(asyncio.get_running_loop(), stop, stop_now)
        reloads = [one.reload for one in executors if hasattr(one, "reload")] if options.reload else []
        folders = folders_of(apps_of(settings, options)) if reloads else []
        watching = asyncio.create_task(watch(folders, state_of(folders), reloads)) if reloads else None
        await worker.run(stop, stop_now)
        if watching is not None:
            watching.cancel()

    asyncio.run(main())
    stop_all(loops, STOP_S)
    db.close()
    traces.stop()
    logs.close()
    return 0


def _probe_listener(settings: Settings, *, supervised: bool) -> socket.socket | None:
    """Return what listens on the probe port; below ``rota up``, whose children share one host, the API is asked."""
    return None if supervised else listen(settings)


def _on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, stop_now: asyncio.Event) -> None:
    stops = Stops()

    def handle() -> None:
        (stop if stops.note() == 1 else stop_now).set()

    def in_loop() -> None:
        with suppress(RuntimeError):  # it has ended, and so does the process
            loop.call_soon_threadsafe(handle)

    on_stop(in_loop)


def loops_of_every_role(db: Database, settings: Settings) -> list[Loop]:
    """Return the loops that run in every process, so that any that lives watches and tells."""
    return [Monitors(db, settings), *([Notifier(db, settings)] if settings.notify_urls else [])]


SELDOM_S = 60.0
"""How often the loops that the scheduler's own look wakes look by themselves."""


def scheduler_loops(db: Database, settings: Settings) -> list[Loop]:
    """Return the loops of the scheduler role."""
    mover, janitor = Mover(db, poll_s=SELDOM_S), Janitor(db, settings, sweep_s=SELDOM_S)
    operations, upkeep = OperationsLoop(db, poll_s=SELDOM_S), Upkeep(db, poll_s=SELDOM_S)
    awaiting = Awaiting(db, poll_s=SELDOM_S)
    scheduler = Scheduler(db, settings, tell=[mover.see, janitor.see, operations.see, upkeep.see, awaiting.see])
    wakeups = Wakeups(db, {"schedules": [scheduler.wake], "due": [mover.wake]})
    loops: list[Loop] = [
        scheduler,
        mover,
        janitor,
        operations,
        upkeep,
        awaiting,
        Retention(db, settings),
        Rollups(db),
        Unserved(db),
        CanaryLoop(db, settings),
        *([JournalLoop(db)] if db.dialect == "sqlite" else []),
        *loops_of_every_role(db, settings),
        *([] if settings.notify_urls else [Notifier(db, settings)]),  # lets go what other settings have left
        wakeups,
    ]
    return loops


def run_scheduler(settings: Settings) -> int:
    """Run a scheduler until SIGTERM; return the exit code."""
    listener = _probe_listener(settings, supervised=watch_life_pipe())
    db = prepare(settings, "scheduler")
    loops = scheduler_loops(db, settings)
    lease = process_lease(db, settings, "scheduler", loops)
    stops, bell = Stops(), Bell()

    def stop() -> None:
        stops.note()
        bell.ring()

    on_stop(stop)
    for loop in (lease, *loops):
        loop.start()
    if listener is not None:
        Probe(db, settings, of_loops("scheduler", [lease, *loops]), listener).start()
    while not stops.count:
        bell.wait(3600)
    stop_all([*loops, lease], STOP_S)
    lease.release()
    logs.event("scheduler/stopped", "stopped", workerId=lease.worker_id)
    db.close()
    traces.stop()
    logs.close()
    return 0


def process_lease(db: Database, settings: Settings, role: str, loops: Sequence[Loop]) -> Lease:
    """Return the lease by which others see that a process lives and its loops turn."""
    stall_s = settings.stall_us / 1e6

    def alive() -> bool:
        return all(loop.moves(stall_s) for loop in loops)

    def state() -> tuple[str, int, object]:
        return "running", 0, {"loops": [loop.describe() for loop in loops]}

    return Lease(db, settings, new_record(role), state=state, alive=alive)


def run_api(settings: Settings, options: Options) -> int:
    """Serve REST until SIGTERM; return the exit code."""
    from rota.api.server import serve

    supervised = watch_life_pipe()
    check_listen(settings, insecure=options.insecure)  # before anything is made or told
    _check_permissions(settings)
    db = prepare(settings, "api")
    loops = loops_of_every_role(db, settings)
    lease = process_lease(db, settings, "api", loops)
    for loop in (lease, *loops):
        loop.start()
    try:
        return serve(db, settings, demo=options.demo, insecure=options.insecure, greet=supervised)
    finally:
        stop_all([*loops, lease], STOP_S)
        lease.release()
        db.close()
        traces.stop()
        logs.close()


def run_up(settings: Settings, options: Options) -> int:
    """Run all roles as children until SIGTERM; return the exit code."""
    make_undumpable()
    _check_start(settings, options)
    # What the command line said reaches the children, and the runners of theirs, as settings.
    os.environ.update({"ROTA_HOST": settings.host, "ROTA_PORT": str(settings.port)})
    if settings.app:
        os.environ["ROTA_APP"] = settings.app
    demo = ["--demo"] if options.demo else []
    insecure = ["--insecure"] if options.insecure else []
    reload = ["--reload"] if options.reload else []
    children = [
        Child("api", _role("api", *demo, *insecure)),
        Child("scheduler", _role("scheduler")),
        Child("worker", _role("worker", *demo, *reload)),
    ]
    return Supervisor(children, patience_s=settings.grace_us / 1e6 + 8.0).run()


def _check_permissions(settings: Settings) -> None:
    if settings.permissions:
        from rota.api.permissions import check_permissions

        check_permissions(settings)


def _check_start(settings: Settings, options: Options) -> None:
    """Find out what is wrong before anything is started: it is said once, and nothing has to be stopped again."""
    check_listen(settings, insecure=options.insecure)
    _check_permissions(settings)
    check_app(settings.app)
    check_executors(settings)
    for bound in bind(settings):
        bound.close()
    prepare(settings, "supervisor", patience_s=math.inf).close()


def _role(role: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "rota", role, *arguments]
