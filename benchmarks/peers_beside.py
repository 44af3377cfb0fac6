"""Peers: how quickly one worker of each empties a queue of no-op jobs, beside a worker of Rota on PostgreSQL.

Every peer runs in the quickest configuration that its documentation names, see ``benchmarks/peers/``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks import app, peer_setup
from benchmarks.drain import drain
from benchmarks.figure import Figure, Goals, interleaved, of_rounds, percentile
from benchmarks.peer_setup import NODE, Missing
from benchmarks.setting import ROOT, Bench, Session, fill, pause, worker
from rota import Rota

JOBS = 20_000
SINGLES = 300
STAMPS = 60
PATIENCE_S = 90.0
RAW_NAME = "the other queue, one worker, no-op jobs, in its quickest configuration"
OPEN_S = 1.0
"""How long a worker of a peer gets to come up before stamps are sent."""


class Peer(msgspec.Struct, frozen=True):
    """A queue to be measured."""

    name: str
    script: str
    """Of ``benchmarks/peers``; one with an ending is for Node."""
    store: str
    jobs: int
    """So many that it takes a second or two."""
    least: float = 1.0
    """How many times as quick Rota is to be."""


PEERS = (
    Peer("Graphile Worker", "graphile.mjs", "postgresql", 20_000),
    Peer("PgQueuer", "pgqueuer", "postgresql", 10_000, 2.5),
    Peer("pg-boss", "pg_boss.mjs", "postgresql", 20_000),
    Peer("Procrastinate", "procrastinate", "postgresql", 1_500),
    Peer("SAQ", "saq", "redis", 3_000),
    Peer("Dramatiq", "dramatiq", "redis", 5_000),
    Peer("Celery", "celery", "redis", 5_000),
    Peer("RQ", "rq", "redis", 2_000),
)


def run(session: Session) -> Iterator[Figure]:
    """Measure one peer after the other, each in turns with a worker of Rota."""
    with contextlib.ExitStack() as stack:
        bench = stack.enter_context(session.fresh())
        pause(bench)
        stack.enter_context(worker(bench))
        stores = {"postgresql": _database(session, stack)}
        try:
            stores["redis"] = stack.enter_context(peer_setup.redis())
        except Missing as missing:
            reason = str(missing)
        else:
            reason = ""
        for peer in PEERS:
            try:
                if peer.store not in stores:
                    raise Missing(reason)
                with tempfile.TemporaryDirectory(prefix="rota-bench-peer-") as folder:
                    yield from beside(session, bench, Beside(peer, stores[peer.store], session, Path(folder)))
            except Missing as missing:  # the others are measured all the same
                yield Figure(
                    name=f"drain, beside {peer.name}", database=peer.store, value=0.0, unit="", note=str(missing)
                )


def _database(session: Session, stack: contextlib.ExitStack) -> str:
    from tests.support.postgres import fresh_database

    assert session.postgres_url is not None
    return stack.enter_context(fresh_database(session.postgres_url))


def beside(session: Session, bench: Bench, peer: Beside) -> Iterator[Figure]:
    """Measure a peer in turns with Rota."""
    jobs, their_jobs = session.some(JOBS), session.some(peer.peer.jobs)
    name, store = peer.peer.name, peer.peer.store
    peer.prepared()

    def ours() -> float:
        session.say(f"Rota, for {name}")
        return drain(bench, jobs, lambda: fill(bench, jobs))

    def theirs() -> float:
        session.say(name)
        return peer.drained(their_jobs)

    rounds = interleaved(session.rounds, theirs, ours)
    yield of_rounds(
        rounds, name=f"drain, beside {name}", database=store, unit="jobs/s", raw_name=RAW_NAME,
        goals=Goals(ratio=peer.peer.least),
    )  # fmt: skip
    session.say(f"enqueueing one by one, beside {name}")
    yield enqueued(session, bench, peer)
    yield Figure(name=f"enqueue many, {name}", database=store, value=statistics.median(peer.filled), unit="jobs/s")
    session.say(f"pick-up of {name}")
    waits = peer.waits(session.some(STAMPS))
    yield Figure(
        name=f"pick-up by an idle worker, {name}, p50", database=store, value=percentile(waits, 0.5) * 1e3, unit="ms"
    )


def enqueued(session: Session, bench: Bench, peer: Beside) -> Figure:
    """Measure single calls of a peer in turns with Rota's."""
    few = session.some(SINGLES)
    rota = Rota(settings=bench.settings)
    noop = rota.job(queue="aside")(app.noop.function)
    pause(bench, "aside")
    noop.enqueue()

    def ours() -> float:
        began = time.perf_counter()
        for _ in range(few):
            noop.enqueue()
        return few / (time.perf_counter() - began)

    rounds = interleaved(session.rounds, lambda: peer.singles(few), ours)
    rota.close()
    with bench.db.statement() as tx:
        tx.run("DELETE FROM rota_jobs WHERE queue = 'aside'")
    return of_rounds(
        rounds, name=f"enqueue one by one, beside {peer.peer.name}", database=peer.peer.store, unit="jobs/s",
        raw_name="the other queue, one call for each job",
    )  # fmt: skip


