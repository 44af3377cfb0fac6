"""Fixtures for the tests of executors."""

from __future__ import annotations

import pytest

from tests.support.function_calls import ROOT


@pytest.fixture
def from_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the root of the checkout, from where runners import the application of the tests."""
    monkeypatch.chdir(ROOT)
