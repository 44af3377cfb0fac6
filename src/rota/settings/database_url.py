"""The database URL: SQLite files and PostgreSQL servers, also as Prisma and SQLAlchemy write them."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import msgspec

from rota.settings.values import HIGHEST_PORT, Wrong, parse_flag

HINT = "write sqlite:///rota.db, sqlite:////absolute/path.db or postgresql://user:password@host:5432/database"
_ENCODE = "percent-encode special characters of user and password: @ is %40, / is %2F, ? is %3F, % is %25"
_SCHEME = re.compile(r"([a-z][a-z0-9]*)(?:\+[a-z0-9_]+)?://(.*)", re.IGNORECASE | re.DOTALL)
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
_HOSTS_AND_NAME = re.compile(r"[\w.-]*(?::[0-9]{1,5})?(?:,[\w.-]*(?::[0-9]{1,5})?)*(?:/[\w./-]*)?", re.ASCII)
_LIBPQ_NAMES = """
    application_name channel_binding client_encoding connect_timeout dbname fallback_application_name gssdelegation
    gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname
    load_balance_hosts max_protocol_version min_protocol_version options passfile password port require_auth
    requirepeer service ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl
    sslcrldir sslkey sslmode sslnegotiation sslpassword sslrootcert sslsni target_session_attrs tcp_user_timeout user
"""
_PRISMA_NAMES = """
    connection_limit max_connection_lifetime max_idle_connection_lifetime pool_timeout single_use_connections
    socket_timeout sslaccept sslidentity statement_cache_size supa
"""
_LIBPQ = frozenset(_LIBPQ_NAMES.split())
_OTHER_CLIENTS = frozenset(_PRISMA_NAMES.split())
"""Fields that Prisma and hosts of databases put into their URLs; libpq would refuse them, and we need none."""
_OWN = frozenset(("pgbouncer", "schema"))
_SSL_MODES = frozenset(("disable", "allow", "prefer", "require", "verify-ca", "verify-full"))
_SECRET_FIELDS = frozenset(("password", "sslpassword"))
_SHOWN_FIELDS = _OWN | {"sslmode"}
_LONGEST_IDENTIFIER = 63


class DatabaseUrl(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database is.  Its ``repr`` and ``str`` show no password."""

    scheme: Literal["sqlite", "postgresql"]
    path: str | None = None
    """SQLite: the absolute path of the file."""
    conninfo: str = ""
    """PostgreSQL: the connection string in libpq's form ``key='value' …``, with the password."""
    schema: str | None = None
    """PostgreSQL: the schema that holds the tables; None means the server's own search path."""
    pooled: bool = False
    """PostgreSQL: behind a transaction pooler, so no LISTEN, no prepared statements, no session locks."""
    display: str
    """The URL as it may be shown."""
    secrets: tuple[str, ...] = ()
    """The passwords in it."""

    def __str__(self) -> str:
        return self.display

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.display!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("display", self.display)]


def parse_database_url(value: object) -> DatabaseUrl:
    """Return the parsed URL; raises `Wrong` with what is expected."""
    match = _SCHEME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong("a database URL", HINT)
    scheme, rest = match[1].lower(), match[2]
    if scheme == "sqlite":
        return _parse_sqlite(rest)
    if scheme in ("postgresql", "postgres"):
        return _parse_postgres(rest)
    raise Wrong("a sqlite:// or postgresql:// URL", HINT)


def show_database_url(value: object) -> str:
    """Write a refused URL for an error, without whatever in it could be a password."""
    match = _SCHEME.fullmatch(str(value))
    if match is None:
        return repr(value) if re.fullmatch(r"[\w./-]{0,80}", str(value)) else "***"
    address, _, query = match[2].partition("?")
    start = str(value)[: match.start(2)]
    if "@" in match[2]:
        address, _, query = match[2].rpartition("@")[2].partition("?")
        start += "***@"
    if not _HOSTS_AND_NAME.fullmatch(address):
        address = "***"
    fields = "&".join(
        field if field.partition("=")[0] in _SHOWN_FIELDS else field.partition("=")[0] + "=***"
        for field in query.split("&")
    )
    return repr(f"{start}{address}{'?' + fields if query else ''}")


