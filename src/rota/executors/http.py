"""Calls HTTP targets.

A call is one exchange under one deadline: names, connection, request, redirects, answer.  Nothing that a target
does keeps it longer, or costs more memory than the limits say.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
from yarl import URL

from rota.durations import HOUR, SECOND, format_duration
from rota.errors import Invalid
from rota.executor import Call, Host, Line, Outcome, Stop, Stream
from rota.executors.answer import one_line
from rota.executors.http_address import AddressPolicy, parse_rules
from rota.executors.http_answer import SLOWS, accepted, is_deferred, outcome_of, slowing
from rota.executors.http_body import BodyBounds
from rota.executors.http_connect import Connections, Lookup, system_lookup
from rota.executors.http_exchange import Answer, Exchange
from rota.executors.http_kept import kept
from rota.executors.http_mask import Mask
from rota.executors.http_request import build_request
from rota.executors.http_target import HttpTarget, parse_target
from rota.executors.http_trouble import Trouble, explain
from rota.executors.http_url import check_callback
from rota.executors.stopping import stopped

TIMEOUT_US = 30 * SECOND
"""Deadline of a call for which neither the job nor its target sets one."""
DEFERRED_TIMEOUT_US = HOUR
"""The same for a target that has taken the work and answers later."""


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say about HTTP targets."""

    services: Mapping[str, str] = {}
    """Service name → address."""
    allow: Sequence[str] = ()
    """``ROTA_HTTP_ALLOW``: when given, nothing else is called."""
    deny: Sequence[str] = ()
    """``ROTA_HTTP_DENY``."""
    callback_hosts: Sequence[str] = ()
    """``ROTA_CALLBACK_HOSTS``."""
    auth_secret: str | None = None
    """The shared secret."""
    own_listener: tuple[str, int] | None = None
    """Where this Rota serves; never called, except ``/demo/*``."""
    proxy: str | None = None
    """Address of the proxy that makes every call, when Rota has one.  ``HTTP_PROXY`` is not looked at."""
    slots: int = 500
    max_body: int = 1 << 20
    """Bytes of an answer that are read."""
    max_kept: int = 64 << 10
    """Bytes that are kept of an answer that is no result."""


class _Run:
    """A call that has no outcome yet."""

    __slots__ = ("call", "clock", "exchange", "mask", "task")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.task: asyncio.Task[None] | None = None
        self.mask = Mask()
        self.exchange: Exchange | None = None
        self.clock: asyncio.Timeout | None = None


