"""Bulk changes: selection, ranges, the confirmation that lists the changed and the skipped companies, undo."""

import pytest
from playwright.sync_api import expect

from tests.chromium import ready
from tests.pages.conftest import Browse, saved
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

FIVE = ("Acme Manufacturing", "Contoso", "Fabrikam", "Müller & Söhne", "O’Neill’s Bar")


def stored(world: World, issue: str) -> dict[str, str]:
    found = world.client().call("GET", f"/api/issues/{issue}", 200)
    return {member["company_name"]: member["status"] for member in found["assignments"]}


def test_the_confirmation_explains_skipped_companies(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Acme Manufacturing": "new", "Contoso": "resolved", "Fabrikam": "closed"})
    world.given_issue("Broken phones", {"Acme Manufacturing": "new"})
    page = browse("tess", "/")
    page.get_by_label("Search issues").fill("mail")
    page.wait_for_url("**/?search=mail")
    expect(page.get_by_text("Broken phones")).to_have_count(0)

    page.get_by_label("All of Slow mail").check()
    expect(page.locator("#picked")).to_have_text("3 selected")
    page.get_by_role("region", name="Change the selected assignments").get_by_label("Note").fill("Restarted")
    page.get_by_role("group", name="Set the status").get_by_role("button", name="Resolved").click()

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Set to Resolved?")).to_be_visible()
    expect(dialog.get_by_label("Acme Manufacturing")).to_be_checked()
    expect(dialog).to_contain_text("Contoso: already Resolved")
    expect(dialog).to_contain_text("Fabrikam: closed, and bulk changes do not change closed assignments")
    expect(dialog.get_by_label("Note (optional)")).to_have_value("Restarted")
    dialog.get_by_role("button", name="Resolve 1").click()

    expect(page.locator("#toasts")).to_contain_text("1 company set to Resolved.")
    assert stored(world, "Slow mail") == {
        "Acme Manufacturing": "resolved",
        "Contoso": "resolved",
        "Fabrikam": "closed",
    }
    assert stored(world, "Broken phones") == {"Acme Manufacturing": "new"}
    expect(page.locator("#bulk")).to_be_hidden()

    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("row", name="Acme Manufacturing").locator(".status")).to_have_text("New")
    assert stored(world, "Slow mail")["Acme Manufacturing"] == "new"


