"""A selection: keys change all of it, it survives a reload, and companies can be removed, with undo."""

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import WIDE, ready
from tests.pages.conftest import NARROW, Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

AREAS = "element => { const box = element.getBoundingClientRect(); return [box.top, box.bottom]; }"
BAR_HEIGHT = "element => getComputedStyle(element).getPropertyValue('--bulk-height')"


def stored(world: World, issue: str = "Slow mail") -> dict[str, str]:
    found = world.client().call("GET", f"/api/issues/{issue}", 200)
    return {member["company_name"]: member["status"] for member in found["assignments"]}


def status(page: Page, company: str) -> str:
    return page.get_by_role("row", name=company).locator(".status").inner_text()


def test_a_key_changes_the_whole_selection_which_survives_a_reload(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Acme Manufacturing": "new", "Contoso": "new", "Fabrikam": "new"})
    page = browse("tess", "/")
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    page.get_by_role("region", name="Change the selected assignments").get_by_label("Note").fill("Relay is ba")

    page.reload()
    ready(page)
    expect(page.locator("#picked")).to_have_text("2 selected")
    expect(page.get_by_role("region", name="Change the selected").get_by_label("Note")).to_have_value("Relay is ba")
    for key in ("j", "j", "j"):  # the focus is on the third row, which is not selected
        page.keyboard.press(key)
    page.keyboard.press("5")
    dialog = page.get_by_role("dialog", name="Set to Resolved?")
    expect(dialog.get_by_role("checkbox")).to_have_count(2)
    expect(dialog.get_by_label("Note (optional)")).to_have_value("Relay is ba")
    expect(dialog).to_have_accessible_description("Slow mail")
    page.keyboard.press("Escape")
    expect(page.get_by_role("row", name="Fabrikam").locator(".status")).to_be_focused()
    page.keyboard.press("5")
    expect(dialog.get_by_role("checkbox")).to_have_count(2)
    page.keyboard.press("Enter")

    expect(page.locator("#toasts")).to_contain_text("2 companies set to Resolved.")
    assert stored(world) == {"Acme Manufacturing": "resolved", "Contoso": "resolved", "Fabrikam": "new"}
    page.reload()
    ready(page)
    expect(page.locator("#bulk")).to_be_hidden()

    # The same in the matrix, where the selected cell is not the focused one.
    page.goto("/matrix")
    ready(page)
    cells = page.locator(".matrix tbody td")
    cells.nth(0).focus()
    page.keyboard.press("x")
    page.reload()
    ready(page)
    expect(page.locator("#picked")).to_have_text("1 selected")
    cells.nth(1).focus()
    page.keyboard.press("3")
    expect(page.get_by_role("dialog").get_by_role("checkbox")).to_have_count(1)


def test_messages_do_not_cover_the_bar(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = browse("tess", "/")
    page.get_by_role("row", name="Fabrikam").get_by_role("checkbox", name="Fabrikam").check()
    page.get_by_role("row", name="Contoso").locator(".status").click()
    page.locator("#status-menu").get_by_role("button", name="Monitoring").click()
    toast = page.locator(".toast")
    expect(toast).to_be_visible()
    toast.evaluate("toast => Promise.all(toast.getAnimations().map(each => each.finished))")

    for viewport in (WIDE, NARROW):
        page.set_viewport_size(viewport)
        (_, lower), (upper, _) = toast.evaluate(AREAS), page.locator("#bulk").evaluate(AREAS)
        assert lower <= upper, viewport

    # The height of the bar concerns only what is above it: the browser does not compute the styles of all rows again.
    of_main, of_row = (page.locator(each).first.evaluate(BAR_HEIGHT) for each in ("main", "main tr"))
    height = page.locator("#bulk").evaluate("bar => Math.ceil(bar.getBoundingClientRect().height)")
    assert (of_main, of_row) == (f"{height}px", "96px")
    assert height != 96


def test_a_company_is_removed_and_the_removal_undone(world: World, browse: Browse) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "monitoring", "Fabrikam": "new"})
    page = browse("tess", f"/issues/{issue}")
    page.get_by_role("row", name="Contoso").locator(".status").click()
    page.locator("#status-menu-note").fill("Wrong customer")
    page.locator("#status-menu").get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog", name="Remove from the issue?")
    expect(dialog.get_by_label("Note (optional)")).to_have_value("Wrong customer")
    dialog.get_by_role("button", name="Remove 1").click()
    expect(page.locator("#toasts")).to_contain_text("1 company removed.")
    assert status(page, "Contoso") == "Not affected"
    assert stored(world) == {"Fabrikam": "new"}
    expect(page.locator("#history")).to_contain_text("Wrong customer")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("Monitoring")
    assert stored(world) == {"Contoso": "monitoring", "Fabrikam": "new"}

    page.goto("/matrix")
    ready(page)
    cell = page.locator(".matrix tbody td").first
    cell.focus()
    page.keyboard.press("0")
    dialog.get_by_role("button", name="Remove 1").click()
    expect(page.locator("#toasts")).to_contain_text("1 company removed.")
    assert cell.get_attribute("aria-label") is None and stored(world) == {"Fabrikam": "new"}
    # An empty cell has nothing to remove.
    cell.focus()
    page.keyboard.press("0")
    cell.click()
    expect(page.locator("#status-menu").get_by_role("button", name="Remove")).to_be_hidden()
    page.keyboard.press("Escape")

    page.goto(f"/issues/{issue}")
    ready(page)
    page.locator("[data-all]").first.check()
    page.get_by_role("button", name="Remove…").locator("visible=true").click()
    dialog.get_by_role("button", name="Remove 1").click()
    expect(page.locator("#toasts")).to_contain_text("1 company removed.")
    assert stored(world) == {}


