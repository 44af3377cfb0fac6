"""What the reliability tests need."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.chaos import plugin
from tests.support.roles import lite_roles, own_roles, roles
from tests.support.turned import faketime, turned

__all__ = ["faketime", "lite_roles", "own_roles", "roles", "turned"]

Figures = dict[str, object]


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.is_registered(plugin):
        config.pluginmanager.register(plugin)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """What the test measures, for the table."""
    found: Figures = {}
    yield found
    plain = {name: value if isinstance(value, (int, float, str)) else str(value) for name, value in found.items()}
    request.node.user_properties.append(("figures", plain))


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Chance that can be had again by the seed, which a failure tells."""
    seed = request.config.stash[plugin.seed_key]
    request.node.add_report_section("setup", "chance", f"{plugin.SEED_VARIABLE}={seed}")
    return random.Random(f"{seed} {request.node.name}")
