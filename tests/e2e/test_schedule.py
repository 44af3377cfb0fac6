"""One schedule: the grid of its instants, its versions, backfill, and what is done to it."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.roles import viewing
from tests.e2e.service import Service
from tests.support.waiting import wait_until

COMMAND = {"target": {"kind": "command", "command": ["true"]}}


def _put(service: Service, name: str, **fields: object) -> None:
    service.call("PUT", f"/api/schedules/{name}", {**COMMAND, **fields})


def _fates(service: Service, name: str) -> list[str]:
    found = service.call("GET", f"/api/schedules/{name}/occurrences")["occurrences"]
    return [one.get("jobStatus", one["disposition"]) for one in found]


def test_the_grid_shows_each_instant_and_leads_to_its_job(page: Page, service: Service) -> None:
    _put(service, "grid", every="1s")
    wait_until(lambda: _fates(service, "grid").count("completed") >= 3, 60)
    service.call("POST", "/api/schedules/grid/pause", {"note": "enough of it"})
    wait_until(lambda: "paused" in _fates(service, "grid"), 60)
    visit(page, "schedules/grid")
    expect(page.get_by_text("Paused").first).to_be_visible()
    expect(page.locator("#content")).to_contain_text("enough of it")
    grid = page.get_by_role("group", name="due instants")
    held = grid.locator("[data-cell][data-status=paused]").last
    held.focus()
    told = page.locator("[data-told]")
    expect(told).to_contain_text("Paused")
    expect(told).to_contain_text("enough of it")
    page.keyboard.press("Home")
    expect(grid.locator("[data-cell]").first).to_be_focused()
    done = grid.locator("[data-cell][data-status=completed]").first
    done.focus()
    expect(told).to_contain_text("Completed")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*")


def test_a_schedule_that_never_ran_says_so_and_what_comes(page: Page, service: Service) -> None:
    _put(service, "monthly", cron="0 4 1 * *", timezone="Asia/Tokyo", calendars=[])
    visit(page, "schedules/monthly")
    expect(page.get_by_role("heading", name="Nothing was due yet")).to_be_visible()
    expect(page.get_by_role("list", name="The next runs").locator("li:not([aria-hidden])")).to_have_count(10)
    expect(page.locator("#content")).to_contain_text("Asia/Tokyo")


def test_versions_are_compared_and_rolled_back(page: Page, service: Service) -> None:
    for cron in ("0 1 * * *", "0 2 * * *", "0 3 * * *"):
        _put(service, "versions", cron=cron)
    visit(page, "schedules/versions")
    versions = page.get_by_role("list", name="Versions")
    expect(versions.get_by_role("listitem").filter(has_text="made it")).to_have_count(1)
    expect(versions).to_contain_text("0 2 * * *")
    page.get_by_role("combobox", name="The one version").click()
    page.get_by_role("option", name="1", exact=True).click()
    page.get_by_role("combobox", name="The other version").click()
    page.get_by_role("option", name="3", exact=True).click()
    both = page.get_by_role("region", name="Versions 1 and 3")
    expect(both.locator("del").filter(has_text="0 1 * * *")).to_have_count(1)
    expect(both.locator("ins").filter(has_text="0 3 * * *")).to_have_count(1)
    page.get_by_role("button", name="Roll back to version 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(versions).to_contain_text("rolled it back")
    found: dict[str, Any] = service.call("GET", "/api/schedules/versions")
    assert (found["cron"], found["version"]) == ("0 1 * * *", 4)


def test_a_backfill_is_shown_before_it_runs(watched: Watched, page: Page, service: Service) -> None:
    _put(service, "backfill", every="1s", paused=True)  # at once, so that no instant makes a job before
    wait_until(lambda: "paused" in _fates(service, "backfill"), 60)
    _put(service, "backfill", every="1d", paused=True)  # nothing more comes, so that counts stay
    visit(page, "schedules/backfill")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Backfill").click()
    card = page.get_by_role("region", name="Backfill")
    card.get_by_label("To").fill("2020-01-01T00:00:00")
    with watched.forgiving():
        card.get_by_role("button", name="Show what would run").click()
        expect(card.locator("[aria-invalid=true]")).to_have_count(1)
    card.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Backfill").click()
    card.get_by_role("button", name="Show what would run").click()
    expect(card.get_by_role("status")).to_contain_text("would run now")
    assert service.call("GET", "/api/jobs?schedule=backfill")["jobs"] == []
    card.get_by_role("button", name=re.compile("^Run ")).click()
    expect(card).to_have_count(0)
    jobs = service.call("GET", "/api/jobs?schedule=backfill")["jobs"]
    assert {job["origin"] for job in jobs} == {"backfill"}


def test_keys_pause_resume_and_run(page: Page, service: Service) -> None:
    _put(service, "by-keys", every="1d")
    visit(page, "schedules/by-keys")
    page.keyboard.press("p")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("moving house")
    dialog.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#content")).to_contain_text("moving house")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#content header span[data-status=active]")).to_be_visible()
    assert not service.call("GET", "/api/schedules/by-keys")["paused"]
    page.keyboard.press("r")
    page.wait_for_url("**/jobs/*")


def test_deleting_says_what_goes(page: Page, service: Service) -> None:
    _put(service, "goner", every="1d")
    visit(page, "schedules/goner")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It has run 0 times")
    dialog.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/schedules")
    with service.client() as client:
        assert client.get("/api/schedules/goner").status_code == 404


def test_an_operator_is_offered_no_rollback_to_another_target(browser: Browser, service: Service) -> None:
    for word, note in (("old", None), ("new", None), ("new", "said")):
        target = {"kind": "command", "command": ["echo", word]}
        _put(service, "of-an-admin", cron="0 1 * * *", paused=True, target=target, note=note)
    with viewing(browser, service, "operator") as page:
        visit(page, "schedules/of-an-admin")
        versions = page.get_by_role("list", name="Versions")
        expect(versions.get_by_role("button", name="Roll back to version 2")).to_be_visible()
        expect(versions.get_by_role("button", name="Roll back to version 1")).to_have_count(0)
