"""Every page, at both widths, in both themes: no error, nothing too wide, usable by everyone and by keys; a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.browser import Watched
from tests.e2e.keyboard import barred, opens_and_closes
from tests.e2e.places import JOBS, PLACES, place, visit
from tests.e2e.service import Service
from tests.support.processes import ROOT

SIZES = {"wide": (1440, 900), "phone": (390, 844)}
WALKED_ON_A_PHONE = ("overview", "jobs", "schedule")
SCHEMES: tuple[Literal["dark"], Literal["light"]] = ("dark", "light")
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules of axe that look at colours, all that the other theme changes: names, roles, order and sizes stay."""
RUN = """async (rules) => (await axe.run(document, { runOnly: rules, resultTypes: ["violations"] })).violations
  .map(({ id, nodes }) => [id, nodes.slice(0, 3).map((node) => `${node.target}: ${node.failureSummary}`)])"""


def _barriers(page: Page, rules: list[str]) -> list[Any]:
    """What axe finds: names, roles, order, contrast."""
    if not AXE.is_file():
        return []
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[Any] = page.evaluate(RUN, rules)
    return found


def _drawn(page: Page, name: str, screenshots: Path, width: int) -> list[Any]:
    """Take pictures of a page in both themes, between which it changes as the system does; return what is wrong."""
    wrong: list[Any] = ["wider than the window"] if page.evaluate(TOO_WIDE) else []
    for scheme in SCHEMES:
        rules = RULES if scheme == SCHEMES[0] else COLOURS
        page.emulate_media(color_scheme=scheme)
        page.locator(f'html[data-mantine-color-scheme="{scheme}"]').wait_for()
        (screenshots / f"{name}-{width}-{scheme}.png").write_bytes(page.screenshot())
        wrong += [(scheme, *barrier) for barrier in _barriers(page, rules)]
    return wrong


@pytest.mark.parametrize("size", SIZES, ids=list(SIZES))
def test_the_login_is_drawn_for_everyone(browser: Browser, service: Service, screenshots: Path, size: str) -> None:
    width, height = SIZES[size]
    watched = Watched(browser, service, width=width, height=height)
    page = watched.context.new_page()
    page.goto("login")
    found: list[Any] = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        (screenshots / f"login-{width}-{scheme}.png").write_bytes(page.screenshot())
        found += _barriers(page, RULES)
    watched.close()
    assert found == []
    _assert_looked()


@pytest.mark.parametrize("size", SIZES, ids=list(SIZES))
@pytest.mark.parametrize("name", [*PLACES, *JOBS])
def test_a_page_is_drawn_for_everyone(
    browser: Browser, service: Service, screenshots: Path, name: str, size: str
) -> None:
    width, height = SIZES[size]
    watched = Watched(browser, service, width=width, height=height)
    page = watched.log_in()
    visit(page, place(service, name))
    wrong = _drawn(page, name, screenshots, width)
    if size == "wide" or name in WALKED_ON_A_PHONE:
        wrong += barred(page, whole=name == "overview")
        opens_and_closes(page, name if size == "wide" else f"{name} on a phone")
    watched.close()
    assert wrong == []
    _assert_looked()


def _assert_looked() -> None:
    """Skip, and fail where everything must be there, what was not looked at for barriers."""
    if not AXE.is_file():
        reason = "not looked for barriers: axe-core is not installed (npm ci in web/)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
