"""RQ workers: jobs are stored and queued as RQ itself does it, and followed by their keys."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from rq import Queue
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.results import Result
from rq.worker import Worker
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from rota.executor import Outcome
from rota.executors import handoff_plain, handoff_redis
from rota.executors.handoff_broker import show
from rota.executors.handoff_error import error_of
from rota.executors.handoff_fleet import WAITING, Errand, Sight, failed, lost
from rota.executors.handoff_plain import NotPlainError, PlainJson, PlainPickle
from rota.executors.rq_target import RqTarget

# One step, so that two workers of Rota can never queue a job twice, nor leave one stored and not queued.
ENQUEUE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('SADD', KEYS[2], KEYS[3])
redis.call('RPUSH', KEYS[3], ARGV[1])
return 1
"""
WORKERS_S = 5.0
"""The workers of running jobs are looked for so often."""
MISSED = 2
"""A worker that was not found so often is gone."""
MAX_RESULT = 16 << 20
"""Bytes of a result above which it is not fetched."""
NO_RESULT = "Unserializable return value"
"""What RQ stores in place of a value that it cannot write."""
RESULTS = cast(str, cast(Any, Result).get_key(""))
"""With what the keys of results begin."""
SERIALIZERS: dict[str, Any] = {"pickle": PlainPickle, "json": PlainJson}
DAY_S = 86_400


