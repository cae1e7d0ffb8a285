"""The matrix: issues × companies, changed in place, selected by cell, row, column and rectangle."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.conftest import Browse
from tests.world import World


def cell(page: Page, issue: str, company: str) -> Locator:
    column = page.locator(".matrix thead th").all_inner_texts()
    index = next(number for number, text in enumerate(column) if company in text)
    return page.locator(".matrix tbody tr").filter(has_text=issue).locator("td").nth(index - 1)


def stored(world: World, issue: str) -> dict[str, str]:
    found = world.client().call("GET", f"/api/issues/{issue}", 200)
    return {member["company_name"]: member["status"] for member in found["assignments"]}


def scene(world: World) -> None:
    world.given_issue("Broken phones", {"Contoso": "new", "Fabrikam": "investigating"})
    world.given_issue("Slow mail", {"Acme Manufacturing": "new", "Contoso": "resolved"})
    world.given_issue("Nobody affected")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_cell_can_be_changed_and_an_empty_one_assigned(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/matrix")
    expect(page.locator(".matrix thead th")).to_have_count(4)
    expect(page.get_by_text("Nobody affected")).to_have_count(0)

    cell(page, "Broken phones", "Contoso").click()
    page.locator("#status-menu").get_by_role("button", name="Monitoring").click()
    expect(cell(page, "Broken phones", "Contoso")).to_have_attribute("aria-label", "Monitoring")
    expect(page.locator("#toasts")).to_contain_text("Contoso: Monitoring")

    empty = cell(page, "Slow mail", "Fabrikam")
    empty.click()
    page.keyboard.press("2")
    expect(empty).to_have_attribute("aria-label", "Investigating")
    expect(page.locator("#toasts")).to_contain_text("Fabrikam: Investigating")
    assert stored(world, "Slow mail")["Fabrikam"] == "investigating"
    assert stored(world, "Broken phones")["Contoso"] == "monitoring"

    page.locator(".toast", has_text="Fabrikam").get_by_role("button", name="Undo").click()
    expect(page.locator("#toasts")).to_contain_text("1 undone.")
    expect(empty).not_to_have_attribute("aria-label", "Investigating")
    assert "Fabrikam" not in stored(world, "Slow mail")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_matrix_can_be_used_by_keyboard_alone(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/matrix")

    page.keyboard.press("j")
    first = page.locator(".matrix tbody td").first
    expect(first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(first).to_be_focused()
    page.keyboard.press("j")
    expect(first).not_to_be_focused()
    page.keyboard.press("k")
    expect(first).to_be_focused()
    page.keyboard.press("4")

    expect(first).to_have_attribute("aria-label", "Monitoring")
    expect(page.locator("#toasts")).to_contain_text("Monitoring")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_rows_columns_and_rectangles_can_be_selected(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/matrix")

    page.get_by_label("All of Slow mail").check()
    expect(page.locator("#picked")).to_have_text("2 selected")
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("All of Contoso").check()
    expect(page.locator("#picked")).to_have_text("2 selected")
    page.get_by_role("button", name="Clear").click()

    cell(page, "Broken phones", "Contoso").click(modifiers=["Control"])
    page.locator(".matrix tbody td").last.click(modifiers=["Shift"])
    expect(page.locator("#picked")).not_to_have_text("1 selected")
    page.get_by_role("group", name="Set the status").get_by_role("button", name="Closed").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("not affected yet")
    dialog.get_by_role("button", name="Close").click()

    expect(page.locator("#toasts")).to_contain_text("set to Closed.")
    assert stored(world, "Broken phones")["Contoso"] == "closed"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_names_remain_visible_while_the_cells_scroll(world: World, browse: Browse) -> None:
    names = list(world.given_companies(*(f"Company {number:02}" for number in range(50))))
    for number in range(60):
        world.given_issue(f"Fault {number:02}", dict.fromkeys(names if number < 5 else names[:1], "new"))
    page = browse("tess", "/matrix")
    corner, company = page.locator(".matrix .corner"), page.locator(".matrix thead th").nth(30)
    issue = page.locator(".matrix tbody th", has_text="Fault 30")
    cell = page.locator(".matrix tr", has_text="Fault 30").locator("td").nth(29)

    def places() -> list[tuple[float, float]]:
        boxes = [each.bounding_box() for each in (corner, company, issue, cell)]
        return [(box["x"], box["y"]) for box in boxes if box]

    issue.scroll_into_view_if_needed()
    before = places()
    page.locator(".matrix-frame").evaluate("frame => frame.scrollBy(150, 100)")
    (at, over), (over_x, over_y), (beside_x, beside_y), (cell_x, cell_y) = before

    assert places() == [(at, over), (over_x - 150, over_y), (beside_x, beside_y - 100), (cell_x - 150, cell_y - 100)]
    frame = page.locator(".matrix-frame").bounding_box()
    assert frame is not None and (at, over) == (beside_x, over_y) == (frame["x"] + 1, frame["y"] + 1)


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("/", "Needs attention"),
        ("/matrix", "By name"),
        ("/matrix?sort=name", "By name"),
        ("/matrix?sort=attention", "Needs attention"),
        ("/?sort=name", "By name"),
    ],
)
def test_the_order_that_is_shown_is_the_one_in_use(world: World, path: str, chosen: str) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Contoso": "new"})
    page = world.client().get(path).text
    assert re.findall(r"<option [^>]* selected>([^<]*)</option>", page)[:1] == [chosen]
    by_name = page.index("Broken phones") < page.index("Slow mail")
    assert by_name is (chosen == "By name")


def test_columns_can_be_sorted(world: World) -> None:
    """By open count, by the open assignment that has not changed for the longest time, and by name; groups, too."""
    world.given_issue("Broken phones", {"Contoso": "new", "Fabrikam": "new"})
    world.clock.advance(hours=1)
    world.given_issue("Slow mail", {"Acme Manufacturing": "new", "Contoso": "new", "O’Neill’s Bar": "new"})
    world.clock.advance(hours=1)
    for company in ("Contoso", "O’Neill’s Bar"):
        body = {"issue_name": "Slow mail", "company_name": company, "status": "monitoring"}
        world.client().call("PUT", "/api/issues/status", 200, json=body)
    body = {"issue_name": "Broken phones", "company_name": "Contoso", "status": "resolved"}
    world.client().call("PUT", "/api/issues/status", 200, json=body)

    def heads(query: str) -> list[str]:
        response = world.client().get(f"/matrix?{query}", headers={"Accept": "text/html"})
        assert response.status_code == 200, response.text
        return re.findall(r'<a href="[^"]*" title="([^"]+)"[^>]*dir="auto">', response.text)

    by_name = ["Acme Manufacturing", "Contoso", "Fabrikam", "O’Neill’s Bar"]
    assert heads("") == by_name, "each company has one open assignment"
    assert heads("columnSort=updated_at") == ["Fabrikam", "Acme Manufacturing", "Contoso", "O’Neill’s Bar"]
    assert heads("columnSort=updated_at&status=monitoring") == ["Contoso", "O’Neill’s Bar"]
    world.given_issue("Third", {"O’Neill’s Bar": "new"})
    assert heads("columnSort=-open_count")[0] == "O’Neill’s Bar"
    assert heads("columnSort=name") == by_name
    for name, companies in (("A late", ["O’Neill’s Bar"]), ("B early", ["Fabrikam", "Contoso"])):
        group = {"name": name, "company_names": companies}
        world.client("ada").call("POST", "/api/company-groups", 201, json=group)
    assert heads("columns=groups") == ["A late", "B early", "Acme Manufacturing"]
    assert heads("columns=groups&columnSort=updated_at") == ["B early", "A late", "Acme Manufacturing"]
    assert world.client().get("/matrix?columnSort=age", headers={"Accept": "text/html"}).status_code == 422
