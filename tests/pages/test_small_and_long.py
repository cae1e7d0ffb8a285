"""Little room, long names, names written from right to left, and nothing to tick."""

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import NARROW, Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

TINY = {"width": 320, "height": 640}
LONG = ("The company that somebody named after all that it ever did, makes and sells " * 4)[:250].strip()
HEBREW = "בית החולים שערי צדק ירושלים והסביבה"


@pytest.mark.parametrize("path", ["/", "/matrix", "/issues/{issue}", "/companies/{company}"])
def test_at_400_percent_nothing_is_wider_than_the_screen(world: World, browse: Browse, path: str) -> None:
    company = world.given_companies(LONG)[LONG]
    for number in range(120):
        world.given_issue(f"Issue {number:03}", {"Contoso": "investigating", "Fabrikam": "monitoring"})
    issue = world.given_issue(LONG, {LONG: "investigating", "Contoso": "new"})
    page = browse("tess", path.format(issue=issue, company=company), viewport=TINY)

    page.locator("tr:visible input[name=on]").first.check()
    expect(page.locator("#bulk")).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") == 320
    cut = page.evaluate(
        """() => [...document.querySelectorAll(".chip, .bulk .button")]
          .filter((each) => each.scrollWidth > each.clientWidth || each.getBoundingClientRect().right > innerWidth)
          .map((each) => each.textContent.trim())"""
    )
    assert cut == []


@pytest.mark.parametrize(("path", "height"), [("/", 560), ("/matrix", 560), ("/", 240)])
def test_the_menu_of_a_long_name_fits_a_low_window(world: World, browse: Browse, path: str, height: int) -> None:
    world.given_companies(LONG)
    world.given_issue(LONG, {LONG: "new"})
    page = browse("tess", path, viewport={"width": 1000, "height": height})

    page.locator(".list .status, .matrix td").first.click()

    menu = page.locator("#status-menu")
    expect(menu).to_be_visible()
    expect(menu).to_have_accessible_name(f"{LONG}: {LONG}")
    page.keyboard.press("ArrowUp")
    expect(menu.get_by_label("Note")).to_be_focused()
    expect(menu.get_by_label("Note")).to_be_in_viewport(ratio=1)
