"""What a reader has unfolded stays open when newer entries appear, and nothing else opens."""

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import ready
from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def set_all(world: World, status: str) -> None:
    body = {"issue_name": "Slow mail", "status": status}
    world.client("omar").call("POST", "/api/issues/status/bulk", 200, json=body)


def live(page: Page) -> Page:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return page


def leave(page: Page) -> None:
    """A part that has the pointer or the focus is not replaced."""
    page.locator("h1").click()
    page.mouse.move(0, 0)


def test_folds_of_the_activity_stay_with_their_entries(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    for status in ("investigating", "in_progress"):
        set_all(world, status)
    page = live(browse("tess", "/activity"))
    page.get_by_role("listitem").filter(has_text="to Investigating").locator("summary").click()

    set_all(world, "monitoring")
    page.locator("#updates").click()

    for label, opened in (("Monitoring", 0), ("In progress", 0), ("Investigating", 1)):
        entry = page.get_by_role("listitem").filter(has_text=f"to {label}")
        expect(entry.locator("details")).to_have_count(1)
        expect(entry.locator("details[open]")).to_have_count(opened)


def test_folds_stay_open_when_parts_are_drawn_again(world: World, browse: Browse) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    company = world.given_companies("Contoso")["Contoso"]
    set_all(world, "investigating")
    page = live(browse("tess", f"/issues/{issue}"))
    page.locator("#history summary").first.click()
    leave(page)

    set_all(world, "monitoring")

    expect(page.locator("#history summary")).to_have_count(2)
    expect(page.locator("#history details[open]")).to_have_count(1)
    expect(page.get_by_role("listitem").filter(has_text="to Investigating").locator("details[open]")).to_have_count(1)

    # Paper shows what is folded.
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#history details[open]")).to_have_count(2)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#history details[open]")).to_have_count(1)

    page.goto(f"/companies/{company}")
    ready(page)
    live(page)
    page.get_by_text("The text for the customer").click()
    leave(page)
    set_all(world, "in_progress")
    expect(page.locator("#for-customer")).to_contain_text("is being fixed")
    expect(page.locator("#for-customer")).to_be_visible()
