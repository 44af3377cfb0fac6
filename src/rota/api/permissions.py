"""What each role may do: the roles of the operations, as ``ROTA_PERMISSIONS`` moves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from rota.api.catalogue import OPERATIONS
from rota.api.operations import Operation, Operations
from rota.api.pages import page_operations
from rota.errors import SettingInvalid, meant
from rota.model import Role
from rota.settings import Settings

SETTING = "ROTA_PERMISSIONS"


def granted(groups: Iterable[Operations], wanted: Mapping[str, Role]) -> list[Operations]:
    """Return the operations with the least roles that ``wanted`` gives by their ids; raises SettingInvalid."""
    groups = list(groups)
    if not wanted:
        return groups
    known = {operation.id: operation for group in groups for operation in group.all}
    for name, role in wanted.items():
        _check(known, name, role)
    return [group.with_all(_moved(operation, wanted) for operation in group.all) for group in groups]


def check_permissions(settings: Settings) -> None:
    """Raise SettingInvalid where ``ROTA_PERMISSIONS`` names what is none, or may not be given away."""
    granted([*OPERATIONS, page_operations(dict)], settings.permissions)


def least_roles(groups: Iterable[Operations]) -> dict[str, Role]:
    """Return by operation the least role that it takes, those left out that take none."""
    return {operation.id: operation.role for group in groups for operation in group.all if operation.role is not None}


def _check(known: Mapping[str, Operation], name: str, role: Role) -> None:
    operation = known.get(name)
    if operation is None:
        hint = meant(name, known, "GET /api/me lists the names, docs/reference/rest.md what they do")
        raise SettingInvalid(SETTING, f"there is no operation {name!r}", hint=hint)
    if operation.role is None:
        raise SettingInvalid(SETTING, f"{name} is open to everybody", hint="leave it out")
    if operation.role == "admin" and operation.method != "GET" and role != "admin":
        reason = f"{name} takes an admin always: it decides what is executed, or who gets in"
        raise SettingInvalid(SETTING, reason, hint="leave it out")


def _moved(operation: Operation, wanted: Mapping[str, Role]) -> Operation:
    role = wanted.get(operation.id)
    return operation if role is None else msgspec.structs.replace(operation, role=role)
