"""A request as a handler sees it: its values decoded, the database at hand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from starlette.requests import Request

from rota.actions.decoding import decode
from rota.actions.refusal import refused
from rota.actions.specs import Caller
from rota.api.access import IDENTITY, Identity
from rota.api.bodies import read_body
from rota.api.service import Service
from rota.errors import Invalid, NotFound, Unauthorized
from rota.settings import Settings
from rota.store.database import Tx
from rota.traces import checked

T = TypeVar("T")
_LONGEST_NAME = 500


class Context:
    """One request."""

    __slots__ = ("_raw", "request", "service")

    def __init__(self, request: Request, service: Service) -> None:
        self.request = request
        self.service = service
        self._raw: bytes | None = None

    @property
    def settings(self) -> Settings:
        return self.service.settings

    @property
    def identity(self) -> Identity:
        """Who asks; raises Unauthorized on an open path when nobody said so."""
        identity: Identity | None = self.request.scope.get(IDENTITY)
        if identity is None:
            raise Unauthorized
        return identity

    @property
    def known_identity(self) -> Identity | None:
        """Who asks, or None on an open path."""
        identity: Identity | None = self.request.scope.get(IDENTITY)
        return identity

    @property
    def caller(self) -> Caller:
        caller, client, trace = self.identity.caller, self.request.client, self.trace
        if self.identity.source == "trusted":
            client = None
        if client is None and trace is None:
            return caller
        return msgspec.structs.replace(caller, client=client.host if client is not None else None, trace=trace)

    @property
    def trace(self) -> str | None:
        """The trace context that was sent; None for none, or what is none."""
        sent = self.request.headers.getlist("traceparent")
        return checked(sent[0]) if len(sent) == 1 else None

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run ``work`` on a database thread."""
        return await self.service.read(work)

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Commit ``work``; it may run more than once."""
        return await self.service.write(work)

    async def write_alone(self, work: Callable[[Tx], T]) -> T:
        """Commit ``work`` in a transaction of its own; it may run more than once."""
        return await self.service.write_alone(work)

    def path(self, name: str) -> str:
        """Return a part of the address; one that nothing can be called by is a NotFound."""
        value: str = self.request.path_params[name]
        if "\0" in value or len(value) > _LONGEST_NAME:
            raise NotFound(f"there is no such {name}")
        return value

    def header(self, name: str) -> str | None:
        """Return a header."""
        return self.request.headers.get(name)

    def query(self, kind: type[T]) -> T:
        """Return the query, decoded; raises Invalid with the field that is wrong."""
        return decode_query(self.request, kind)

    async def raw_body(self) -> bytes:
        """Return the body; raises TooLarge."""
        if self._raw is None:
            self._raw = await read_body(self.request.receive, self.settings.limit_body)
        return self._raw

    async def body(self, kind: type[T]) -> T:
        """Return the body, decoded; raises Invalid with the field that is wrong."""
        raw = await self.raw_body()
        if not raw.strip():
            raise Invalid("body", "is empty", hint="send a JSON object")
        return decode(raw, kind)

    async def optional_body(self, kind: type[T]) -> T:
        """Return the body, decoded; nothing sent is an empty object."""
        raw = await self.raw_body()
        return decode(raw if raw.strip() else b"{}", kind)

    def fingerprint(self, raw: bytes) -> str:
        """Return what tells this request from another with the same idempotency key."""
        url = self.request.url
        return hashlib.sha256(f"{self.request.method} {url.path}\0".encode() + raw).hexdigest()


def decode_query(request: Request, kind: type[T]) -> T:
    """Return the query of a request as a struct: numbers from text, unknown names refused."""
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        part = _PART.fullmatch(name)
        if part is not None and part[1] in _with_parts(kind):
            parts = given.setdefault(part[1], {})
            if not isinstance(parts, dict) or (place := part[2] or part[3]) in parts:
                raise Invalid(name, "is given more than once")
            parts[place] = value
        elif name not in given:
            given[name] = value
        elif name in _several(kind):
            before = given[name]
            given[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            raise Invalid(name, "is given more than once")
    try:
        found = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise refused(error, kind) from None
    for name, became in _by_name(kind, found):
        if name in given and became is None:  # the text null
            raise Invalid(name, f"{given[name]!r} is no value", hint="leave it out")
    return found


def _by_name(kind: type, found: object) -> list[tuple[str, Any]]:
    return [(field.encode_name, getattr(found, field.name)) for field in _fields(kind)]


@cache
def _fields(kind: type) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)  # it evaluates annotations anew: a quarter of the time of a request


_PART = re.compile(r"(\w+)(?:\.(.+)|\[(.+)\])", re.ASCII | re.DOTALL)
"""``args.user.id``, or ``args[user.id]`` as generated clients write it."""


def _with_parts(kind: type) -> set[str]:
    """Return the names of what is given in parts: ``args.user=42``."""
    return {
        field.encode_name for field in _fields(kind) if any(get_origin(one) is dict for one in get_args(field.type))
    }


def _several(kind: type) -> set[str]:
    """Return the names that may be given several times."""
    return {
        field.encode_name for field in _fields(kind) if any(get_origin(one) is list for one in get_args(field.type))
    }
