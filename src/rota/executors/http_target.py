"""What an HTTP target says, checked when it is saved and parsed when it is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from yarl import URL

from rota.durations import MILLISECOND, parse_duration
from rota.errors import Invalid
from rota.executors.http_mask import MASK, is_masked, is_secret_name, mask_url
from rota.executors.http_sign import AUTH_TYPES, Auth, AuthType, decode_secret
from rota.executors.http_url import parse_path, parse_url, service_url
from rota.executors.secret_refs import ROOT as SECRET
from rota.executors.secret_refs import is_reference, refers, shows_nothing
from rota.executors.template import Template, compile_json, compile_text, is_placeholder

FIELDS = (
    *("kind", "url", "service", "path", "method", "headers", "body"),
    *("answer", "expect", "auth", "timeout", "redirects"),
)
PLACE = ("url", "service", "path")
"""What says where a request goes, and its secrets with it."""
_PARTS = ("headers", "auth")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BODILESS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))
"""Methods that carry no body unless the target has one."""
ROOTS = frozenset(
    ("args", "attempt", "jobId", "jobType", "previous", "queue", "scheduledFor", "scheduleId", SECRET, "triggeredBy")
)
"""What placeholders of a body may begin with."""
MAX_HEADERS = 64
MAX_HEADER_CHARS = 8000
MAX_REDIRECTS = 10

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_BY_CONNECTION = frozenset(
    (
        *("connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-connection"),
        *("proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"),
    )
)
_BY_ROTA = frozenset(
    (
        *("accept-encoding", "content-encoding", "idempotency-key", "rota-attempt", "rota-job-id", "traceparent"),
        "rota-answer-token",
        *("webhook-id", "webhook-signature", "webhook-timestamp"),
    )
)
_AUTH_FIELDS: Mapping[AuthType, tuple[str, ...]] = {
    "signature": ("secrets",),
    "bearer": ("token",),
    "basic": ("username", "password"),
    "hs256": (),
    "shared": (),
}


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """A parsed target.  ``url`` is None when ``service`` and ``path`` name the address."""

    method: str
    url: URL | None
    service: str
    path: str
    headers: Mapping[str, str]
    body: Template | None
    answer: tuple[str, ...] | None
    """Steps of the JSON pointer to the part of the reply that carries the outcome."""
    expect: frozenset[int]
    auth: Auth | None
    timeout_us: int | None
    redirects: int
    refers: bool
    """Its headers or its auth refer to named secrets."""

    def address(self, services: Mapping[str, str]) -> URL:
        """Return the address to call.  Raises `Invalid` when the settings do not know the service."""
        if self.url is not None:
            return self.url
        return service_url(services, self.service, self.path, "target")


def check_target(target: Mapping[str, object], *, services: Mapping[str, str]) -> None:
    """Check a target before it is saved.  Raises `Invalid` with the field, ``target.…``, and the fix."""
    _check_unmasked(target)
    parse_target(target).address(services)


def _check_unmasked(target: Mapping[str, object]) -> None:
    """Refuse what `masked_target` showed in place of a secret: stored, it would take the place of the secret."""
    for name in PLACE:
        if isinstance(value := target.get(name), str) and is_masked(value):
            raise _masked(name, "has what is shown in place of a secret")
    for part in _PARTS:
        values = target.get(part)
        for name, value in values.items() if isinstance(values, Mapping) else ():
            if value in (MASK, [MASK]):
                raise _masked(f"{part}.{name}", "is what is shown in place of a secret, not the secret")


def _masked(field: str, reason: str) -> Invalid:
    return Invalid(f"target.{field}", reason, hint="give the secret itself")


def parse_target(target: Mapping[str, object]) -> HttpTarget:
    """Parse a target; everything but the service's address is checked.  Raises `Invalid`."""
    unknown = next((name for name in target if name not in FIELDS), None)
    if unknown is not None:
        raise Invalid(f"target.{unknown}", "an HTTP target has no such field", hint="known: " + ", ".join(FIELDS))
    if target.get("kind", "http") != "http":
        raise Invalid("target.kind", "is not http")
    method = _method(target.get("method"))
    url, service, path = _where(target)
    auth = _auth(target.get("auth"))
    headers = _headers(target.get("headers"))
    names = {name.lower() for name in headers}
    if auth is not None and auth.type != "signature" and "authorization" in names:
        raise Invalid("target.headers.Authorization", "the target's auth sends this header already")
    content_type = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return HttpTarget(
        method=method,
        url=url,
        service=service,
        path=path,
        headers=headers,
        body=_body(target["body"], content_type) if target.get("body") is not None else None,
        answer=_answer(target.get("answer")),
        expect=_expect(target.get("expect")),
        auth=auth,
        timeout_us=_timeout(target.get("timeout")),
        redirects=_redirects(target.get("redirects")),
        refers=any(map(refers, (*headers.values(), *(auth.secrets if auth is not None else ())))),
    )


