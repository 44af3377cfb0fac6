"""A page as those meet it who have no mouse: everything is walked by Tab, and what went wrong on the way is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

AT_ONCE = 15
MOST = 600
CELLS = 2
"""Of the groups that arrow keys walk, so many are walked on each page: they are all alike."""
OPENERS: dict[str, tuple[str, ...]] = {
    "overview": ("Find or do… Ctrl K", "Keys", "local, admin"),
    "overview on a phone": ("More",),
    "jobs": ("Filter",),
    "jobs-failed": ("Saved",),
    "job": ("More actions",),
    "job-failed": ("More actions > Edit and retry…",),
    "schedules": ("Actions of invoices",),
    "schedule": ("Pause", "More actions > Delete…"),
    "queues": ("Actions of mail > Pause…",),
    "monitors": ("Add a check", "Limits", "Mute"),
    "check": ("Edit", "Delete"),
    "tokens": ("New token", "Revoke deploy"),
    "settings": ("New secret",),
}
"""Buttons of pages that open something; what is chosen in a menu then opens a dialog."""
OPENED = "[role=dialog]:visible, [role=menu]:visible, [popover]:popover-open"

WATCH = (Path(__file__).parent / "keyboard.js").read_text(encoding="utf-8")
LEFT = "(group) => walk.groups[group].filter((one) => one.isConnected && !walk.order.includes(one)).length"
ENTER = """(group) => {
  const cells = walk.groups[group], reached = (one) => walk.order.includes(one);
  (cells.find(reached) ?? cells[0].closest("[role=group]")).focus();
}"""


def barred(page: Page, *, whole: bool = False) -> list[Any]:
    """Walk through a page by Tab, its frame too when `whole`, and its cells by arrow keys; return what is wrong."""
    page.evaluate(WATCH, whole)
    for _ in range(MOST // AT_ONCE):
        for _ in range(AT_ONCE):
            page.keyboard.press("Tab")
        if page.evaluate("walk.rounds") > whole:
            break
    else:
        return [f"Tab does not come round: {page.evaluate('document.activeElement.outerHTML.slice(0, 200)')}"]
    for group, cells in enumerate(page.evaluate("walk.end()")[:CELLS]):
        page.evaluate(ENTER, group)
        page.keyboard.press("Home")
        for _ in range(cells - 1):
            page.keyboard.press("ArrowRight")
        if left := page.evaluate(LEFT, group):
            page.evaluate("(text) => walk.wrong.add(text)", f"arrow keys do not reach {left} of {cells} cells")
    found: list[Any] = page.evaluate("[...walk.wrong]")
    return found


def choose(page: Page, button: str, item: str) -> None:
    """Open the menu of a button and choose from it; a menu takes the focus when it opens, so not before."""
    page.get_by_role("button", name=button).press("Enter")
    expect(page.get_by_role("menu").locator(":focus")).to_have_count(1)
    page.get_by_role("menuitem", name=item).press("Enter")


def opens_and_closes(page: Page, name: str) -> None:
    """Open what a page's buttons open, by Enter, and close it by Escape: the focus is where it was."""
    for way in OPENERS.get(name, ()):
        first, _, item = way.partition(" > ")
        button = page.get_by_role("button", name=first, exact=True).first
        button.press("Enter")
        opened = page.locator(OPENED)
        if item:
            expect(opened.locator(":focus")).to_have_count(1)
            opened.get_by_role("menuitem", name=item).press("Enter")
            opened = page.locator("[role=dialog]:visible")
        expect(opened).to_have_count(1)
        if first != "local, admin":  # a popover, which comes next by Tab
            expect(opened.locator(":focus").or_(page.locator("[role=menu]:focus"))).to_have_count(1)
        page.keyboard.press("Escape")
        expect(opened, f"{way} on {name}").to_have_count(0)
        expect(button, f"{way} on {name}").to_be_focused()