def test_a_note_can_be_saved_without_a_new_status(world: World, browse: Browse) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "monitoring", "Fabrikam": "new"})
    page = browse("tess", f"/issues/{issue}")
    page.get_by_role("row", name="Contoso").locator(".status").click()
    page.locator("#status-menu-note").fill("Called back at noon")
    page.get_by_role("button", name="Save only the note").click()
    expect(page.locator("#toasts")).to_contain_text("Note saved for 1 company.")
    page.locator("[data-all]").first.check()
    bar = page.get_by_role("region", name="Change the selected")
    bar.get_by_label("Note").fill("Still slow for both")
    bar.get_by_role("button", name="Save note").click()
    expect(page.locator("#toasts")).to_contain_text("Note saved for 2 companies.")
    expect(page.locator("#picked")).to_have_text("2 selected")
    expect(bar.get_by_label("Note")).to_have_value("")

    found = world.client().call("GET", "/api/updates?issueName=Slow mail", 200)["items"]
    assert [(each["body"], each["public"], each["company_names"]) for each in found] == [
        ("Still slow for both", False, ["Contoso", "Fabrikam"]),
        ("Called back at noon", False, ["Contoso"]),
    ]
    assert stored(world) == {"Contoso": "monitoring", "Fabrikam": "new"}

    plain = browse("tess", "/", java_script_enabled=False)
    plain.get_by_role("row", name="Contoso").get_by_role("checkbox", name="Contoso").check()
    plain.locator(".bulk [name=note]").fill("By hand")
    plain.get_by_role("button", name="Save note").click()
    expect(plain.locator("#flash")).to_contain_text("Note saved for 1 company.")


def test_a_company_can_be_removed_without_scripts(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "monitoring"})
    page = browse("tess", "/", java_script_enabled=False)
    page.get_by_role("row", name="Contoso").locator(".status").click()
    page.get_by_label("Not affected").check()
    page.get_by_role("button", name="Set status").click()
    expect(page.locator("#flash")).to_contain_text("1 company removed.")
    assert stored(world) == {}
    page.locator("#flash").get_by_role("button", name="Undo").click()
    assert stored(world) == {"Contoso": "monitoring"}


def test_without_its_last_visible_company_an_issue_is_left_for_the_list(world: World) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    ids = world.given_companies("Contoso", "Fabrikam")
    ada, omar = world.client("ada"), world.client("omar")
    omar_id = omar.call("GET", "/api/auth/session", 200)["user"]["user_id"]
    ada.call("PUT", f"/api/users/{omar_id}", 200, json={"company_access": {"companies": ["Contoso"]}})

    for client, company, left in ((ada, "Fabrikam", f"/issues/{issue}?order=name"), (omar, "Contoso", "/?open=true")):
        form = {"on": f"{issue}-{ids[company]}-new", "status": "none", "next": f"/issues/{issue}?order=name"}
        response = client.post("/assignments/bulk", data=form | {"_csrf": client.headers["X-CSRF-Token"]})
        assert (response.status_code, response.headers["location"]) == (303, left)
        assert "1 company removed." in client.get(left).text


def test_a_late_undo_names_the_user_of_the_newer_change(world: World, browse: Browse) -> None:
    """The offer to undo is withdrawn as soon as the page learns of a newer change."""
    issue = world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    contoso = page.get_by_role("row", name="Contoso").locator(".status")
    contoso.focus()
    page.keyboard.press("2")
    expect(page.locator(".toast")).to_have_count(1)
    page.keyboard.press("3")
    expect(page.locator(".toast")).to_contain_text("Contoso: In progress")
    # The undo button of the earlier change disappears with it.
    expect(page.locator(".toast")).to_have_count(1)
    omar = world.client("omar")
    omar.call("PUT", "/api/issues/status", 200, json=body("Contoso", "closed"))
    expect(contoso).to_have_text("Closed")
    expect(page.locator(".toast")).to_have_count(0)

    page.goto(f"/issues/{issue}")
    for changed_by, name, company in (
        ("omar", "Omar Reyes has", "Fabrikam"),
        ("tess", "You have", "Acme Manufacturing"),
    ):
        page.get_by_label("Add a company").fill(company)
        page.get_by_role("button", name="Add as new").click()
        expect(page.locator("#flash")).to_contain_text("1 added.")
        world.client(changed_by).call("PUT", "/api/issues/status", 200, json=body(company, "closed"))
        page.locator("#flash").get_by_role("button", name="Undo").click()
        expect(page.locator("#flash")).to_have_text(f"{name} changed it since; nothing was undone.")


def body(company: str, status: str) -> dict[str, str]:
    return {"issue_name": "Slow mail", "company_name": company, "status": status}


def test_a_lost_network_is_shown(world: World, browse: Browse) -> None:
    page = browse("tess", "/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_have_attribute("data-state", "broken", timeout=3000)
    page.context.set_offline(False)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
