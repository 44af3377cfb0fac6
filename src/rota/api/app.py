"""The application: every operation behind the gate."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from rota.api import demo as demo_endpoints
from rota.api import web
from rota.api.access import Access
from rota.api.catalogue import OPERATIONS
from rota.api.compressing import Compressing
from rota.api.cross_origin import CrossOrigin
from rota.api.gate import Gate
from rota.api.login import Login
from rota.api.network import NetworkAccess
from rota.api.operations import Operations
from rota.api.pages import page_operations
from rota.api.permissions import granted, least_roles
from rota.api.reply import problem, refusal
from rota.api.routes import add_operations
from rota.api.service import Service
from rota.local_token import ensure_local_token
from rota.settings import Settings
from rota.store.database import Database


def create_app(
    db: Database,
    settings: Settings,
    *,
    access: Access | None = None,
    demo: bool = False,
    service: Service | None = None,
) -> Starlette:
    """Return the application over an open, migrated database.

    ``access`` decides who asks; by default what the settings say, with a local admin token where they say nothing.
    `rota.api.access.trusted` lets the own process do everything.  Threads end with ``app.state.service.close()``.
    """
    service = service or Service(db, settings)
    access = access or network_access(service)
    app = Starlette()
    app.router.redirect_slashes = False
    groups = _groups(access, demo=demo)
    described: dict[str, Any] = {}

    def describe_all() -> dict[str, Any]:
        if not described:
            # FastAPI, by which it is made, takes a quarter of a second to load: only where somebody asks for it.
            from rota.api.openapi import document  # noqa: PLC0415

            described.update(document(groups, settings))
        return described

    groups = granted([*groups, page_operations(describe_all)], settings.permissions)
    service.least_roles = least_roles(groups)
    for group in groups:
        add_operations(app.router, group, service)
    app.state.service = service
    app.state.operations = [operation for group in groups for operation in group.all]
    app.add_middleware(Gate, service=service, access=access)
    app.add_middleware(Compressing, root_path=settings.root_path)
    if settings.cors_origins:
        app.add_middleware(CrossOrigin, origins=settings.cors_origins)
    app.add_exception_handler(HTTPException, _unrouted)
    return app


def network_access(service: Service) -> NetworkAccess:
    """Return the access that the settings ask for; makes the local token where they name no other way in."""
    settings = service.settings
    has_other = settings.auth_secret is not None or settings.takes_issuer_tokens
    return NetworkAccess(service, None if has_other else ensure_local_token(settings.database_url))


def _groups(access: Access, *, demo: bool) -> list[Operations]:
    groups = [*OPERATIONS]
    if isinstance(access, NetworkAccess):
        groups.append(Login(access).operations)
    if demo:
        groups.append(demo_endpoints.operations)
    return groups


async def _unrouted(request: Request, error: Exception) -> Response:
    """Answer for an address that is none, or a method that it has not."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        methods = _methods(request)
        detail = f"{request.method} is not possible here"
        found = problem(405, detail, "method-not-allowed", hint=f"possible: {', '.join(methods)}")
        return refusal(found, {"Allow": ", ".join(methods)})
    if error.status_code == 404:
        if (page := await web.answer(request)) is not None:
            return page
        return refusal(problem(404, "There is nothing here", "not-found", hint="see /api/docs"))
    return refusal(problem(error.status_code, str(error.detail), "refused"))


def _methods(request: Request) -> list[str]:
    """Return what is possible at an address; ``/api/jobs/bulk`` is itself before it is the id of a job."""
    app: Starlette = request.app
    path = request.url.path
    matching = [route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE]
    exact = [route for route in matching if getattr(route, "path", None) == path]
    return sorted(set().union(*(getattr(route, "methods", None) or () for route in exact or matching)))
