"""What a first visit loads, from a real server into an empty browser."""

from __future__ import annotations

from playwright.sync_api import Browser, Response, expect

from tests.e2e.browser import Watched
from tests.e2e.service import Service

BUDGET = 220_000


def test_a_first_visit_is_small(browser: Browser, service: Service) -> None:
    watched = Watched(browser, service)
    files: list[Response] = []

    def note(answer: Response) -> None:
        if "/assets/" in answer.url:
            files.append(answer)

    watched.context.on("response", note)
    page = watched.enter()
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    page.wait_for_load_state("load")
    sizes = {answer.url.rpartition("/")[2]: answer.request.sizes()["responseBodySize"] for answer in files}
    watched.close()
    assert len(sizes) > 5
    assert all(answer.headers["content-encoding"] == "gzip" for answer in files)
    assert sum(sizes.values()) <= BUDGET, f"{sum(sizes.values())} bytes: {sizes}"