def masked_target(target: Mapping[str, object]) -> dict[str, object]:
    """Return ``target`` as it may be shown: without tokens, secrets, passwords and the values of secret headers."""
    shown = dict(target)
    if isinstance(url := shown.get("url"), str):
        shown["url"] = mask_url(url)
    if isinstance(path := shown.get("path"), str):
        shown["path"] = mask_url(path)
    if isinstance(headers := shown.get("headers"), Mapping):
        shown["headers"] = {name: _shown_header(str(name), value) for name, value in headers.items()}
    if isinstance(auth := shown.get("auth"), Mapping):
        shown["auth"] = {name: _shown_auth(str(name), value) for name, value in auth.items()}
    return shown


def _shown_header(name: str, value: object) -> object:
    return MASK if is_secret_name(name) and not shows_nothing(value) else value


def _shown_auth(name: str, value: object) -> object:
    if name == "secrets":
        return value if isinstance(value, list) and all(map(shows_nothing, value)) else [MASK]
    return MASK if name in ("token", "password") and not shows_nothing(value) else value


def unmasked_target(target: Mapping[str, object], known: Mapping[str, object]) -> dict[str, object]:
    """Return ``target`` with the secrets of ``known`` wherever it says what `masked_target` shows of them.

    Raises `Invalid` when they would go to another place than before: whoever edits a target need not know them.
    """
    shown = masked_target(known)
    moved = next((name for name in PLACE if target.get(name) not in (known.get(name), shown.get(name))), None)
    found = {name: known[name] if name in known and value == shown[name] else value for name, value in target.items()}
    for part in _PARTS:
        values, before = found.get(part), known.get(part)
        if isinstance(values, Mapping) and isinstance(before, Mapping):
            found[part] = {
                name: before[name] if name in before and value in (MASK, [MASK]) else value
                for name, value in values.items()
            }
    if moved is not None and (kept := _first_restored(target, found)) is not None:
        raise _masked(kept, f"a secret is kept only while {moved} stays as it is")
    return found


