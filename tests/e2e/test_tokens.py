"""Tokens: made with a role, shown once, good for the API, revoked."""

from __future__ import annotations

import httpx
from playwright.sync_api import Browser, Page, expect

from tests.e2e.places import visit
from tests.e2e.roles import viewing
from tests.e2e.service import Service


def _status(service: Service, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{service.url}/api/me", headers=headers, timeout=30, trust_env=False).status_code


def test_a_token_is_made_shown_once_and_revoked(page: Page, service: Service) -> None:
    visit(page, "tokens")
    page.get_by_role("button", name="New token").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("shop of the test")
    dialog.get_by_role("radio", name="viewer").press("ArrowRight")
    page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Make it").press("Enter")
    token = dialog.locator("[data-token]").inner_text()
    assert _status(service, token) == 200
    dialog.get_by_role("button", name="Done").press("Enter")
    expect(dialog).to_have_count(0)
    row = page.get_by_role("table", name="Tokens").locator("tr").filter(has_text="shop of the test")
    expect(row).to_contain_text("operator")
    assert token not in page.content()
    page.get_by_role("button", name="Revoke shop of the test").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Revoke").press("Enter")
    expect(row).to_contain_text("Revoked")
    assert _status(service, token) == 401


def test_the_palette_leads_to_a_new_token(page: Page) -> None:
    visit(page, "")
    page.keyboard.press("Control+k")
    page.keyboard.type("new tok")
    expect(page.locator("[data-action][data-selected]")).to_contain_text("New token")
    page.keyboard.press("Enter")
    field = page.get_by_role("dialog").get_by_label("Name")
    expect(field).to_be_focused()
    page.keyboard.type("made by keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").locator("[data-token]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("table", name="Tokens")).to_contain_text("made by keys")


def test_who_may_only_look_sees_no_tokens(browser: Browser, service: Service) -> None:
    with viewing(browser, service) as page:
        visit(page, "tokens")
        expect(page.get_by_role("heading", name="Tokens are for admins")).to_be_visible()
        expect(page.get_by_role("button", name="New token")).to_have_count(0)
