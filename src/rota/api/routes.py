"""Operations as routes."""

from __future__ import annotations

from functools import cached_property

from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import Receive, Scope, Send

from rota.api.operations import Operation, Operations, endpoint_of
from rota.api.service import Service


class OperationRoute(BaseRoute):
    """A route that answers one method, and HEAD not just because it answers GET.

    The pattern of a path is compiled when a request first comes near it: all hundred of them take a tenth of a
    second, and each request would try one after the other.
    """

    def __init__(self, operation: Operation, service: Service) -> None:
        self.path = operation.path
        self.methods = {operation.method}
        self._operation = operation
        self._service = service
        self._beginning, has_parameter, _ = operation.path.partition("{")
        self._is_whole = not has_parameter

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope["path"]
        if self._is_near(path) or self._is_near(path.removeprefix(scope.get("root_path", ""))):
            return self._route.matches(scope)
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._route.handle(scope, receive, send)

    def _is_near(self, path: str) -> bool:
        return path == self._beginning if self._is_whole else path.startswith(self._beginning)

    @cached_property
    def _route(self) -> Route:
        operation = self._operation
        endpoint = endpoint_of(operation, self._service)
        route = Route(operation.path, endpoint, methods=[operation.method], name=operation.id)
        route.methods = self.methods
        return route


def add_operations(router: Router, operations: Operations, service: Service) -> None:
    """Route the operations of a collection."""
    router.routes.extend(OperationRoute(operation, service) for operation in operations.all)
