"""Audit: who did what, found by filters that the address keeps, with what was before and after, as a file too."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.places import visit
from tests.e2e.service import Service


def _changed(service: Service, name: str) -> None:
    service.call("PATCH", f"/api/queues/{name}", {"concurrency": 3})
    service.call("PATCH", f"/api/queues/{name}", {"concurrency": 4})
    service.call("POST", f"/api/queues/{name}/pause", {"note": "the quarter ends"})


def test_changes_are_found_by_filters(page: Page, service: Service) -> None:
    _changed(service, "audited")
    visit(page, "audit")
    page.keyboard.press("/")
    page.keyboard.type("noun:queue name:audited")
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit?noun=queue&name=audited")
    rows = page.get_by_role("table", name="Audit").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("the quarter ends")
    page.get_by_role("button", name="Remove filter Name").press("Enter")
    page.wait_for_url("**/audit?noun=queue")


def test_an_entry_says_what_was_before_and_after(page: Page, service: Service) -> None:
    _changed(service, "audited-twice")
    visit(page, "audit?noun=queue&name=audited-twice")
    rows = page.get_by_role("table", name="Audit").locator("tbody tr")
    rows.first.focus()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Before")
    expect(dialog).to_contain_text('"concurrency": 3')
    expect(dialog).to_contain_text('"concurrency": 4')
    dialog.get_by_role("link", name="audited-twice").press("Enter")
    page.wait_for_url("**/queues/audited-twice")
    expect(dialog).to_have_count(0)


def test_what_is_filtered_is_exported(page: Page, service: Service, tmp_path: Path) -> None:
    _changed(service, "exported")
    visit(page, "audit?noun=queue&name=exported")
    with page.expect_download() as started:
        page.get_by_role("link", name="JSONL").press("Enter")
    started.value.save_as(tmp_path / "audit.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == ["exported"] * 3


def test_what_was_never_done_is_not_there(page: Page) -> None:
    visit(page, "audit?name=no-such-thing")
    expect(page.get_by_role("heading", name="No change is like that")).to_be_visible()