def _first_restored(target: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    for name, value in found.items():
        if value != target[name]:
            part = next((f".{key}" for key in value if value[key] != target[name][key]), "") if name in _PARTS else ""
            return name + part
    return None


def _method(value: object) -> str:
    if value is None:
        return "POST"
    method = value.upper() if isinstance(value, str) else ""
    if method not in METHODS:
        raise Invalid("target.method", f"{str(value)[:40]!r} is not a method", hint="one of " + ", ".join(METHODS))
    return method


def _where(target: Mapping[str, object]) -> tuple[URL | None, str, str]:
    if target.get("url") is not None:
        for other in ("service", "path"):
            if target.get(other) is not None:
                raise Invalid(f"target.{other}", "a target has either url, or service and path")
        return parse_url(target["url"], "target.url"), "", ""
    service = target.get("service")
    if service is None:
        raise Invalid("target.url", "a target needs url, or service and path", hint="https://example.com/hook")
    if not isinstance(service, str) or not _TOKEN.fullmatch(service):
        raise Invalid("target.service", "is not the name of a service", hint="crawler")
    path = target.get("path")
    return None, service, "" if path is None else parse_path(path, "target.path")


def _headers(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Invalid("target.headers", "must be an object of names and texts")
    if len(value) > MAX_HEADERS:
        raise Invalid("target.headers", f"more than {MAX_HEADERS} headers")
    seen: set[str] = set()
    for name, text in value.items():
        _check_header(str(name), text)
        if str(name).lower() in seen:
            raise Invalid(f"target.headers.{name}", "is given twice: case makes no difference")
        seen.add(str(name).lower())
    return {str(name): str(text).strip(" \t") for name, text in value.items()}


def _check_header(name: str, text: object) -> None:
    if not _TOKEN.fullmatch(name) or len(name) > 256:
        raise Invalid("target.headers", f"{name[:80]!r} is not the name of a header")
    field = f"target.headers.{name}"
    if name.lower() in _BY_CONNECTION:
        raise Invalid(field, "belongs to the connection and cannot be set")
    if name.lower() in _BY_ROTA:
        raise Invalid(field, "is set by Rota")
    if not isinstance(text, str):
        raise Invalid(field, "must be a text")
    if has_control(text):
        raise Invalid(field, "has control characters")
    if len(text) > MAX_HEADER_CHARS:
        raise Invalid(field, f"longer than {MAX_HEADER_CHARS} characters")


def _body(value: object, content_type: str) -> Template:
    plain = content_type.partition(";")[0].strip().lower()
    as_json = not plain or plain == "application/json" or plain.endswith("+json")
    if isinstance(value, str) and not (as_json and is_placeholder(value)):
        if as_json:
            hint = "write JSON as an object, or set the header Content-Type of the text"
            raise Invalid("target.body", "a text needs a Content-Type that is not JSON", hint=hint)
        form = plain == "application/x-www-form-urlencoded"
        return compile_text(value, ROOTS, "form" if form else "text", "target.body")
    if not as_json:
        raise Invalid("target.body", f"a body of {plain} is a text", hint="drop the header Content-Type to send JSON")
    return compile_json(value, ROOTS, "target.body")


def _answer(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, str) or (value and not value.startswith("/")) or len(value) > 1000:
        raise Invalid("target.answer", "is not a JSON pointer", hint="/result/data")
    if re.search(r"~(?![01])", value):
        raise Invalid("target.answer", "has a ~ that is neither ~0 nor ~1", hint="~0 stands for ~, ~1 for /")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in value.split("/")[1:])


def _expect(value: object) -> frozenset[int]:
    if value is None:
        return frozenset()
    if not isinstance(value, list) or not value:
        raise Invalid("target.expect", "is a list of status codes", hint="[200, 404]")
    for code in value:
        if isinstance(code, bool) or not isinstance(code, int) or not 200 <= code <= 599:
            raise Invalid("target.expect", f"{str(code)[:20]!r} is not a status code", hint="[200, 404]")
    return frozenset(value)


def _timeout(value: Any) -> int | None:
    return None if value is None else parse_duration(value, "target.timeout", minimum_us=MILLISECOND)


def _redirects(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_REDIRECTS:
        raise Invalid("target.redirects", f"is how many redirects to follow, 0 to {MAX_REDIRECTS}")
    return value


def _auth(value: object) -> Auth | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise Invalid("target.auth", "is an object", hint='{"type": "signature"}')
    kind = next((kind for kind in AUTH_TYPES if kind == value.get("type")), None)
    if kind is None:
        raise Invalid("target.auth.type", "is not a way to authenticate", hint="one of " + ", ".join(AUTH_TYPES))
    allowed = _AUTH_FIELDS[kind]
    unknown = next((name for name in value if name != "type" and name not in allowed), None)
    if unknown is not None:
        raise Invalid(f"target.auth.{unknown}", f"auth of type {kind} has no such field")
    if kind == "signature":
        return Auth(kind, _secrets(value.get("secrets")))
    return Auth(kind, tuple(check_credential(value.get(name), name, kind) for name in allowed))


def _secrets(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    field = "target.auth.secrets"
    if not isinstance(value, list) or not 1 <= len(value) <= 5 or not all(isinstance(each, str) for each in value):
        raise Invalid(field, "is a list of one to five texts, the newest first", hint='["whsec_…"]')
    check_signing(secret for secret in value if not is_reference(secret))
    return tuple(value)


def check_signing(secrets: Iterable[str]) -> None:
    """Raise `Invalid`, without the secret, for one that signs nothing."""
    field = "target.auth.secrets"
    for secret in secrets:
        try:
            key = decode_secret(secret)
        except ValueError as error:
            hint = "write whsec_ and base64, or leave secrets out to use the shared secret"
            raise Invalid(field, str(error), hint=hint) from None
        if not 16 <= len(key) <= 128:
            raise Invalid(field, "a secret has 24 to 64 bytes (16 to 128 are accepted)")


def has_control(text: str) -> bool:
    """Tell whether a text has what a header cannot have."""
    return _CONTROL.search(text) is not None


def check_credential(value: object, name: str, kind: str) -> str:
    """Return a token, a user name or a password.  Raises `Invalid`, without the value."""
    field = f"target.auth.{name}"
    if not isinstance(value, str) or not value:
        raise Invalid(field, f"auth of type {kind} needs a {name}")
    if has_control(value) or "\t" in value or len(value) > MAX_HEADER_CHARS:
        raise Invalid(field, "has control characters or is too long")
    if name == "username" and ":" in value:
        raise Invalid(field, "has a colon")
    return value
