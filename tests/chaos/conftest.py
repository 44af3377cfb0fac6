"""The reliability tests at their full size, with a table of figures at the end."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.roles import lite_roles, own_roles, roles
from tests.support.turned import faketime, turned

__all__ = ["faketime", "lite_roles", "own_roles", "roles", "turned"]

SEED_VARIABLE = "ROTA_CHAOS_SEED"
SEED = os.environ.pop(SEED_VARIABLE, "") or str(random.SystemRandom().randrange(10**9))
Figures = dict[str, object]

figures_key = pytest.StashKey[list[tuple[str, Figures]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[figures_key] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that take minutes each are run by order; tests that ask for ``full_size`` have a small size too."""
    if config.getoption("--full-size"):
        return
    here = Path(__file__).parent
    large = [item for item in items if "full_size" not in getattr(item, "fixturenames", ())]
    chaos = [item for item in large if item.path.is_relative_to(here)]
    config.hook.pytest_deselected(items=chaos)
    items[:] = [item for item in items if item not in chaos]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    if not config.stash.get(figures_key, []):
        return
    terminalreporter.section(f"figures ({SEED_VARIABLE}={SEED})")
    for name, figures in config.stash[figures_key]:
        shown = ", ".join(
            f"{what} {value:.2f}" if isinstance(value, float) else f"{what} {value}" for what, value in figures.items()
        )
        terminalreporter.write_line(f"{name}: {shown}")


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """What the test measures, for the table."""
    found: Figures = {}
    yield found
    request.config.stash[figures_key].append((request.node.name, found))


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Chance that can be had again by the seed."""
    return random.Random(f"{SEED} {request.node.name}")