class HttpExecutor:
    """Executes the calls of the lane ``http``.

    ``lookup`` finds the addresses of names; it is asked in a thread.  Raises `Invalid` for rules that are none.
    """

    def __init__(self, options: HttpOptions, *, lookup: Lookup = system_lookup) -> None:
        self.lanes: Mapping[str, int] = {"http": options.slots}
        self._options = options
        self._lookup = lookup
        self._policy = AddressPolicy(
            allow=parse_rules(options.allow, "ROTA_HTTP_ALLOW"),
            deny=parse_rules(options.deny, "ROTA_HTTP_DENY"),
            own_listener=options.own_listener,
        )
        self._callback_hosts = parse_rules(options.callback_hosts, "ROTA_CALLBACK_HOSTS")
        self._runs: dict[tuple[str, int], _Run] = {}
        self._parsed = lru_cache(maxsize=512)(self._parse)
        self._bounds = BodyBounds(options.max_body)
        self._host: Host | None = None
        self._connections: Connections | None = None

    async def start(self, host: Host) -> None:
        """Begin; afterwards calls may be submitted."""
        self._host = host
        self._connections = Connections(self._policy, proxy=self._options.proxy, lookup=self._lookup)

    def submit(self, calls: Sequence[Call]) -> None:
        """Begin to call.  Returns at once and never raises."""
        loop = asyncio.get_running_loop()
        for call in calls:
            run = _Run(call)
            self._runs[call.job_id, call.attempt] = run
            if self._connections is None:
                self._finish(run, Outcome("interrupted"))
            else:
                run.task = loop.create_task(self._execute(run, self._connections))

    def stop(self, job_id: str, attempt: int, why: Stop) -> None:
        """Break the exchange off, at once."""
        run = self._runs.get((job_id, attempt))
        if run is not None:
            self._say(run, f"stopped: {why}")
            late = why == "timeout" and run.exchange is not None
            self._finish(run, _late(run) if late else stopped("the call was broken off"))

    def give_time(self, job_id: str, attempt: int, left_us: int) -> None:
        """Let the exchange go on for so long from now, where it would end earlier."""
        run = self._runs.get((job_id, attempt))
        if run is not None and run.clock is not None and not run.clock.expired():
            until = asyncio.get_running_loop().time() + left_us / SECOND
            run.clock.reschedule(max(run.clock.when() or until, until))

    async def close(self) -> None:
        """End what still runs, at once."""
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        for run in list(self._runs.values()):
            self._finish(run, stopped("the call was broken off"))
        await asyncio.gather(*tasks, return_exceptions=True)
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.close()

    def _parse(self, text: str) -> tuple[HttpTarget, URL]:
        target = parse_target(msgspec.json.decode(text, type=dict[str, object]))
        return target, target.address(self._options.services)

    async def _execute(self, run: _Run, connections: Connections) -> None:
        exchange = run.exchange = Exchange(connections, bounds=self._bounds, say=lambda text: self._say(run, text))
        try:
            outcome = await self._exchange(run, exchange)
        except Exception as error:  # noqa: BLE001 - whatever happens is the outcome of this one call
            outcome = self._failed(run, exchange, explain(error))
        self._finish(run, outcome)

    async def _exchange(self, run: _Run, exchange: Exchange) -> Outcome:
        target, url = self._prepare(run.call)
        request, run.mask = build_request(run.call, target, url, self._options.auth_secret)
        limit_us = _limit(run.call, target, TIMEOUT_US)
        try:
            async with asyncio.timeout(limit_us / SECOND) as run.clock:
                answer = await exchange.run(request, redirects=target.redirects, expect=target.expect)
        except TimeoutError:
            raise Trouble("timeout", f"{exchange.state} within {format_duration(limit_us)}") from None
        finally:
            run.clock = None
        if is_deferred(answer, target):
            self._say(run, "the target has taken the work and answers later")
            return Outcome("deferred", delay_us=_limit(run.call, target, DEFERRED_TIMEOUT_US))
        if not accepted(answer, target):
            self._keep(run, answer)
        outcome = outcome_of(answer, target, run.mask, self._options.max_kept)
        if answer.status in SLOWS and not accepted(answer, target):
            return slowing(outcome, answer, url, run.mask)
        return outcome

    def _failed(self, run: _Run, exchange: Exchange, trouble: Trouble) -> Outcome:
        text = one_line(run.mask(trouble.text))
        self._say(run, f"{exchange.title} → {text} after {exchange.elapsed_ms} ms" if exchange.title else text)
        return Trouble(trouble.code, text, permanent=trouble.permanent).outcome()

    def _prepare(self, call: Call) -> tuple[HttpTarget, URL]:
        try:
            target, url = self._parsed(call.target or "{}")
            if call.callback_url is not None:
                url = check_callback(call.callback_url, url, self._callback_hosts)
        except (Invalid, msgspec.MsgspecError, RecursionError) as error:
            # A worker with other settings may know the service: that alone is worth another try.
            unknown = isinstance(error, Invalid) and error.field == "target.service"
            raise Trouble("target", f"the target cannot be called: {error}", permanent=not unknown) from None
        return target, url

    def _finish(self, run: _Run, outcome: Outcome) -> None:
        """Report the outcome, once, and end what still runs of the call."""
        key = (run.call.job_id, run.call.attempt)
        if self._runs.get(key) is not run:
            return
        del self._runs[key]
        if self._host is not None:
            self._host.done(run.call, _with_exchange(outcome, run))
        if run.task is not None and run.task is not asyncio.current_task():
            run.task.cancel()

    def _keep(self, run: _Run, answer: Answer) -> None:
        """Put an answer that becomes no result into the log."""
        text = run.mask(answer.body.text(answer.headers.get("Content-Type", "")))[: self._options.max_kept]
        if text.strip():
            self._log(run, "log", text.splitlines())

    def _say(self, run: _Run, text: str) -> None:
        self._log(run, "system", [run.mask(text)])

    def _log(self, run: _Run, stream: Stream, texts: Sequence[str]) -> None:
        if self._host is not None and (run.call.job_id, run.call.attempt) in self._runs:
            at = time.time_ns() // 1000
            self._host.lines(run.call, [Line(at, stream, text) for text in texts])


def _with_exchange(outcome: Outcome, run: _Run) -> Outcome:
    exchange = run.exchange
    if exchange is None or exchange.request is None:
        return outcome
    return msgspec.structs.replace(outcome, exchange=kept(exchange.request, exchange.answer, run.mask))


def _late(run: _Run) -> Outcome:
    """The engine's clock was a moment quicker than ours: the outcome says how far the exchange came all the same."""
    state = run.exchange.state if run.exchange is not None else "no answer"
    return Trouble("timeout", f"{state} within {format_duration(run.call.timeout_us or TIMEOUT_US)}").outcome()


def _limit(call: Call, target: HttpTarget, otherwise: int) -> int:
    """Of the job's and its target's time-out the smaller holds."""
    given = [limit for limit in (call.timeout_us, target.timeout_us) if limit is not None]
    return min(given, default=otherwise)
