"""Settings: named secrets are set, changed, sealed anew and deleted, and their values are nowhere."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Watched
from tests.e2e.keyboard import choose
from tests.e2e.places import visit
from tests.e2e.roles import viewing
from tests.e2e.service import Service

VALUE = "hunter2-is-nobodys-business"


def _set(page: Page, value: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Value").fill(value)
    dialog.get_by_role("button", name="Save").press("Enter")
    expect(dialog).to_have_count(0)


def test_a_secret_lives_and_ends_unseen(page: Page, service: Service) -> None:
    visit(page, "settings")
    page.get_by_role("button", name="New secret").press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    page.keyboard.type("BANK_TOKEN")
    _set(page, VALUE)
    row = page.get_by_role("table", name="Named secrets").locator("tr[data-id=BANK_TOKEN]")
    expect(row).to_contain_text("Readable")
    choose(page, "Actions of BANK_TOKEN", "Change…")
    _set(page, VALUE[::-1])
    expect(row.locator("td[data-title=Version]")).to_have_text("2")
    page.get_by_role("button", name="Seal anew").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Seal anew").press("Enter")
    expect(page.get_by_text("sealed anew")).to_be_visible()
    assert VALUE not in page.content()
    assert VALUE not in str(service.call("GET", "/api/secrets"))
    choose(page, "Actions of BANK_TOKEN", "Delete…")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(row).to_have_count(0)
    assert "BANK_TOKEN" not in str(service.call("GET", "/api/secrets"))


def test_a_name_that_is_none_is_refused_at_its_field(page: Page, watched: Watched) -> None:
    visit(page, "settings")
    page.get_by_role("button", name="New secret").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("not a name!")
    dialog.get_by_label("Value").fill(VALUE)
    with watched.forgiving():
        dialog.get_by_role("button", name="Save").press("Enter")
        expect(dialog.get_by_label("Name")).to_have_attribute("aria-invalid", "true")


def test_who_may_only_look_sees_who_they_are(browser: Browser, service: Service) -> None:
    with viewing(browser, service) as page:
        visit(page, "settings")
        expect(page.get_by_role("region", name="You")).to_contain_text("viewer")
        expect(page.get_by_role("button", name="New secret")).to_have_count(0)
