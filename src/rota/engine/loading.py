"""Which executors a worker has: those of Rota and those that other packages bring by entry point.

Each is imported only when this worker takes its lanes: aiohttp alone costs 226 ms.  The libraries of RQ and Celery are
imported with the first job that needs them; a worker that does not have them leaves such jobs to others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec

from rota.actions.targets import brokers
from rota.errors import SettingInvalid
from rota.executor import Executor
from rota.settings import Settings

GROUP = "rota.executors"
Factory = Callable[[Settings, Sequence[str]], Executor]
"""Makes an executor from the settings and the applications (``MODULE:ATTR``) to load."""


def load_executors(settings: Settings, apps: Sequence[str]) -> list[Executor]:
    """Return the executors that the settings name, else all.  Raises SettingInvalid for an unknown one."""
    check_executors(settings)
    found: list[Executor] = []
    for name in settings.executors or _known():
        if name == "function" and not (apps or settings.function_modules):
            continue  # no code to run: jobs of functions wait for a worker that has it
        if any(find_spec(library) is None for library in LIBRARIES.get(name, ())):
            continue
        found.append(_factory(name)(settings, apps))
    return found


def check_executors(settings: Settings) -> None:
    """Raise SettingInvalid where the settings name an executor that there is not; none is loaded."""
    known = _known()
    for name in settings.executors or ():
        if name not in known:
            raise SettingInvalid("ROTA_EXECUTORS", f"no executor is called {name!r}", hint=f"known: {', '.join(known)}")
        if any(find_spec(library) is None for library in LIBRARIES.get(name, ())):
            raise SettingInvalid("ROTA_EXECUTORS", f"{name} is not installed", hint=f"pip install 'rota[{name}]'")


def _factory(name: str) -> Factory:
    if name in BUILT_IN:
        return BUILT_IN[name]
    for point in entry_points(group=GROUP, name=name):
        factory: Factory = point.load()
        return factory
    raise LookupError(name)


def _known() -> list[str]:
    return [*BUILT_IN, *sorted(point.name for point in entry_points(group=GROUP))]


def _http(settings: Settings, _apps: Sequence[str]) -> Executor:
    from rota.executors.http import HttpExecutor, HttpOptions

    options = HttpOptions(
        services=settings.services,
        allow=settings.http_allow,
        deny=settings.http_deny,
        callback_hosts=settings.callback_hosts,
        auth_secret=settings.auth_secret,
        own_listener=(settings.host, settings.port),
        proxy=settings.http_proxy,
        max_body=settings.limit_result,
        max_kept=settings.limit_answer,
    )
    return HttpExecutor(options)


def _command(settings: Settings, _apps: Sequence[str]) -> Executor:
    from rota.executors.command import CommandExecutor

    return CommandExecutor(slots=settings.concurrency, grace_s=settings.grace_us / 1e6)


def _function(settings: Settings, apps: Sequence[str]) -> Executor:
    from rota.executors.function import FunctionExecutor
    from rota.executors.runner_call import Limits

    limits = Limits(result_bytes=settings.limit_result, depth=settings.limit_depth, line_chars=settings.limit_line)
    return FunctionExecutor(
        apps,
        settings.function_modules,
        sync_slots=settings.concurrency,
        grace_s=settings.grace_us / 1e6,
        limits=limits,
    )


def _rq(settings: Settings, _apps: Sequence[str]) -> Executor:
    from rota.executors.handoff import HandoffExecutor, rq_trade

    trade = rq_trade(brokers(settings), max_bytes=settings.limit_result, max_depth=settings.limit_depth)
    return HandoffExecutor(trade, grace_s=settings.grace_us / 1e6)


def _celery(settings: Settings, _apps: Sequence[str]) -> Executor:
    from rota.executors.handoff import HandoffExecutor, celery_trade

    trade = celery_trade(brokers(settings), max_bytes=settings.limit_result, max_depth=settings.limit_depth)
    return HandoffExecutor(trade, grace_s=settings.grace_us / 1e6)


LIBRARIES = {"rq": ("rq",), "celery": ("celery", "redis")}
"""Executors that need what an extra installs."""
BUILT_IN: dict[str, Factory] = {
    "function": _function,
    "http": _http,
    "command": _command,
    "rq": _rq,
    "celery": _celery,
}
