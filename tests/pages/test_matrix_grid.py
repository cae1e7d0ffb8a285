"""The matrix as a grid: ranges that grow and shrink, a focus that is always visible, headers by keyboard, narrow
screens.
"""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.chromium import WIDE
from tests.pages.conftest import NARROW, Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def given_grid(world: World, rows: int, columns: int) -> None:
    """Creates the issues 01, 02 …, each of them assigned to every company."""
    names = [f"Company {number:02}" for number in range(1, columns + 1)]
    world.given_companies(*names)
    for number in range(1, rows + 1):
        world.given_issue(f"Issue {number:02}", dict.fromkeys(names, "new"))


def at(page: Page, row: int, column: int) -> Locator:
    """Returns a cell, counted from 1."""
    return page.locator(".matrix tbody tr").nth(row - 1).locator("td").nth(column - 1)


def expect_selected(page: Page, count: int) -> None:
    expect(page.locator("#picked")).to_have_text(f"{count} selected")


def test_ranges_grow_and_shrink(world: World, browse: Browse) -> None:
    given_grid(world, 8, 5)
    page = browse("tess", "/matrix")

    # x and then Shift+X select the cells in between.
    for key in ("j", "x", "ArrowDown", "ArrowRight", "Shift+x"):
        page.keyboard.press(key)
    expect_selected(page, 4)

    # Shift selects all rows or columns in between.
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("All of Issue 05").click()
    page.get_by_label("All of Issue 07").click(modifiers=["Shift"])
    expect_selected(page, 15)
    expect(page.get_by_label("All of Issue 06")).to_be_checked()
    page.get_by_label("All of Issue 06").click(modifiers=["Shift"])
    expect_selected(page, 5)

    page.get_by_role("button", name="Clear").click()
    page.get_by_label("All of Company 04").click()
    page.get_by_label("All of Company 02").click(modifiers=["Shift"])
    expect_selected(page, 24)

    # A range begins at the clicked cell.
    page.get_by_role("button", name="Clear").click()
    at(page, 3, 3).click()
    page.keyboard.press("Escape")
    at(page, 1, 1).click(modifiers=["Shift"])
    expect_selected(page, 9)
    assert page.evaluate("getSelection().toString()") == ""  # only cells are selected, not the names between them

    at(page, 2, 2).click(modifiers=["Shift"])
    expect_selected(page, 4)

    # Shift and arrows extend and shrink it.
    page.get_by_role("button", name="Clear").click()
    at(page, 4, 4).click(modifiers=["Control"])
    page.keyboard.press("Control+Home")
    expect(at(page, 1, 1)).to_be_focused()

    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect_selected(page, 7)
    page.keyboard.press("Shift+ArrowLeft")
    expect_selected(page, 5)
    page.keyboard.press("Shift+ArrowUp")
    expect_selected(page, 3)
    expect(at(page, 4, 4)).to_have_attribute("aria-selected", "true")

    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    expect_selected(page, 5)


def test_a_narrow_matrix_is_a_paged_list(world: World, browse: Browse) -> None:
    for number in range(1, 53):
        world.given_issue(f"Issue {number:02}", {"Contoso": "new"})
    world.given_issue("Affects nobody")
    page = browse("tess", "/matrix", viewport=NARROW)

    narrow = page.locator(".matrix-narrow")
    expect(narrow.locator(".list tbody")).to_have_count(50)
    expect(narrow.get_by_role("row", name="Contoso").first.locator(".status")).to_have_text("New")
    expect(page.locator(".matrix")).to_be_hidden()
    expect(page.get_by_text("Affects nobody")).to_have_count(0)
    expect(page.get_by_role("navigation", name="Pages")).to_contain_text("50 of 52")
    narrow.get_by_role("link", name="Next 50").click()

    expect(page.locator(".list tbody")).to_have_count(2)
    expect(page.get_by_text("Issue 52")).to_be_visible()


def test_narrowing_the_window_shows_the_list(world: World, browse: Browse) -> None:
    given_grid(world, 2, 3)
    page = browse("tess", "/matrix")
    at(page, 1, 1).click(modifiers=["Control"])

    page.set_viewport_size(NARROW)
    expect(page.locator(".matrix-narrow").get_by_role("row", name="Company 02").first).to_be_visible()
    expect(page.get_by_text("needs a wider screen")).to_have_count(0)
    expect_selected(page, 1)

    page.set_viewport_size(WIDE)
    expect(at(page, 1, 1)).to_have_attribute("aria-selected", "true")
    at(page, 1, 2).click(modifiers=["Control"])
    expect_selected(page, 2)