def _parse_sqlite(rest: str) -> DatabaseUrl:
    if not rest.startswith("/") and ":memory:" not in rest and rest:
        raise Wrong("a SQLite URL with three slashes before a relative path", HINT)
    if "?" in rest or "#" in rest:
        raise Wrong("a SQLite URL without query fields", HINT)
    path = _decode(rest[1:])
    if path in ("", ":memory:"):
        raise Wrong("a SQLite file; a database in memory is lost when the process ends", HINT)
    if path.endswith("/"):
        raise Wrong("a SQLite file, not a folder", HINT)
    return DatabaseUrl(scheme="sqlite", path=os.path.abspath(path), display=f"sqlite:///{rest[1:]}")


def _parse_postgres(rest: str) -> DatabaseUrl:
    if "#" in rest:
        raise Wrong("a PostgreSQL URL without '#'", _ENCODE)
    address, _, query = rest.partition("?")
    user_part, at, host_part = address.rpartition("@")
    hosts, _, name = host_part.partition("/")
    user, colon, password = user_part.partition(":")
    fields = _parse_hosts(hosts)
    if at:
        fields["user"] = _decode(user)
        if colon:
            fields["password"] = _decode(password)
    if name:
        fields["dbname"] = _decode(name)
    own = _merge_query(fields, query)
    return DatabaseUrl(
        scheme="postgresql",
        conninfo=" ".join(f"{key}={_quote(text)}" for key, text in fields.items() if text),
        schema=_parse_schema(own["schema"]) if own.get("schema") else None,
        pooled=parse_flag(own["pgbouncer"]) if own.get("pgbouncer") else False,
        display=_display(user, bool(colon), host_part, query, at=at),
        secrets=tuple(text for key, text in fields.items() if key in _SECRET_FIELDS and text),
    )


def _parse_hosts(text: str) -> dict[str, str]:
    hosts, ports = [], []
    for part in text.split(","):
        match = _HOST_PORT.fullmatch(part)
        if match is None or (match[2] and not 1 <= int(match[2]) <= HIGHEST_PORT):
            raise Wrong("a PostgreSQL URL with host:port, several divided by commas", _ENCODE)
        host = _decode(match[1]).removeprefix("[").removesuffix("]")
        if not host and "," in text:
            raise Wrong("a PostgreSQL URL without empty hosts", HINT)
        if any(character.isspace() for character in host) or "," in host:
            raise Wrong("a PostgreSQL URL without spaces in its host", HINT)
        hosts.append(host)
        ports.append(match[2] or "")
    return {"host": ",".join(hosts), "port": ",".join(ports) if any(ports) else ""}


def _merge_query(fields: dict[str, str], query: str) -> dict[str, str]:
    """Put libpq's fields of the query into ``fields`` and return our own."""
    own: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError as error:
        raise Wrong("a PostgreSQL URL with field=value&field=value behind '?'", _ENCODE) from error
    for key, text in pairs:
        if "\0" in text:
            raise Wrong("a PostgreSQL URL without NUL characters")
        if key in _OWN:
            own[key] = text
        elif key in _LIBPQ:
            if key == "sslmode" and text not in _SSL_MODES:
                raise Wrong(f"an sslmode of {', '.join(sorted(_SSL_MODES))}")
            fields[key] = text
        elif key not in _OTHER_CLIENTS:
            close = ["sslmode"] if key == "ssl" else get_close_matches(key, sorted(_LIBPQ | _OWN), 1)
            raise Wrong(
                f"a PostgreSQL URL without the unknown field {key!r}",
                f"did you mean {close[0]}?" if close else "libpq's connection fields, schema and pgbouncer are known",
            )
    return own


def _parse_schema(text: str) -> str:
    if len(text.encode()) > _LONGEST_IDENTIFIER or not text.isprintable():
        raise Wrong(f"a schema name of at most {_LONGEST_IDENTIFIER} bytes")
    return text


def _decode(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise Wrong("a database URL in which each % begins an escape", _ENCODE)
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeError as error:
        raise Wrong("a database URL in UTF-8", _ENCODE) from error
    if "\0" in decoded:
        raise Wrong("a database URL without NUL characters")
    return decoded


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _display(user: str, has_password: bool, host_part: str, query: str, *, at: str) -> str:
    shown = "&".join(
        f"{key}={'***' if key in _SECRET_FIELDS else quote(text, safe='/,:')}"
        for key, text in parse_qsl(query, keep_blank_values=True)
    )
    return f"postgresql://{user}{':***' if has_password else ''}{at}{host_part}{'?' if shown else ''}{shown}"
