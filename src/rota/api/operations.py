"""Operations: what the API can do, declared once for routing, access and its description."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rota.api.context import Context
from rota.api.hiding import check_search, hidden
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
    other_types: tuple[str, ...] = ()
    """Further media types of the same, where the query asks for them."""
    problems: tuple[int, ...] = ()
    """Statuses that it may answer with beside those that every operation may."""
    also: Mapping[int, str] = {}
    """Further statuses that are no problems, with their meaning."""
    has_payloads: bool = True
    """Whether its answers may hold what jobs take, give and say."""

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

    def with_all(self, operations: Iterable[Operation]) -> Operations:
        """Return a collection of the same kind with other operations."""
        found = Operations(self.tag, *self._paths.values())
        found.all.extend(operations)
        return found


def endpoint_of(operation: Operation, service: Service) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """Return what answers the requests of an operation."""
    handler, role = operation.handler, operation.role
    may_hide = operation.has_payloads and service.settings.viewer_payloads == "hide"

    async def endpoint(request: Request) -> Response:
        context = Context(request, service)
        identity = context.known_identity
        is_hiding = may_hide and identity is not None and identity.role == "viewer"
        try:
            if role is not None and (identity is None or identity.source != "answer"):
                context.identity.require(role)
            if is_hiding:
                check_search(request)
            answer = await handler(context)
        except RotaError as error:
            return refusal_of(error)
        return hidden(answer) if is_hiding else answer

    return endpoint
