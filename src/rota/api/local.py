"""The API for the own process: the same operations behind the same gate, without what only a server needs.

FastAPI, which is there to describe the API, takes a quarter of a second to load: more than a command itself.
"""

from __future__ import annotations

from starlette.routing import Router
from starlette.types import ASGIApp

from rota.api.access import Access
from rota.api.catalogue import OPERATIONS
from rota.api.gate import Gate
from rota.api.permissions import least_roles
from rota.api.routes import add_operations
from rota.api.service import Service


def create_local_app(service: Service, access: Access) -> ASGIApp:
    """Return the application over an open, migrated database; the caller closes the service."""
    service.least_roles = least_roles(OPERATIONS)
    router = Router(redirect_slashes=False)
    for group in OPERATIONS:
        add_operations(router, group, service)
    return Gate(router, service=service, access=access)
