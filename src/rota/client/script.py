"""Calls described once, without saying whether a thread or an event loop makes them.

A call is a generator: it yields what is to be done (send this, pause so long, hand this out) and gets back what came of
it.  A wire of either kind does these things, so that retries, pages, streams and waiting are written once.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import httpx

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Y = TypeVar("Y")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request; its answer comes back: whole, or (``streamed``, and where it is a good one) without its body."""

    request: httpx.Request
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """Read on in the answer that is streamed: bytes come back, None at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Give(Generic[T_co]):
    """Hand an item out to who walks through them."""

    item: T_co


@dataclass(frozen=True, slots=True)
class Done:
    """What a script returned."""

    value: Any


Step = Send | Read | Pause
Script = Generator[Step, Any, T]
"""A call that returns a T in the end; `httpx.HTTPError` is thrown into it where the connection fails."""
Feed = Generator[Step | Give[T], Any, None]
"""A call that gives Ts, one after another."""


def advance(script: Generator[Y, Any, Any], came: Any) -> Y | Done:
    """Tell a script what came of its last step; return its next one, or its end."""
    try:
        return script.throw(came) if isinstance(came, httpx.HTTPError) else script.send(came)
    except StopIteration as end:
        return Done(end.value)


class Sync:
    """What runs scripts in the thread of its caller."""

    def run(self, script: Script[T]) -> T:
        """Return what a script returns."""
        raise NotImplementedError

    def walk(self, script: Feed[T]) -> Iterator[T]:
        """Yield what a script gives."""
        raise NotImplementedError


class Async:
    """What runs scripts on an event loop."""

    async def run(self, script: Script[T]) -> T:
        """Return what a script returns."""
        raise NotImplementedError

    def walk(self, script: Feed[T]) -> AsyncIterator[T]:
        """Yield what a script gives."""
        raise NotImplementedError


class call(Generic[P, T]):  # noqa: N801  # used as a decorator
    """A method whose script is run when it is called: it returns its T, or something to await."""

    def __init__(self, plan: Callable[Concatenate[Any, P], Script[T]]) -> None:
        @functools.wraps(plan)
        def run(self: Sync | Async, *args: P.args, **kwargs: P.kwargs) -> Any:
            return self.run(plan(self, *args, **kwargs))

        self._run = run

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], Any]: ...
    @overload
    def __get__(self, instance: Sync, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Async, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        return self._run if instance is None else MethodType(self._run, instance)


class feed(Generic[P, T]):  # noqa: N801  # used as a decorator
    """A method that is walked through: it returns an iterator of Ts, or an asynchronous one."""

    def __init__(self, plan: Callable[Concatenate[Any, P], Feed[T]]) -> None:
        @functools.wraps(plan)
        def walk(self: Sync | Async, *args: P.args, **kwargs: P.kwargs) -> Any:
            return self.walk(plan(self, *args, **kwargs))

        self._walk = walk

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], Any]: ...
    @overload
    def __get__(self, instance: Sync, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Async, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        return self._walk if instance is None else MethodType(self._walk, instance)