class Beside:
    """A peer, each of whose commands is a process of its own."""

    def __init__(self, peer: Peer, url: str, session: Session, folder: Path) -> None:
        """``folder`` takes what its worker writes."""
        self.peer = peer
        self.filled: list[float] = []
        self._folder = folder
        self._stamps = self._folder / "stamps"
        self._environment = {**os.environ, "PEER_URL": url, "PEER_STAMPS": str(self._stamps)}
        install = not session.quick
        if peer.script.endswith(".mjs"):
            self._command = [*peer_setup.node(install=install), str(NODE / peer.script)]
        else:
            self._command = [*peer_setup.python(install=install), "-m", f"benchmarks.peers.{peer.script}"]

    def prepared(self) -> None:
        """Make its tables, or empty them."""
        self._do("prepare")

    def drained(self, jobs: int) -> float:
        """Fill its queue, start its worker, and return jobs a second from its first start until nothing is left."""
        self.prepared()
        self.filled.append(float(self._do("fill", jobs)))
        self._stamps.unlink(missing_ok=True)
        with self._worker():
            ended = float(self._do("wait"))
        if not self._stamps.exists():
            raise Missing("its worker does not take what it is sent")
        began = float(self._stamps.read_text().split()[0])
        return jobs / (ended - began)

    def singles(self, count: int) -> float:
        """Send one job after the other; return jobs a second."""
        rate = float(self._do("singles", count))
        self.prepared()
        return rate

    def waits(self, count: int) -> list[float]:
        """Send jobs to an idle worker; return how long each waited (s)."""
        self.prepared()
        self._stamps.unlink(missing_ok=True)
        with self._worker():
            self._do("stamps", 1)
            self._until_stamped(1)
            time.sleep(OPEN_S)
            self._do("stamps", count)
            self._until_stamped(count + 1)
        lines = self._stamps.read_text().splitlines()[1:]
        return [began - sent for began, sent in (map(float, line.split()) for line in lines)]

    def _until_stamped(self, count: int) -> None:
        end = time.monotonic() + PATIENCE_S
        while not self._stamps.exists() or self._stamps.read_text().count("\n") < count:
            if time.monotonic() > end:
                raise Missing("its worker does not take what it is sent")
            time.sleep(0.02)

    def _do(self, *arguments: object) -> str:
        command = [*self._command, *map(str, arguments)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=True,
                timeout=PATIENCE_S,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            raise Missing(f"it fails: {_last_line(error.stderr)}") from error
        except subprocess.TimeoutExpired as error:
            raise Missing(f"{arguments[0]} is not done within {PATIENCE_S:g} s") from error
        return done.stdout.strip().rpartition("\n")[2]

    @contextlib.contextmanager
    def _worker(self) -> Iterator[None]:
        with (self._folder / "log").open("wb") as log:
            child = subprocess.Popen(
                [*self._command, "work"], cwd=ROOT, env=self._environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        try:
            yield
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(8)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def _last_line(text: str) -> str:
    lines: Sequence[str] = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "without a word"
