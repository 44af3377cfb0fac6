"""Puts named secrets into an HTTP target, for one attempt: into its headers and its auth.  Bodies are templates."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from rota.errors import Invalid
from rota.executors.http_sign import Auth
from rota.executors.http_target import MAX_HEADER_CHARS, HttpTarget, check_credential, check_signing, has_control
from rota.executors.secret_refs import fill


def filled(target: HttpTarget, secrets: Mapping[str, str] | None) -> HttpTarget:
    """Return the target with values in place of references.

    Raises `Invalid`, without the value, where one is missing or does not fit.
    """
    headers = {name: _header(name, text, secrets) for name, text in target.headers.items()}
    auth = None if target.auth is None else _auth(target.auth, secrets)
    return dataclasses.replace(target, headers=headers, auth=auth)


def _header(name: str, text: str, secrets: Mapping[str, str] | None) -> str:
    if "{{" not in text:
        return text
    field = f"target.headers.{name}"
    value = fill(text, secrets, field).strip(" \t")
    if has_control(value):
        raise Invalid(field, "the secret in it has a line end or another control character")
    if len(value) > MAX_HEADER_CHARS:
        raise Invalid(field, f"becomes longer than {MAX_HEADER_CHARS} characters")
    return value


def _auth(auth: Auth, secrets: Mapping[str, str] | None) -> Auth:
    values = tuple(fill(text, secrets, "target.auth") for text in auth.secrets)
    if values == auth.secrets:
        return auth
    if auth.type == "signature":
        check_signing(values)
    else:
        names = ("username", "password") if auth.type == "basic" else ("token",)
        for name, value in zip(names, values, strict=True):
            check_credential(value, name, auth.type)
    return Auth(auth.type, values)
