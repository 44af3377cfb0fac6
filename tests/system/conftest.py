"""Roles of Rota as real processes on a database of either kind."""

from tests.support.roles import lite_roles, own_roles, roles
from tests.support.turned import faketime, turned

__all__ = ["faketime", "lite_roles", "own_roles", "roles", "turned"]
