"""Job types: find one, run it by its form and as JSON, pause it."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.roles import viewing
from tests.e2e.service import Service

LETTER = {
    "target": {"kind": "command", "command": ["true"]},
    "argsSchema": {
        "type": "object",
        "properties": {
            "to": {"type": "string", "title": "To whom"},
            "copies": {"type": "integer", "minimum": 1, "maximum": 9, "title": "Copies"},
            "urgent": {"type": "boolean", "title": "Urgent"},
        },
        "required": ["to"],
        "additionalProperties": False,
    },
}


def _declare(service: Service, name: str) -> None:
    service.call("PUT", f"/api/job-types/{name}", LETTER)


def _args(page: Page, service: Service) -> object:
    """The arguments of the job that the page has gone on to."""
    page.wait_for_url("**/jobs/*-*")
    return service.call("GET", f"/api/jobs/{page.url.rsplit('/', 1)[1]}")["args"]


def test_a_type_is_found_and_run_by_its_form(page: Page, service: Service) -> None:
    _declare(service, "post-card")  # no other test's type has this name in its own
    visit(page, "job-types?q=post-card")
    row = page.get_by_role("table", name="Job types").locator("tbody tr")
    expect(row).to_have_count(1)
    row.focus()
    row.press("Enter")
    page.wait_for_url("**/job-types/post-card")
    page.get_by_label("To whom").fill("ann@example.com")
    page.get_by_label("Copies").fill("2")
    page.get_by_role("switch", name="Urgent").press(" ")
    page.get_by_role("button", name="Run", exact=True).press("Enter")
    assert _args(page, service) == {"to": "ann@example.com", "copies": 2, "urgent": True}


def test_what_is_wrong_is_said_at_the_arguments(page: Page, watched: Watched, service: Service) -> None:
    _declare(service, "letter-json")
    visit(page, "job-types/letter-json")
    page.get_by_role("button", name="As JSON").press("Enter")
    field = page.get_by_label("Arguments", exact=True)
    field.fill('{"to": "ann", "copies": 12')
    expect(page.get_by_text("this is not a JSON object")).to_be_visible()
    field.fill('{"to": "ann", "copies": 12}')
    with watched.forgiving():
        page.get_by_role("button", name="Run", exact=True).press("Enter")
        expect(page.locator("form#run")).to_contain_text("copies")
        expect(field).to_have_attribute("aria-invalid", "true")
    field.fill('{"to": "ann", "copies": 9}')
    page.get_by_role("button", name="Run", exact=True).press("Enter")
    assert _args(page, service) == {"to": "ann", "copies": 9}


def test_a_type_is_paused_and_goes_on(page: Page, service: Service) -> None:
    _declare(service, "letter-paused")
    visit(page, "job-types/letter-paused")
    page.get_by_role("button", name="Pause").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("the printer burns")
    dialog.get_by_role("button", name="Pause").press("Enter")
    expect(page.locator("#content")).to_contain_text("the printer burns")
    assert service.call("GET", "/api/job-types/letter-paused")["paused"]
    page.get_by_role("button", name="Resume").press("Enter")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    assert not service.call("GET", "/api/job-types/letter-paused")["paused"]


def test_who_may_only_look_runs_nothing(browser: Browser, service: Service) -> None:
    _declare(service, "letter-seen")
    with viewing(browser, service) as page:
        visit(page, "job-types?q=letter-seen")
        expect(page.get_by_role("link", name="letter-seen")).to_have_count(1)
        visit(page, "job-types/letter-seen")
        expect(page.get_by_role("region", name="What it is")).to_be_visible()
        for name in ("Run", "Pause"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
