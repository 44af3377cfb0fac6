"""One job: its log as it is written, its attempts and traces, and everything that can be done to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Request, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.service import BIG, HOSTILE, Service

INSIDE = "document.documentElement.scrollWidth <= innerWidth"
LINES = 100_000


def _shell(service: Service, script: str, **more: object) -> str:
    body = {"target": {"kind": "command", "shell": script}, "queue": "page-of-a-job", "maxAttempts": 1, **more}
    made: dict[str, Any] = service.call("POST", "/api/jobs", body)
    return str(made["id"])


def _log(page: Page, job: str) -> Any:
    return page.get_by_role("region", name=f"Log of {job}")


def test_a_running_job_is_followed_line_by_line_and_cancelled(page: Page, service: Service, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"while [ ! -e {go} ]; do sleep 0.1; done"
    job = _shell(service, f"echo first; echo '::rota progress 0.4 halfway'; {wait}; echo second; sleep 600")
    visit(page, f"jobs/{job}")
    log = _log(page, job)
    expect(log).to_contain_text("first")
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("aria-valuenow", "40")
    expect(log).not_to_contain_text("second")
    go.touch()
    expect(log).to_contain_text("second")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop it").click()
    expect(page.locator("#content header [data-status=cancelled]")).to_be_visible()
    assert service.ended(job)["status"] == "cancelled"


def test_a_failed_job_shows_its_error_and_runs_again(page: Page, service: Service) -> None:
    job = _shell(service, "printf '\\033[31mred\\033[0m <b>bold</b>\\n'; echo 'Error: disk full' >&2; exit 3")
    service.ended(job)
    visit(page, f"jobs/{job}")
    expect(page.locator("#content").get_by_role("alert")).to_contain_text("exit code 3")
    attempts = page.get_by_role("list", name="Attempts").get_by_role("listitem")
    expect(attempts).to_have_count(1)
    attempts.get_by_text("Trace").click()
    expect(attempts.locator("pre")).to_contain_text("disk full")
    log = _log(page, job)
    expect(log.locator("[data-style~=red]")).to_have_text("red")
    expect(log).to_contain_text("<b>bold</b>")
    page.keyboard.press("r")
    expect(attempts).to_have_count(2)
    assert service.ended(job)["attempt"] == 2


def test_a_job_is_edited_with_every_digit_and_retried(page: Page, service: Service) -> None:
    job = _shell(service, "exit 1", args={"invoice": 1})
    service.ended(job)
    visit(page, f"jobs/{job}")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Arguments").fill(f'{{"invoice": {BIG}')
    dialog.get_by_role("button", name="Save and retry").click()
    expect(dialog).to_contain_text("is no JSON")
    dialog.get_by_label("Arguments").fill(f'{{"invoice": {BIG}}}')
    dialog.get_by_role("button", name="Save and retry").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_label("arguments", exact=True)).to_contain_text(str(BIG))
    assert service.ended(job)["args"] == {"invoice": BIG}


def test_a_waiting_job_says_why(page: Page, service: Service) -> None:
    service.call("PATCH", "/api/queues/shut", {"concurrency": 1})
    service.call("POST", "/api/queues/shut/pause", {"note": "the bank is closed"})
    job = _shell(service, "true", queue="shut")
    visit(page, f"jobs/{job}")
    expect(page.get_by_role("status", name="Why it waits")).to_contain_text("the bank is closed")


def test_of_a_log_of_a_hundred_thousand_lines_only_what_is_seen_is_asked_for(
    browser: Browser, service: Service
) -> None:
    hostile = f"printf '%s\\n' \"{HOSTILE}\""
    # On both: two pipes have no order between them, so only what goes to stdout is known to be the last line of it.
    script = f"seq 1 77776; echo 'Fatal: no disk'; seq 77778 {LINES}; {hostile} >&2; {hostile}; exit 1"
    job = _shell(service, script)
    assert service.ended(job)["status"] == "failed"
    watched = Watched(browser, service, width=390, height=844)
    page = watched.log_in()
    asked: list[str] = []

    def note(request: Request) -> None:
        # How it ended is asked for too, and again whenever the page asks for all anew.
        if "/logs?" in request.url and "stream=system" not in request.url:
            asked.append(request.url)

    watched.context.on("request", note)
    visit(page, f"jobs/{job}")
    log = _log(page, job)
    expect(log.get_by_text("17", exact=True).last).to_be_visible()
    assert len(asked) <= 1, asked
    log.focus()
    page.keyboard.press("End")
    expect(log).to_contain_text("img src=x")
    assert len(asked) <= 3, asked
    assert log.locator("[data-stream]").count() < 200
    assert page.evaluate(INSIDE)
    page.get_by_role("button", name="First error").press("Enter")
    expect(log.locator("[data-marked]")).to_contain_text("Fatal: no disk")
    field = page.get_by_role("textbox", name="Search the log")
    field.fill("99998")
    field.press("Enter")
    expect(log.locator("mark")).to_have_text("99998")
    expect(log.locator("[data-stream]")).to_have_count(1)
    field.press("Escape")
    expect(log).to_contain_text("Fatal: no disk")
    log.focus()
    page.keyboard.press("Home")
    expect(log.get_by_text("17", exact=True).last).to_be_visible()
    watched.close()


def test_a_long_log_is_followed_from_its_end(page: Page, service: Service, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"while [ ! -e {go} ]; do sleep 0.1; done"
    job = _shell(service, f"seq 1 20000; echo ready; {wait}; seq 20002 22000; echo over")
    visit(page, f"jobs/{job}")
    log = _log(page, job)
    expect(log).to_contain_text("ready")
    log.focus()
    page.keyboard.press("Home")
    expect(log.get_by_text("17", exact=True).last).to_be_visible()
    expect(page.get_by_role("switch", name="Follow")).not_to_be_checked()
    page.keyboard.press("End")
    expect(page.get_by_role("switch", name="Follow")).to_be_checked()
    go.touch()
    expect(log).to_contain_text("over")


def test_a_large_result_is_shown_with_what_is_missing(page: Page, service: Service) -> None:
    script = """python3 -c "import json; print('::rota result ' + json.dumps({'rows': ['<b>' + 'x' * 99] * 20000}))" """
    job = _shell(service, script)
    service.ended(job)
    visit(page, f"jobs/{job}")
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    assert page.evaluate(INSIDE)
