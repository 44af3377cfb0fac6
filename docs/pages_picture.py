"""Makes the picture of the pages for the README: the overview of a demo that has run for some minutes.

``python -m docs.pages_picture`` writes ``docs/images/overview.png``; it needs what ``sudo make ci-deps`` installs.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from docs.picture import PICTURE, service
from tests.e2e.browser import FLAGS, chromium

OVERVIEW = PICTURE.with_name("overview.png")
MINUTES = 5
"""How long the demo runs before, so that there is something to see."""


def main() -> None:
    """Let the demo run, log in and take the picture."""
    with tempfile.TemporaryDirectory() as folder, service(folder) as environ, sync_playwright() as playwright:
        time.sleep(MINUTES * 60)
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        page = browser.new_page(
            base_url=f"http://127.0.0.1:{environ['ROTA_PORT']}/",
            viewport={"width": 1440, "height": 900},
            color_scheme="light",
            reduced_motion="reduce",
        )
        page.goto("login")
        page.get_by_label("Token").fill(Path(folder, "rota.db-token").read_text().strip())
        page.get_by_label("Token").press("Enter")
        page.locator("header [data-connection=live]").wait_for()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        page.wait_for_timeout(2000)  # the charts are drawn last
        page.screenshot(path=OVERVIEW)
        browser.close()
    print(f"{OVERVIEW} written")


if __name__ == "__main__":
    main()
