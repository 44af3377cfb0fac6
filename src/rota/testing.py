"""Test jobs with the clock in your hand: real schedules, a real database, the functions in your own process.

```python
with rota.testing.harness(app) as h:
    digest.enqueue(limit=10)
    h.run_all()
    h.advance("3 days")  # every due instant fires at its time
```
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import msgspec

from rota import traces
from rota.actions import schedules
from rota.actions.decoding import decode
from rota.actions.specs import Caller, ScheduleIn
from rota.app import Rota, type_of
from rota.durations import parse_duration
from rota.engine.attempt import begin, judge
from rota.engine.janitor import Janitor
from rota.engine.mover import Mover
from rota.engine.scheduler import Scheduler
from rota.engine.upkeep import Upkeep
from rota.executor import Call, Line, Outcome
from rota.executors.runner_call import Limits, RunningCall, bad_arguments
from rota.executors.runner_frames import Work
from rota.executors.runner_output import JobLogHandler, current
from rota.handle import Job
from rota.ids import new_id
from rota.insight.why import why
from rota.job import Duration, JobFunction
from rota.model import LogChunk, Worker
from rota.settings import load_settings
from rota.store import claims, due, firing, jobs, logs, migrate, reads, results, types, workers
from rota.store.opening import open_database
from rota.store.serving import Request
from rota.store.waiting import first_of_each
from rota.timetable.instant import parse_instant

MAX_RUNS = 100_000
"""So many runs without an end mean that jobs enqueue one another for ever."""
LEASE_US = 1000 * 365 * 86_400_000_000
_WORDS = re.compile(r"(\d)\s*([dhms])(?:ay|our|in(?:ute)?|ec(?:ond)?)s?\b")
LANES = {"async": 1, "sync": 1}


class Harness:
    """An application on a database of its own whose clock stands still until it is turned."""

    def __init__(self, app: Rota, url: str, secrets: Mapping[str, str], begin_us: int) -> None:
        self.app = app
        self._secrets = secrets
        self.now_us = begin_us
        """The time, µs UTC."""
        self.settings = load_settings({}, database_url=url)
        self.db = open_database(self.settings.database_url, clock=lambda: self.now_us)
        migrate.migrate(self.db)
        self._worker = new_id()
        # As the scheduler has them; ended jobs are kept, for the test looks at them.
        self._loops = (
            Scheduler(self.db, self.settings), Upkeep(self.db), Mover(self.db), Janitor(self.db, self.settings)
        )  # fmt: skip
        self._declare()

    def _declare(self) -> None:
        record = Worker(id=self._worker, role="worker", host="test", pid=0, version="", state="running")
        declared = [type_of(function) for function in self.app.jobs.values()]
        with self.db.transaction() as tx:
            workers.register(tx, record, LEASE_US)
            types.put(tx, declared)
            for document in self.app.schedules:
                spec = decode(document, ScheduleIn)
                schedules.put(tx, spec.id or "", spec, Caller("code"), self.settings)

    def advance(self, duration: Duration) -> None:
        """Turn the clock on (``"3 days"``, ``"1h30m"``); what falls due on the way fires and runs at its own time."""
        if isinstance(duration, str):
            duration = _WORDS.sub(r"\1\2", duration)
        until = self.now_us + parse_duration(duration, "duration")
        self.run_all()
        while (following := self._next_due()) is not None and following <= until:
            self.now_us = max(self.now_us, following)
            self.run_all()
        self.now_us = until
        self.run_all()

    def _next_due(self) -> int | None:
        with self.db.statement() as tx:
            found = [at for at in (firing.next_due(tx)[1], due.look(tx).next_at) if at is not None]
            waiting = [jobs.get(tx, job_id) for job_id in first_of_each(tx)]
            causes = [cause for job in waiting if job is not None for cause in why(tx, job).causes]
        return min([*found, *(one.until for one in causes if one.until and one.until > self.now_us)], default=None)

    def run_all(self) -> int:
        """Run every job function that is due now, those that they enqueue too; return how many attempts ran.

        Commands and HTTP calls are left waiting: see ``jobs``.
        """
        ran = 0
        while True:
            for loop in self._loops:
                loop.run_once()
            taken = claims.claim(self.db, Request(self._worker, LANES))
            if not taken:
                return ran
            for claimed in taken:
                self._run(claimed)
            ran += len(taken)
            if ran > MAX_RUNS:
                raise RuntimeError(f"more than {MAX_RUNS} attempts: do jobs enqueue one another for ever?")

    def _run(self, claimed: claims.Claimed) -> None:
        call = claimed.call
        recorder = _Recorder()
        outcome = _call(self.app.jobs.get(call.type or ""), call, recorder, self._secrets)
        ended = judge(begin(claimed, self._worker), outcome, self.now_us)
        ended.log_lines = claimed.log_lines + len(recorder.lines)
        with self.db.transaction() as tx:
            if recorder.lines:
                body = msgspec.json.encode(recorder.lines).decode()
                first = claimed.log_lines + 1
                chunk = LogChunk(call.job_id, call.attempt, first, len(recorder.lines), self.now_us, body)
                logs.append(tx, [chunk])
            if recorder.stored is not None:
                results.checkpoint(tx, self._worker, {(call.job_id, call.attempt): recorder.stored})
            if isinstance(ended, results.Finished):
                results.finish(tx, self._worker, [ended])
            elif isinstance(ended, results.Returned):
                results.give_back(tx, self._worker, [ended])

    def jobs(self, **filters: Any) -> list[Job]:
        """Return the jobs, the oldest first; ``type``, ``queue``, ``schedule``, ``statuses`` … narrow."""
        found = self.db.read(lambda tx: reads.ids(tx, reads.JobFilter(**filters), limit=MAX_RUNS))
        return [self.app.get_job(job_id) for job_id in found]

    def log(self, job: Job) -> list[str]:
        """Return the log lines of a job."""
        return [line["text"] for line in self.db.read(lambda tx: logs.lines(tx, job.id, limit=MAX_RUNS))]

    def attempts(self, job: Job) -> list[str]:
        """Return how the attempts of a job but its last ended."""
        return [one.outcome for one in self.db.read(lambda tx: jobs.attempts(tx, job.id))]

    def close(self) -> None:
        """Close the database."""
        self.db.close()


@contextmanager
def harness(
    app: Rota, secrets: Mapping[str, str] | None = None, *, at: datetime | str | None = None
) -> Iterator[Harness]:
    """Yield a harness for an application; meanwhile its jobs go to the harness's database.

    ``secrets`` are the values of named secrets for the functions that ask for them.  ``at`` is the time at which the
    clock begins, a datetime with a zone or such as "2027-03-28T00:30:00Z" (now, if it is not said).  Raises Invalid
    when it is neither.
    """
    begin_us = time.time_ns() // 1000 if at is None else parse_instant(at, "at")
    handler = JobLogHandler()
    logger = logging.getLogger("rota.job")
    level = logger.level
    with tempfile.TemporaryDirectory(prefix="rota-test-") as folder:
        turned = Harness(app, f"sqlite:///{folder}/test.db", secrets or {}, begin_us)
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            with app.on_database(turned.db, turned.settings):
                yield turned
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            turned.close()


class _Recorder:
    """Keeps what a call says: it stands where a runner has its connection to the worker."""

    silent = False

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.stored: str | None = None
        """The last checkpoint."""

    def line(self, _number: int, line: Line) -> None:
        self.lines.append(line)

    def progress(self, _number: int, value: float | None, message: str | None) -> None:
        """Progress is not kept: the job has ended before anyone could look."""

    def extend(self, _number: int, extra_us: int) -> None:
        """A call that runs by hand has all the time."""

    def checkpoint(self, _number: int, value: str) -> None:
        self.stored = value


def _call(
    function: JobFunction[..., Any] | None, call: Call, recorder: _Recorder, secrets: Mapping[str, str]
) -> Outcome:
    if function is None:
        return Outcome("failed", error=f"the application has no job {call.type}", permanent=True)
    given = {name: secrets[name] for name in function.secrets if name in secrets}
    more = (call.priority, call.max_attempts, call.attempts_used, call.schedule_id, call.started_by, call.callback_url)
    work = Work(
        0, call.job_id, call.attempt, call.type, call.target, call.args, call.queue, call.created_at,
        call.scheduled_for, call.previous, more, call.checkpoint, given, call.trace,
    )  # fmt: skip
    running = RunningCall(work, cast(Any, recorder), Limits())
    try:
        args, kwargs = running.arguments(function)
    except Exception as error:  # noqa: BLE001 - a model of the user's may raise anything
        return bad_arguments(error)
    try:
        value = contextvars.copy_context().run(_run_function, running, function, args, kwargs)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the job raises is its outcome
        outcome = running.raised(error)
    else:
        returned = running.returned(value)
        outcome = Outcome("completed", result=returned) if isinstance(returned, str) else returned
    running.output.close()
    return outcome


def _run_function(running: RunningCall, function: JobFunction[..., Any], args: Any, kwargs: Any) -> Any:
    current.set(running.output)
    traces.running.set(running.trace)
    value = function.function(*args, **kwargs)
    if not inspect.isawaitable(value):
        return value

    async def awaited() -> Any:
        return await value

    return asyncio.run(awaited())