def covered(page: Page) -> bool:
    """Returns whether an element covers the middle of the focused one."""
    found: bool = page.evaluate(
        """() => {
          const it = document.activeElement, box = it.getBoundingClientRect();
          const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
          return !it.contains(top);
        }"""
    )
    return found


def test_headers_never_cover_the_focus_and_can_be_used_by_keyboard(world: World, browse: Browse) -> None:
    given_grid(world, 30, 40)
    page = browse("tess", "/matrix", viewport={"width": 1000, "height": 700})

    page.keyboard.press("j")
    page.keyboard.press("Control+End")
    for key in ["ArrowLeft"] * 39 + ["ArrowUp"] * 29:
        page.keyboard.press(key)
        assert not covered(page), page.evaluate("document.activeElement.outerHTML")
    expect(at(page, 1, 1)).to_be_focused()

    heads = page.locator(".matrix thead th a")
    for _ in range(2):
        page.keyboard.press("ArrowUp")
    expect(heads.nth(0)).to_be_focused()
    page.keyboard.press("x")
    expect_selected(page, 30)
    expect(page.get_by_label("All of Company 01")).to_be_checked()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+x")
    expect_selected(page, 90)
    page.keyboard.press("End")
    expect(heads.last).to_be_focused()
    assert not covered(page)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    expect(heads.nth(0)).to_be_focused()
    assert not covered(page)
    page.keyboard.press("Escape")
    expect(page.locator("#bulk")).to_be_hidden()

    page.keyboard.press("j")
    for _ in range(25):
        page.keyboard.press("j")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("link", name="Issue 26")).to_be_focused()
    assert not covered(page)
    page.keyboard.press("Space")
    expect_selected(page, 40)
    page.keyboard.press("k")
    expect(page.get_by_role("link", name="Issue 25")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("link", name="Issue 25")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/issues/*")
    expect(page.get_by_role("heading", name="Issue 25")).to_be_visible()


def test_selected_cells_and_filters_are_visible_in_high_contrast(world: World, browse: Browse) -> None:
    """The system removes backgrounds and shadows."""
    given_grid(world, 2, 2)
    page = browse("tess", "/matrix?status=new")
    page.emulate_media(forced_colors="active")
    at(page, 1, 1).click(modifiers=["Control"])
    at(page, 2, 2).focus()

    expect(page.locator("#totals .chip:has(:checked)")).to_have_css("outline-style", "solid")
    expect(page.locator("#totals .chip", has_text="Closed")).to_have_css("outline-style", "none")
    expect(at(page, 1, 1)).to_have_css("outline-style", "double")
    expect(at(page, 1, 2)).to_have_css("outline-style", "none")
    lines = {link.evaluate("e => getComputedStyle(e).borderBottomColor") for link in page.locator("#main-menu a").all()}
    assert len(lines) == 2

    def frame() -> str:
        """Returns the style of the border of what is in front of the page."""
        in_front = page.locator("dialog[open], #status-menu:popover-open, .toast")
        expect(in_front).to_have_count(1)
        return str(in_front.evaluate("each => getComputedStyle(each).borderTopStyle"))

    page.keyboard.press("2")
    assert frame() == "solid"
    page.get_by_role("dialog").get_by_role("button", name="Set to Investigating").click()
    expect(page.locator("#review")).to_be_hidden()
    assert frame() == "solid"
    page.locator("#toasts").evaluate("each => each.replaceChildren()")
    at(page, 2, 2).click()
    assert frame() == "solid"
    page.emulate_media(forced_colors="none")


def test_headers_are_links_without_scripts(world: World, browse: Browse) -> None:
    given_grid(world, 1, 1)
    page = browse("tess", "/matrix", java_script_enabled=False)

    for _ in range(40):
        page.keyboard.press("Tab")
        if page.get_by_role("link", name="Company 01").evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Issue 01")).to_be_focused()


def test_the_help_names_every_key(world: World, browse: Browse) -> None:
    page = browse("tess", "/")
    page.keyboard.press("?")

    keys = page.get_by_role("dialog", name="Keyboard").locator("kbd").all_inner_texts()
    assert {"/", "j", "k", "x", "1", "6", "Enter", "o", "r", "n", "?", "Esc"} <= set(keys)
