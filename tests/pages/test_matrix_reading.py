"""Reading the matrix: descriptions of cells, old cells, open counts; column width and groups."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from issue_tracker.clock import now
from tests.chromium import ready
from tests.pages.conftest import Browse
from tests.pages.test_matrix import cell
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

LONG = "Video calls of the northern branch offices freeze each noon."
assert len(LONG) == 60


def scene(world: World) -> int:
    """Creates two issues, one of which has a cell that has not changed for three days."""
    at = now()
    world.clock.freeze(at - timedelta(days=5))
    issue = world.given_issue(LONG, {"Contoso": "new", "Fabrikam": "investigating"})
    world.clock.freeze(at - timedelta(hours=3, minutes=20))
    tess = world.client()
    body = {"issue_name": LONG, "company_name": "Fabrikam", "status": "monitoring"}
    tess.call("PUT", "/api/issues/status", 200, json=body)
    world.given_issue("Slow mail", {"Contoso": "new", "Acme Manufacturing": "resolved"})
    tess.call("PUT", f"/api/issues/{LONG}", 200, json={"owner": "omar@helpdesk.example"})
    said = {"issue_name": LONG, "body": "The **carrier** has found\nthe cause."}
    tess.call("POST", "/api/updates", 201, json=said)
    world.clock.frozen = None
    return issue


def counts(page: Page, heads: str) -> list[str]:
    return [text.split()[0] for text in page.locator(f".matrix {heads} b").all_inner_texts()]


def test_a_cell_has_a_description(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/matrix?open=true")
    tip = page.get_by_role("tooltip")
    old, moved = cell(page, LONG, "Contoso"), cell(page, LONG, "Fabrikam")
    expect(old).to_have_attribute("aria-label", "New, not changed for 3 days")
    expect(moved).to_have_attribute("aria-label", "Monitoring")

    moved.hover()
    expect(page.locator(".matrix thead th.at")).to_contain_text("Fabrikam")
    band, box = page.locator(".crosshair").bounding_box(), moved.bounding_box()
    assert band is not None and box is not None and band["x"] == box["x"] and band["width"] == box["width"]
    for text in ("Fabrikam", LONG, "Monitoring", "for 3 h 20 min", "Affected", "for 5 d", "Omar Reyes"):
        expect(tip).to_contain_text(text)
    expect(tip).to_contain_text("Tess Ngo, 3 hr ago: The carrier has found the cause.")
    tip.hover()
    page.wait_for_timeout(300)  # longer than the pointer may take from the cell to its tooltip
    expect(tip).to_be_visible()
    page.locator("h1").hover()
    expect(tip).to_be_hidden()

    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    expect(old).to_be_focused()
    expect(tip).to_contain_text("for 5 d")
    expect(old).to_have_attribute("aria-describedby", "cell-tip")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    expect(old).to_be_focused()
    page.keyboard.press("3")
    expect(old).to_have_attribute("aria-label", "In progress")
    page.keyboard.press("ArrowUp")
    expect(tip).to_contain_text("Slow mail")
    expect(tip).to_contain_text("Owner\nnone", use_inner_text=True)

    # A pointer that rests on a cell opens no dialog if the session has ended.
    page.context.clear_cookies()
    page.keyboard.press("Escape")
    moved.hover()
    expect(tip).to_have_text("Sign in to use the issue tracker.")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_matrix_counts_like_the_list(world: World, browse: Browse) -> None:
    scene(world)
    world.given_issue("Nobody yet")
    page = browse("tess", "/?open=true")
    listed = page.locator("#totals .chip b").all_inner_texts()
    issues = page.locator(".list tbody").count()

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Matrix").click()
    page.wait_for_url("**/matrix?open=true")
    ready(page)
    assert page.locator("#totals .chip b").all_inner_texts() == listed
    expect(page.locator(".matrix tbody tr")).to_have_count(issues)
    expect(page.locator(".matrix .corner")).to_contain_text(f"{issues} of {issues} issues2 companies")
    assert counts(page, "thead") == ["2", "1"] and counts(page, "tbody") == ["1", "2"]
    expect(page.get_by_role("rowheader", name="Slow mail 1 open")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Contoso 2 open")).to_be_visible()
    expect(page.locator(".matrix .vh"), "which would make scrolling slower").to_have_count(0)
    cell(page, "Slow mail", "Contoso").focus()
    page.keyboard.press("5")
    expect(page.locator("#toasts")).to_contain_text("Contoso: Resolved")
    assert counts(page, "thead") == ["1", "1"] and counts(page, "tbody") == ["0", "2"]
    page.keyboard.press("u")
    expect(page.locator("#toasts")).to_contain_text("1 undone.")
    assert counts(page, "thead") == ["2", "1"] and counts(page, "tbody") == ["1", "2"]

    page.get_by_label("Sort rows").select_option("-open_count")
    expect(page.locator(".matrix tbody th a")).to_have_text([LONG, "Slow mail"])
    page.get_by_label("Sort rows").select_option("")
    expect(page.locator(".matrix tbody th a")).to_have_text(["Slow mail", LONG])
    page.get_by_label("Sort columns").select_option("updated_at")
    expect(page.locator(".matrix thead th a")).to_have_text(["Contoso", "Fabrikam"])
    page.get_by_label("Sort columns").select_option("name")
    page.wait_for_url("**columnSort=name**")
    page.goto("/matrix")
    expect(page.get_by_role("navigation", name="More")).to_contain_text("1 issue affects no company")


def test_the_first_column_can_be_resized(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/matrix?open=true")
    name = page.get_by_role("link", name=LONG)
    clipped = "link => link.scrollWidth > link.clientWidth"
    assert not name.evaluate(clipped)

    separator = page.get_by_role("separator", name="Width of the column of issues")
    box = separator.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 4, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] - 196, box["y"] + 20)
    page.mouse.up()
    assert name.evaluate(clipped)
    dragged = int(separator.get_attribute("aria-valuenow") or 0)
    expect(separator).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(separator).to_have_attribute("aria-valuenow", str(dragged - 16))
    page.reload()
    ready(page)
    expect(separator).to_have_attribute("aria-valuenow", str(dragged - 16))
    corner = page.locator(".matrix .corner").bounding_box()
    assert corner is not None and corner["width"] == dragged - 16


def test_company_groups_can_be_folded(world: World, browse: Browse) -> None:
    scene(world)
    ada = world.client("ada")
    for name, companies in (("North", ["Contoso", "Fabrikam"]), ("Empty", ["Zürich (Nord)"])):
        ada.call("POST", "/api/company-groups", 201, json={"name": name, "company_names": companies})
    page = browse("tess", "/matrix?columns=groups")
    page.get_by_label("Collapse groups").uncheck()
    heads = page.locator(".matrix thead th a")
    expect(heads).to_have_text(["Contoso", "Fabrikam", "Acme Manufacturing"])

    page.get_by_label("Collapse groups").check()
    expect(heads).to_have_text(["North", "Acme Manufacturing"])
    expect(page.get_by_role("columnheader", name=re.compile(r"North \d open, 2 companies$"))).to_be_visible()
    expect(page.locator(".matrix .vh"), "which would make scrolling slower").to_have_count(0)
    group = cell(page, LONG, "North")
    expect(group).to_have_attribute("aria-label", "New at worst, 2 of 2 open, one not changed for 3 days")
    expect(group).to_have_text("2")
    expect(cell(page, "Slow mail", "North")).to_have_text("1")
    assert counts(page, "thead") == ["3", "0"]
    for key in ("j", "ArrowDown", "5", "x"):
        page.keyboard.press(key)
    expect(page.locator("#picked")).to_have_text("0 selected")
    page.keyboard.press("Enter")
    expect(heads).to_have_text(["North", "Contoso", "Fabrikam", "Acme Manufacturing"])
    assert "columns=groups&unfold=" in page.url
    expect(group).to_be_focused()
    cell(page, LONG, "Fabrikam").click()
    page.keyboard.press("5")
    expect(page.locator("#toasts")).to_contain_text("Fabrikam: Resolved")
    expect(group).to_have_attribute("aria-label", "New at worst, 1 of 2 open, one not changed for 3 days")
    assert counts(page, "thead") == ["2", "2", "0", "0"]
    page.get_by_label("Open only").check()
    expect(heads).to_have_text(["North", "Contoso"])
    expect(group).to_have_attribute("aria-label", "New at worst, 1 of 1 open, one not changed for 3 days")
    heads.first.click()
    expect(heads).to_have_text(["North"])
    expect(heads.first).to_be_focused()