class RqFleet:
    """The workers on one Redis."""

    def __init__(self, url: str, *, max_bytes: int, max_depth: int) -> None:
        self._url = url
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self.name = f"RQ at {show(url)}"
        self._redis = handoff_redis.connect(url)
        self._script = self._redis.register_script(ENQUEUE)
        self._looked_for_workers = 0.0
        self._missed: dict[str, int] = {}

    def hand_over(self, errands: Sequence[Errand]) -> list[str]:
        """Store and queue jobs, unless they are there already."""
        with handoff_redis.answering(self._url):
            self._redis.ping()
        for errand in errands:
            errand.tried = True
        queues = list(dict.fromkeys(errand.target.queue for errand in errands))
        with handoff_redis.answering(self._url), self._redis.pipeline(transaction=False) as pipe:
            for errand in errands:
                job = self._job(errand)
                fields = [part for pair in job.to_dict().items() for part in pair]
                queue = Queue(job.origin, connection=self._redis)
                keys = [job.key, Queue.redis_queues_keys, queue.key]
                self._script(keys=keys, args=[job.id, *fields], client=pipe)
            for name in queues:
                pipe.scard(WORKERS_BY_QUEUE_KEY % name)
            found = pipe.execute()
        workers = dict(zip(queues, found[len(errands) :], strict=True))
        for errand in errands:
            errand.handed = True
        return [
            _handed(errand, made=bool(made), nobody=not workers[errand.target.queue])
            for errand, made in zip(errands, found, strict=False)
        ]

    def look(self, errands: Sequence[Errand]) -> list[Sight]:
        """Read the states of jobs, and the results of those that have ended."""
        with handoff_redis.answering(self._url):
            with self._redis.pipeline(transaction=False) as pipe:
                for errand in errands:
                    pipe.hmget(Job.key_for(errand.remote_id), "status", "worker_name")
                states = pipe.execute()
            ended = [errand for errand, (status, _) in zip(errands, states, strict=True) if _has_ended(status)]
            results = self._results(ended)
            missing = self._missing({worker.decode() for status, worker in states if worker and status == b"started"})
        return [
            self._sight(errand, status, worker, results.get(errand.remote_id), missing)
            for errand, (status, worker) in zip(errands, states, strict=True)
        ]

    def end(self, errand: Errand) -> bool:
        """Cancel a queued job, stop a running one."""
        serializer = SERIALIZERS[_target(errand).serializer]
        with handoff_redis.answering(self._url):
            try:
                job = Job.fetch(errand.remote_id, connection=self._redis, serializer=serializer)
                if job.get_status(refresh=False) == JobStatus.STARTED:
                    send_stop_job_command(self._redis, job.id, serializer=serializer)
                elif not _has_ended(str(job.get_status(refresh=False).value).encode()):
                    job.cancel()
            except (NoSuchJobError, InvalidJobOperation):
                return False  # it has just ended: the next look tells how
        return False

    def close(self) -> None:
        """Hang up."""
        self._redis.close()

    def _job(self, errand: Errand) -> Job:
        call, target = errand.call, _target(errand)
        given = msgspec.json.decode(call.args)
        timeout_s = -1 if call.timeout_us is None else max(1, -(-call.timeout_us // 1_000_000))
        job = Job.create(
            target.function,
            args=tuple(given) if isinstance(given, list) else (),
            kwargs=given if isinstance(given, dict) else {},
            id=errand.remote_id,
            connection=self._redis,
            origin=target.queue,
            status=JobStatus.QUEUED,
            timeout=timeout_s,
            result_ttl=target.result_ttl_s,
            description=target.description,
            meta={"rota": {"jobId": call.job_id, "attempt": call.attempt, "scheduleId": call.schedule_id}},
            serializer=SERIALIZERS[target.serializer],
        )
        job.enqueued_at = datetime.now(UTC)
        return job

    def _results(self, errands: Sequence[Errand]) -> dict[str, list[tuple[bytes, dict[bytes, bytes]]] | None]:
        """Return the last entry of each result stream; None of those that are too large."""
        if not errands:
            return {}
        keys = [RESULTS + errand.remote_id for errand in errands]
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.memory_usage(key)
            sizes = pipe.execute(raise_on_error=False)  # not every service that calls itself Redis has it
            small = [not isinstance(size, int) or size <= MAX_RESULT for size in sizes]
            for key, fits in zip(keys, small, strict=True):
                if fits:
                    pipe.xrevrange(key, "+", "-", count=1)
            found = iter(pipe.execute())
        return {errand.remote_id: next(found) if fits else None for errand, fits in zip(errands, small, strict=True)}

    def _missing(self, workers: set[str]) -> set[str]:
        """Return those that run jobs and have not been heard of for so long that RQ forgot them."""
        now = time.monotonic()
        if not workers or now - self._looked_for_workers < WORKERS_S:
            return set()
        self._looked_for_workers = now
        names = sorted(workers)
        with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.exists(Worker.redis_worker_namespace_prefix + name)
            alive = pipe.execute()
        self._missed = {
            name: self._missed.get(name, 0) + 1 for name, lives in zip(names, alive, strict=True) if not lives
        }
        return {name for name, times in self._missed.items() if times >= MISSED}

    def _sight(
        self, errand: Errand, status: bytes | None, worker: bytes | None, result: Any, missing: set[str]
    ) -> Sight:
        name = worker.decode() if worker else None
        if status is None:
            return Sight("ended", outcome=lost(f"RQ job {errand.remote_id}"))
        if not _has_ended(status):
            if name in missing:
                return Sight("ended", outcome=failed("remote-worker-lost", f"RQ worker {name} died while running it"))
            return Sight("running", name) if status == b"started" else WAITING
        if status in (b"canceled", b"stopped"):
            word = "cancelled" if status == b"canceled" else "stopped"
            stopped = Outcome("stopped", begun=status == b"stopped")
            if errand.stop is None:
                stopped = failed("remote-cancelled", f"somebody {word} it in RQ", permanent=True)
            return Sight("ended", name, stopped)
        outcome, note = self._outcome(errand, result, good=status == b"finished")
        return Sight("ended", name, outcome, note)

    def _outcome(self, errand: Errand, result: Any, *, good: bool) -> tuple[Outcome, str | None]:
        """Return what the last entry of a result stream stands for."""
        if not result:
            why = "its result is too large to be kept" if result is None else "RQ kept no result"
            return (Outcome("completed", result="null"), why) if good else (failed("remote", "it failed in RQ"), None)
        entry_id, fields = result[0]
        serializer = SERIALIZERS[_target(errand).serializer]
        if not good:
            fields = {name: value for name, value in fields.items() if name != b"return_value"}
        try:
            read = Result.restore(errand.remote_id, entry_id.decode(), fields, self._redis, serializer=serializer)
        except NotPlainError as error:
            return Outcome("completed", result="null"), f"its result is no plain data and was not kept: {error}"
        except Exception as error:  # noqa: BLE001 - bytes of another serializer may raise anything
            return Outcome("completed", result="null"), f"its result cannot be read: {type(error).__name__}: {error}"
        if not good:
            return error_of(read.exc_string or "it failed in RQ"), None
        if read.return_value == NO_RESULT:
            return Outcome("completed", result="null"), "RQ could not write its result, and kept none"
        return handoff_plain.judge(read.return_value, max_bytes=self._max_bytes, max_depth=self._max_depth)


def _target(errand: Errand) -> RqTarget:
    return cast(RqTarget, errand.target)


def _has_ended(status: bytes | None) -> bool:
    return status in (b"finished", b"failed", b"stopped", b"canceled")


def _handed(errand: Errand, *, made: bool, nobody: bool) -> str:
    if not made:
        return f"goes on with RQ job {errand.remote_id}, handed over in attempt {errand.call.began_with}"
    line = f"handed to RQ queue {errand.target.queue} as job {errand.remote_id}"
    return f"{line}; no RQ worker listens to that queue now" if nobody else line
