"""The matrix as a grid: ranges that grow and shrink, focus that is always in sight, heads by keyboard, narrow screens."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.conftest import NARROW, WIDE, Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def given_grid(world: World, rows: int, columns: int) -> None:
    """Issues 01, 02 …, each of them with every company."""
    names = [f"Company {number:02}" for number in range(1, columns + 1)]
    world.given_companies(*names)
    for number in range(1, rows + 1):
        world.given_issue(f"Issue {number:02}", dict.fromkeys(names, "new"))


def at(page: Page, row: int, column: int) -> Locator:
    """A cell, counted from 1."""
    return page.locator(".matrix tbody tr").nth(row - 1).locator("td").nth(column - 1)


def expect_selected(page: Page, count: int) -> None:
    expect(page.locator("#picked")).to_have_text(f"{count} selected")


def test_shift_ticks_all_rows_or_columns_in_between(world: World, browse: Browse) -> None:
    given_grid(world, 8, 5)
    page = browse("tess", "/matrix")

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


def test_a_pressed_cell_is_where_a_range_begins(world: World, browse: Browse) -> None:
    given_grid(world, 4, 4)
    page = browse("tess", "/matrix")

    at(page, 3, 3).click()
    page.keyboard.press("Escape")
    at(page, 1, 1).click(modifiers=["Shift"])
    expect_selected(page, 9)

    at(page, 2, 2).click(modifiers=["Shift"])
    expect_selected(page, 4)


def test_shift_and_arrows_reach_further_and_back_again(world: World, browse: Browse) -> None:
    given_grid(world, 4, 4)
    page = browse("tess", "/matrix")
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


def test_x_and_then_shift_x_select_what_lies_in_between(world: World, browse: Browse) -> None:
    given_grid(world, 4, 4)
    page = browse("tess", "/matrix")

    for key in ("j", "x", "ArrowDown", "ArrowRight", "Shift+x"):
        page.keyboard.press(key)

    expect_selected(page, 4)


def test_a_narrow_matrix_lists_what_the_matrix_shows_page_by_page(world: World, browse: Browse) -> None:
    for number in range(1, 53):
        world.given_issue(f"Issue {number:02}", {"Contoso": "new"})
    world.given_issue("Affects nobody")
    page = browse("tess", "/matrix", viewport=NARROW)

    narrow = page.locator(".matrix-narrow")
    expect(narrow.locator(".list tbody")).to_have_count(50)
    expect(page.get_by_text("Affects nobody")).to_have_count(0)
    expect(page.get_by_role("navigation", name="Pages")).to_contain_text("50 of 52")
    narrow.get_by_role("link", name="Next 50").click()

    expect(page.locator(".list tbody")).to_have_count(2)
    expect(page.get_by_text("Issue 52")).to_be_visible()


def test_a_window_made_narrow_gets_the_list_too(world: World, browse: Browse) -> None:
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
