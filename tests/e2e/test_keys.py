"""Everything by keyboard: going, finding, helping, and the colours that are kept."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.places import visit


def _heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_two_keys_go_to_every_place(page: Page) -> None:
    visit(page, "")
    for key, name in (
        ("j", "Jobs"),
        ("s", "Schedules"),
        ("q", "Queues"),
        ("w", "Workers"),
        ("m", "Monitors"),
        ("o", "Overview"),
    ):
        page.keyboard.press("g")
        page.keyboard.press(key)
        _heading(page, name)
        expect(page).to_have_title(f"{name} – Rota")
        expect(page.get_by_role("heading", level=1)).to_be_focused()


QUICK = """() => {
  const quick = new MutationObserver(() => {
    const filter = document.querySelector("#content [data-filter]");
    if (!filter) return;
    quick.disconnect();
    filter.focus();
  });
  quick.observe(document.body, { childList: true, subtree: true });
}"""
FRAMES = "async () => { for (let i = 0; i < 30; i++) await new Promise(requestAnimationFrame); }"


def test_who_is_quicker_than_the_page_keeps_the_focus(page: Page) -> None:
    visit(page, "")
    page.evaluate(QUICK)
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page).to_have_title("Jobs – Rota")
    page.evaluate(FRAMES)
    expect(page.locator("#content [data-filter]")).to_be_focused()


LATE_FRAMES = """() => {
  const frame = requestAnimationFrame;
  window.requestAnimationFrame = (work) => setTimeout(() => frame(work), 200);
}"""
SOME_FRAMES = "async () => { for (let i = 0; i < 5; i++) await new Promise(requestAnimationFrame); }"


def test_a_dialog_that_opens_on_arrival_keeps_the_focus(page: Page) -> None:
    visit(page, "")
    page.keyboard.press("Control+k")
    page.keyboard.type("new tok")
    expect(page.locator("[data-action][data-selected]")).to_contain_text("New token")
    page.evaluate(LATE_FRAMES)  # as on a busy machine
    page.keyboard.press("Enter")
    field = page.get_by_role("dialog").get_by_label("Name")
    expect(field).to_be_focused()
    expect(page).to_have_title("Tokens – Rota")
    page.evaluate(SOME_FRAMES)
    expect(field).to_be_focused()


def test_help_names_the_keys(page: Page) -> None:
    visit(page, "")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Command palette")
    expect(dialog.locator(":focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_the_palette_goes_anywhere(page: Page) -> None:
    visit(page, "")
    for name in ("Workers", "Schedules"):
        page.keyboard.press("Control+k")
        field = page.get_by_label("Command palette")
        field.fill(name)
        expect(page.locator("[data-action][data-selected]")).to_contain_text(name)
        field.press("Enter")
        _heading(page, name)


def test_the_palette_marks_a_place_before_what_is_found(page: Page) -> None:
    visit(page, "")
    page.keyboard.press("Control+k")
    field = page.get_by_label("Command palette")
    field.fill("jobs")
    marked = page.locator("[data-action][data-selected]")
    page.get_by_role("dialog").get_by_text("All jobs with this text").wait_for()
    expect(marked.get_by_text("Jobs", exact=True)).to_be_visible()
    field.fill("invoice")
    expect(marked).to_have_count(1)
    field.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_typing_is_no_command(page: Page) -> None:
    visit(page, "jobs")
    page.keyboard.press("/")
    expect(page.get_by_role("textbox", name="Filter")).to_be_focused()
    page.keyboard.type("gq?")
    _heading(page, "Jobs")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Escape")


def test_rows_are_walked_selected_and_opened(page: Page) -> None:
    visit(page, "jobs?queue=mail")
    rows = page.get_by_role("table", name="Jobs").locator("tbody tr")
    rows.first.focus()
    page.keyboard.press(" ")
    expect(rows.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("j")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("Shift+ ")
    expect(page.get_by_role("table", name="Jobs").locator("tbody tr[aria-selected=true]")).to_have_count(2)
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*-*")


def test_the_first_tab_leads_to_the_content(page: Page) -> None:
    visit(page, "")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()


def test_the_chosen_colours_are_kept(page: Page) -> None:
    visit(page, "")
    root = page.locator("html")
    page.get_by_role("button", name="Colours: as the system").click()
    page.get_by_role("button", name="Colours: light").click()
    expect(root).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-mantine-color-scheme", "dark")
