"""The API for the own process: the same operations behind the same gate, without what only a server needs.

FastAPI, which is there to describe the API, takes a quarter of a second to load: more than a command itself.
"""

from __future__ import annotations

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from rota.api.access import Access
from rota.api.catalogue import OPERATIONS
from rota.api.gate import Gate
from rota.api.operations import endpoint_of
from rota.api.service import Service


def create_local_app(service: Service, access: Access) -> ASGIApp:
    """Return the application over an open, migrated database; the caller closes the service."""
    routes = [
        Route(operation.path, endpoint_of(operation, service), methods=[operation.method])
        for group in OPERATIONS
        for operation in group.all
    ]
    return Gate(Router(routes, redirect_slashes=False), service=service, access=access)
