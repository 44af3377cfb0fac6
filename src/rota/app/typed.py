"""What a type checker sees of a job function: enqueued, it takes its parameters but the `Context`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar, overload

from rota.context import Context
from rota.job import JobFunction

P = ParamSpec("P")
R = TypeVar("R")

if TYPE_CHECKING:

    class PlainFunction(JobFunction[P, R]):
        """A job function that takes no context."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    class ContextFunction(JobFunction[P, R]):
        """A job function whose first parameter is the context."""

        def __call__(self, context: Context, /, *args: P.args, **kwargs: P.kwargs) -> R: ...


class Declare(Protocol):
    """Makes a function a job type."""

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> ContextFunction[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> PlainFunction[P, R]: ...
