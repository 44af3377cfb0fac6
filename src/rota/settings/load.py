"""`Settings` and how they are read: environment over ``rota.toml`` over defaults."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from rota.errors import Invalid, SettingInvalid, meant
from rota.settings.database_url import DatabaseUrl, show_database_url
from rota.settings.notify_url import Channel, channels_of, secrets_of
from rota.settings.table import OTHER_VARIABLES, SETTINGS, Setting
from rota.settings.values import Wrong, show

Role = Literal["viewer", "operator", "admin"]
FILE_NAME = "rota.toml"

_PLAIN = {setting.name: setting for setting in SETTINGS if "<" not in setting.name}
_SERVICES = next(setting for setting in SETTINGS if setting.field == "services")
_ALIASES = {alias for setting in _PLAIN.values() for alias in setting.aliases}
_OWN_SERVICE = re.compile(r"ROTA_SERVICE_([A-Z0-9][A-Z0-9_]*)_URL")
_FOREIGN_SERVICE = re.compile(r"(?!ROTA_)([A-Z0-9][A-Z0-9_]*)_SERVICE_URL")
_KUBERNETES = re.compile(
    r"ROTA_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?"
    r"|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
"""What Kubernetes puts into every container when a service is called ``rota`` or ``rota-…``."""
_KUBERNETES_PORT = re.compile(r"(?:tcp|udp|sctp)://[0-9a-fA-F.:\[\]]+")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting with its type; durations are microseconds (``_us``), sizes bytes, None means not set.

    The table in `rota.settings.table` gives meanings and defaults.  ``repr`` shows no secret.
    """

    database_url: DatabaseUrl
    host: str
    port: int
    probe_port: int | None
    root_path: str
    app: str | None
    service_name: str

    executors: tuple[str, ...]
    queues: tuple[str, ...]
    labels: tuple[str, ...]
    concurrency: int
    lease_us: int
    grace_us: int
    stall_us: int
    function_modules: tuple[str, ...]
    priorities: dict[str, int]

    auth_secret: str | None
    auth_secret_role: Role
    auth_secret_max_role: Role
    auth_jwks_url: str | None
    auth_issuer: str | None
    auth_audience: tuple[str, ...]
    auth_role_claim: str | None
    clerk_secret_key: str | None
    oidc_client_id: str | None
    oidc_client_secret: str | None
    oidc_scopes: str
    clerk_api_url: str
    user_service_url: str | None
    secret_keys: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    cors_origins: tuple[str, ...]
    metrics_public: bool
    viewer_payloads: Literal["show", "hide"]
    permissions: dict[str, Role]

    services: dict[str, str]
    http_allow: tuple[str, ...]
    http_deny: tuple[str, ...]
    http_proxy: str | None
    callback_hosts: tuple[str, ...]
    rq_url: str | None
    celery_broker_url: str | None
    celery_backend_url: str | None
    redis_urls: dict[str, str]
    notify_urls: tuple[str, ...]
    public_url: str | None
    canary_url: str | None
    canary_every_us: int

    log_format: Literal["json", "text"] | None
    log_level: Literal["debug", "info", "warning", "error"]
    log_file: str | None
    log_file_size: int
    log_file_kept: int
    log_rename: dict[str, str]
    log_output: bool

    retention_completed_us: int | None
    retention_runs_us: int | None
    retention_failed_us: int | None
    retention_occurrences_us: int | None
    retention_logs_us: int | None
    retention_audit_us: int | None
    retention_rollups_us: int | None
    retention_pings_us: int | None
    keep_pings: int
    keep_last: int
    keep_most_completed: int | None
    keep_most_runs: int | None
    keep_most_failed: int | None
    keep_most_bytes: int | None
    archive_dir: str | None
    archive_format: Literal["jsonl", "parquet"]
    archive_logs: bool

    limit_body: int
    limit_args: int
    limit_result: int
    limit_depth: int
    limit_log: int
    limit_job_log: int
    limit_line: int
    limit_answer: int

    def service_url(self, name: str) -> str:
        """Return the address of a service, whose name is compared in lower case with ``-`` as ``_``.

        Raises `Invalid` for ``service`` when no setting names it.
        """
        key = name.lower().replace("-", "_")
        if key not in self.services:
            known = ", ".join(sorted(self.services)) or "none"
            variable = f"ROTA_SERVICE_{re.sub(r'[^A-Z0-9_]', '_', key.upper())}_URL"
            raise Invalid("service", f"no service {name!r} is set; known: {known}", hint=f"set {variable}")
        return self.services[key]

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value among the settings, for masking."""
        found = [*self.database_url.secrets, *self.notify_urls, *self.secret_keys]
        for address in (*(channel.address for channel in self.channels), *filter(None, (self.canary_url,))):
            found += secrets_of(address)
        found += [secret for secret in (self.auth_secret, self.clerk_secret_key, self.oidc_client_secret) if secret]
        asked = (self.http_proxy, self.user_service_url, self.auth_jwks_url, self.clerk_api_url)
        for url in (*self.services.values(), *asked):
            password = urlsplit(url).password if url else None
            if password:
                found.append(unquote(password))
        for url in (*self.redis_urls.values(), self.rq_url, self.celery_broker_url, self.celery_backend_url):
            password = urlsplit(url).password if url else None
            if password:
                found += [password, unquote(password)]
        return tuple(dict.fromkeys(found))

    @property
    def channels(self) -> list[Channel]:
        """Where notices go."""
        return channels_of(self.notify_urls)

    @property
    def takes_issuer_tokens(self) -> bool:
        """Whether tokens of an issuer are taken: its keys have an address, or its own name is one."""
        return self.auth_jwks_url is not None or self.has_issuer_address

    @property
    def has_issuer_address(self) -> bool:
        """Whether the name of the issuer is an address, where it can be asked about itself."""
        return (self.auth_issuer or "").startswith(("https://", "http://"))

    def __repr__(self) -> str:
        return f"Settings(database_url={self.database_url!r}, …)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("database_url", self.database_url)]


class _Given(msgspec.Struct, frozen=True):
    """A value as somebody wrote it, the name used, and where."""

    name: str
    value: object
    place: str


def load_settings(
    environ: Mapping[str, str] = os.environ, *, file: Path | None = None, **overrides: object
) -> Settings:
    """Read all settings.

    ``overrides`` (from the command line) are named as the settings in lower case without ``rota_``
    (``port=8000, lease="5s"``); None means not given.  An empty variable counts as not set.  A setting's own name,
    in the environment or else in the file, wins over its aliases.  Raises `SettingInvalid` for an unknown or wrong one.
    """
    written = _read_file(environ, file)
    _refuse_unknown(environ, written)
    values: dict[str, Any] = {}
    keys = {setting.key: setting for setting in _PLAIN.values()}
    for key in overrides:
        if key not in keys:
            raise TypeError(f"there is no setting {key!r}")
    for setting in _PLAIN.values():
        override = overrides.get(setting.key)
        if override is not None:
            given: _Given | None = _Given(setting.name, override, "")
        else:
            given = _find(setting, environ, written)
        values[setting.field] = _value(setting, given)
    return Settings(services=_services(environ, written), **values)


def _read_file(environ: Mapping[str, str], file: Path | None) -> dict[str, _Given]:
    named = environ.get("ROTA_CONFIG")
    path = file or Path(named or FILE_NAME)
    try:
        with path.open("rb") as stream:
            content = tomllib.load(stream)
    except FileNotFoundError:
        if file is None and not named:
            return {}
        raise SettingInvalid("ROTA_CONFIG" if file is None else str(file), f"there is no file {str(path)!r}") from None
    except OSError as error:
        raise SettingInvalid(str(path), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # The parser's own words may quote a line that holds a secret; the place is enough.
        where = re.search(r"at line \d+", str(error))
        reason = f"is not TOML{', ' + where[0] if where else ''}"
        raise SettingInvalid(str(path), reason, hint='write NAME = "value", one a line') from error
    return {name: _Given(name, value, f" in {path}") for name, value in content.items()}


def _refuse_unknown(environ: Mapping[str, str], written: Mapping[str, _Given]) -> None:
    for name in sorted(environ):
        if name.startswith("ROTA_") and not _is_known(name) and not _is_ignored(name, environ[name]):
            raise _unknown(name, "")
    for name, given in written.items():
        if not _is_known(name) and name not in _ALIASES and not _FOREIGN_SERVICE.fullmatch(name):
            raise _unknown(name, given.place)


def _is_known(name: str) -> bool:
    return name in _PLAIN or _OWN_SERVICE.fullmatch(name) is not None


def _is_ignored(name: str, value: str) -> bool:
    if name in OTHER_VARIABLES or name.startswith("ROTA_TEST_") or _KUBERNETES.fullmatch(name):
        return True
    return name.endswith("_PORT") and _KUBERNETES_PORT.fullmatch(value) is not None


def _unknown(name: str, place: str) -> SettingInvalid:
    candidates = [*_PLAIN, *OTHER_VARIABLES] if not place else [*_PLAIN]
    wanted = name.upper() if name.upper().startswith("ROTA_") else f"ROTA_{name.upper()}"
    foreign = re.fullmatch(r"ROTA_([A-Z0-9_]+)_SERVICE_URL", wanted)
    hint: str | None
    if wanted in _PLAIN:
        hint = f"did you mean {wanted}?"
    elif foreign:
        hint = f"did you mean ROTA_SERVICE_{foreign[1]}_URL?"
    else:
        hint = meant(wanted, candidates, "docs/reference/settings.md lists them all", cutoff=0.75)
    return SettingInvalid(name, f"there is no such setting{place}", hint=hint)


def _find(setting: Setting, environ: Mapping[str, str], written: Mapping[str, _Given]) -> _Given | None:
    for name in (setting.name, *setting.aliases):
        text = environ.get(name)
        if text and not (name.endswith("_PORT") and _KUBERNETES_PORT.fullmatch(text)):
            return _Given(name, text, "")
        if name in written and written[name].value != "":
            return written[name]
    return None


def _value(setting: Setting, given: _Given | None) -> Any:
    if given is not None:
        return _parse(setting, given)
    return setting.empty if setting.default is None else setting.parse(setting.default)


def _parse(setting: Setting, given: _Given) -> Any:
    parse = setting.parse if given.name not in setting.aliases else setting.alias_parse or setting.parse
    try:
        return parse(given.value)
    except Wrong as error:
        reason = f"expected {error.expected}, not {_shown(setting, given.value)}{given.place}"
        raise SettingInvalid(given.name, reason, hint=error.hint) from None


def _shown(setting: Setting, value: object) -> str:
    if setting.field == "database_url":
        return show_database_url(value)
    return "***" if setting.secret else show(value)


def _services(environ: Mapping[str, str], written: Mapping[str, _Given]) -> dict[str, str]:
    found: dict[str, str] = {}
    merged = {**written, **{name: _Given(name, text, "") for name, text in environ.items() if text}}
    for pattern in (_FOREIGN_SERVICE, _OWN_SERVICE):
        for name, given in merged.items():
            match = pattern.fullmatch(name)
            if match is None or given.value == "":
                continue
            if pattern is _FOREIGN_SERVICE and _is_other_scheme(given.value):
                continue
            found[match[1].lower()] = _parse(_SERVICES, given)
    return found


def _is_other_scheme(value: object) -> bool:
    """Tell whether an address is none of HTTP's: such a variable of the environment was not meant for us."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", value) if isinstance(value, str) else None
    return match is not None and match[1].lower() not in ("http", "https")
