"""Operations as routes of FastAPI."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from rota.api.operations import Operation, Operations, endpoint_of
from rota.api.service import Service


class OperationRoute(APIRoute):
    """A route whose handler reads the request by itself: bodies are decoded by msgspec, after access is known."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


def add_operations(
    router: APIRouter, operations: Operations, service: Service, describe: Callable[[Operation], dict[str, Any]]
) -> None:
    """Route the operations of a collection."""
    for operation in operations.all:
        router.routes.append(
            OperationRoute(
                operation.path,
                endpoint_of(operation, service),
                methods=[operation.method],
                operation_id=operation.id,
                name=operation.id,
                summary=operation.summary,
                description=operation.description,
                tags=[operation.tag],
                status_code=operation.status,
                response_model=None,
                response_class=Response,
                openapi_extra=describe(operation),
            )
        )
