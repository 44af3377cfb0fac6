"""Operations: what the API can do, declared once for routing, access and its description."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rota.api.context import Context
from rota.api.reply import refusal_of
from rota.api.service import Service
from rota.errors import RotaError
from rota.model import Role

Handler = Callable[[Context], Awaitable[Response]]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A header or part of the address that the description explains."""

    name: str
    place: str = "path"
    description: str
    example: str
    type: type = str
    required: bool = False


IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    place="header",
    description="Sent again with the same key, the request is not done again; the first answer is given again.",
    example="order-4711",
)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of the API."""

    method: str
    path: str
    id: str
    handler: Handler
    role: Role | None = "viewer"
    """The least role; None for whoever asks."""
    tag: str = ""
    body: type | None = None
    body_required: bool = True
    example: Any = None
    """Of the body."""
    query: type | None = None
    headers: tuple[Parameter, ...] = ()
    paths: tuple[Parameter, ...] = ()
    status: int = 200
    answer: Any = None
    """A type, or a union of them."""
    answer_example: Any = None
    media_type: str = "application/json"
    problems: tuple[int, ...] = ()
    """Statuses that it may answer with beside those that every operation may."""
    also: Mapping[int, str] = {}
    """Further statuses that are no problems, with their meaning."""

    @property
    def summary(self) -> str:
        """First line of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[0].rstrip(".")

    @property
    def description(self) -> str:
        """The rest of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[2].strip()


class Operations:
    """Collects the operations of one kind of thing."""

    def __init__(self, tag: str, *paths: Parameter) -> None:
        self.tag = tag
        self.all: list[Operation] = []
        self._paths = {parameter.name: parameter for parameter in paths}

    def add(self, method: str, path: str, operation_id: str, **details: Any) -> Callable[[Handler], Handler]:
        """Declare the decorated handler; ``details`` are the other fields of `Operation`."""

        def declare(handler: Handler) -> Handler:
            paths = tuple(parameter for name, parameter in self._paths.items() if "{" + name in path)
            self.all.append(
                Operation(
                    method=method, path=path, id=operation_id, handler=handler, tag=self.tag, paths=paths, **details
                )
            )
            return handler

        return declare


def endpoint_of(operation: Operation, service: Service) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """Return what answers the requests of an operation."""
    handler, role = operation.handler, operation.role

    async def endpoint(request: Request) -> Response:
        context = Context(request, service)
        try:
            if role is not None:
                context.identity.require(role)
            return await handler(context)
        except RotaError as error:
            return refusal_of(error)

    return endpoint