def test_an_issue_is_resolved_for_all_companies_except_one(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", dict.fromkeys(FIVE, "in_progress") | {"Contoso": "resolved"})
    page = browse("tess", f"/issues/{issue_id}")

    page.get_by_role("link", name="Resolve for everyone").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Fabrikam").uncheck()
    expect(dialog).to_contain_text("Contoso: already Resolved")
    dialog.get_by_role("button", name="Resolve 3").click()

    expect(page.locator("#toasts")).to_contain_text("3 companies set to Resolved.")
    expected = dict.fromkeys(FIVE, "resolved") | {"Fabrikam": "in_progress"}
    assert stored(world, "Slow mail") == expected

    # With a selection, the bar and the key resolve its issues for everyone, including companies that are not shown.
    eight = (*FIVE, "Globex", "Initech", "Zürich (Nord)")
    world.given_companies(*eight)
    world.given_issue("Broken phones", dict.fromkeys(eight, "new"))
    page.goto("/?search=phones")
    ready(page)
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_role("region", name="Change the selected assignments").get_by_label("Note").fill("New firmware")
    page.get_by_role("button", name="Resolve for everyone").click()
    expect(dialog.get_by_role("button", name="Resolve 8")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    expect(dialog.get_by_label("Note (optional)")).to_have_value("New firmware")
    with saved(page):
        dialog.get_by_role("button", name="Resolve 8").click()
    assert set(stored(world, "Broken phones").values()) == {"resolved"}

    # An undo says what it leaves because another user has changed it since.
    body = {"issue_name": "Broken phones", "company_name": "Globex", "status": "closed"}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=body)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#toasts")).to_contain_text("7 undone, 1 left because it has been changed since.")
    assert stored(world, "Broken phones") == dict.fromkeys(eight, "new") | {"Globex": "closed"}


def test_shift_selects_a_range_with_mouse_and_keyboard(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", dict.fromkeys(FIVE, "new"))
    page = browse("tess", "/")

    page.get_by_role("checkbox", name="Acme Manufacturing").click()
    page.get_by_role("checkbox", name="Fabrikam").click(modifiers=["Shift"])
    expect(page.locator("#picked")).to_have_text("3 selected")
    page.keyboard.press("Escape")
    expect(page.locator("#bulk")).to_be_hidden()

    page.get_by_role("row", name="Contoso").locator(".status").focus()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    expect(page.locator("#picked")).to_have_text("3 selected")
    expect(page.get_by_label("All of Slow mail")).to_have_js_property("indeterminate", True)


def test_the_bar_remains_reachable_on_a_narrow_screen(world: World, browse: Browse) -> None:
    for number in range(12):
        world.given_issue(f"Fault {number:02}", dict.fromkeys(FIVE, "new"))
    page = browse("tess", "/", viewport={"width": 390, "height": 844})

    page.get_by_role("checkbox", name="Acme Manufacturing").first.check()

    bar = page.locator("#bulk").bounding_box()
    assert bar is not None and bar["height"] < 64 and bar["y"] + bar["height"] <= 844
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    buttons = page.locator("#bulk").get_by_role("button")
    expect(buttons).to_have_text(["Change…", "Clear"])
    page.get_by_role("button", name="Change…").click()
    expect(buttons).to_have_count(12)
    boxes = [box for button in buttons.all() if (box := button.bounding_box()) is not None]
    assert len(boxes) == 12 and min(box["height"] for box in boxes) >= 44
    page.get_by_role("button", name="Resolved").click()
    page.get_by_role("dialog").get_by_role("button", name="Resolve 1").click()
    expect(page.locator("#bulk")).to_be_hidden()
    page.get_by_role("checkbox", name="Contoso").first.check()
    expect(buttons).to_have_text(["Change…", "Clear"])


def test_a_refusal_is_shown_in_the_dialog_without_losing_input(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", dict.fromkeys(FIVE, "new"))
    page = browse("tess", f"/issues/{issue_id}")
    page.get_by_role("link", name="Resolve for everyone").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Note (optional)").fill("Restarted the relay")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Resolve for everyone").click()
    expect(dialog.get_by_label("Note (optional)")).to_have_value("Restarted the relay")
    page.route("**/assignments/bulk", lambda route: route.abort())

    dialog.get_by_role("button", name="Resolve 5").click()

    expect(dialog.get_by_role("alert")).to_have_text(
        "The server did not respond. The change may or may not have been made."
    )
    expect(dialog.get_by_label("Note (optional)")).to_have_value("Restarted the relay")
    page.unroute("**/assignments/bulk")
    dialog.get_by_role("button", name="Resolve 5").click()
    expect(page.locator("#history")).to_contain_text("Restarted the relay")
    expect(page.locator(".bulk [name=note]")).to_have_value("")


def test_the_bar_never_covers_the_focus(world: World, browse: Browse) -> None:
    """On a window of medium width, the bar has three rows."""
    names = [f"Branch {number:02}" for number in range(40)]
    world.given_companies(*names)
    issue_id = world.given_issue("Slow mail", dict.fromkeys(names, "new"))
    page = browse("tess", f"/issues/{issue_id}", viewport={"width": 820, "height": 700})
    page.get_by_role("checkbox", name="Branch 00").check()
    bar = page.locator("#bulk").bounding_box()
    assert bar is not None and bar["height"] > 96
    page.get_by_role("row", name="Branch 00").locator(".status").focus()
    for _ in range(25):
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.getBoundingClientRect().bottom") <= bar["y"]
