"""Changing one status: with the mouse, by key, with a note, undone, refused."""

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import Browse, held
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def stored(world: World, issue: str = "Slow mail") -> dict[str, str]:
    found = world.client().call("GET", f"/api/issues/{issue}", 200)
    return {member["company_name"]: member["status"] for member in found["assignments"]}


def test_a_status_is_changed_by_key_and_with_the_mouse_and_undone(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Acme Manufacturing": "new", "Contoso": "investigating"})
    page = browse("tess", "/")
    row = page.get_by_role("row", name="Contoso")

    page.keyboard.press("j")
    expect(page.get_by_role("row", name="Acme Manufacturing").locator(".status")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("5")
    expect(row.locator(".status")).to_have_text("Resolved")
    expect(page.locator("#toasts")).to_contain_text("Contoso: Resolved")
    assert stored(world)["Contoso"] == "resolved"
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.keyboard.press("u")
    page.keyboard.press("u")
    expect(page.locator("#toasts")).to_contain_text("1 undone.")
    assert len([url for url in sent if url.endswith("/undo")]) == 1
    expect(row.locator(".status")).to_have_text("Investigating")
    assert stored(world) == {"Acme Manufacturing": "new", "Contoso": "investigating"}

    row.locator(".status").click()
    menu = page.locator("#status-menu")
    expect(menu.get_by_role("button", name="Investigating")).to_have_attribute("aria-pressed", "true")
    menu.get_by_role("button", name="Monitoring").click()

    expect(row.locator(".status")).to_have_text("Monitoring")
    expect(page.locator("#toasts")).to_contain_text("Contoso: Monitoring")
    assert stored(world) == {"Acme Manufacturing": "new", "Contoso": "monitoring"}

    page.get_by_role("button", name="Undo").click()
    expect(row.locator(".status")).to_have_text("Investigating")
    expect(page.locator("#toasts")).to_contain_text("undone")
    assert stored(world)["Contoso"] == "investigating"


def test_the_note_is_recorded_in_the_history(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "investigating"})
    page = browse("tess", f"/issues/{issue_id}")

    page.get_by_role("row", name="Contoso").locator(".status").click()
    page.get_by_placeholder("Note (optional)").locator("visible=true").fill("Vendor <b>confirmed</b> it")
    page.locator("#status-menu").get_by_role("button", name="Monitoring").click()
    expect(page.locator("#toasts")).to_contain_text("Contoso: Monitoring")
    page.reload()

    expect(page.locator("#history")).to_contain_text("Tess Ngo set Contoso to Monitoring")
    expect(page.locator("#history")).to_contain_text("Vendor <b>confirmed</b> it")


def test_a_change_is_shown_immediately_and_a_refusal_reverts_it(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "investigating"})
    page = browse("tess", "/")
    change = held(page)
    status = page.get_by_role("row", name="Contoso").locator(".status")

    status.focus()
    page.keyboard.press("6")
    expect(status).to_have_text("Closed")
    expect(status).to_have_attribute("aria-busy", "true")
    route = change()
    assert stored(world) == {"Contoso": "investigating"}
    world.client("ada").call("DELETE", "/api/issues/Slow%20mail", 204)
    route.continue_()

    expect(page.locator(".toast.wrong")).to_contain_text("Not changed. There is no such issue.")
    expect(status).to_have_text("Investigating")
    expect(status).not_to_have_attribute("aria-busy", "true")


def test_an_archived_company_cannot_be_assigned_in_the_matrix(world: World, browse: Browse) -> None:
    contoso = world.given_companies("Contoso")["Contoso"]
    world.given_issue("Broken phones", {"Contoso": "new"})
    world.given_issue("Slow mail", {"Fabrikam": "new"})
    page = browse("tess", "/matrix")
    change = held(page)
    empty = page.locator(".matrix tr", has_text="Slow mail").locator("td:not([aria-label])")

    empty.click()
    page.keyboard.press("2")
    cell = page.get_by_role("gridcell", name="Investigating")
    expect(cell).to_have_count(1)
    route = change()
    world.client("ada").call("PUT", f"/api/companies/{contoso}", 200, json={"archived": True})
    route.continue_()

    expect(page.locator(".toast.wrong")).to_contain_text("“Contoso” is archived and takes no new assignments")
    expect(cell).to_have_count(0)
    assert stored(world) == {"Fabrikam": "new"}


def test_a_missing_response_reverts_the_change_and_is_reported(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "investigating"})
    page = browse("tess", "/")
    page.route("**/assignments/bulk", lambda route: route.abort())
    row = page.get_by_role("row", name="Contoso")

    row.locator(".status").focus()
    page.keyboard.press("6")

    expect(page.locator(".toast.wrong")).to_contain_text("The server did not respond.")
    expect(row.locator(".status")).to_have_text("Investigating")
    page.unroute("**/assignments/bulk")
    page.get_by_role("button", name="Try again").click()
    expect(row.locator(".status")).to_have_text("Closed")

    page.route("**/undo", lambda route: route.abort())
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast.wrong")).to_contain_text("The server did not respond.")
    page.unroute("**/undo")
    page.get_by_role("button", name="Try again").click()
    expect(row.locator(".status")).to_have_text("Investigating")
    assert stored(world)["Contoso"] == "investigating"


def test_a_later_change_withdraws_the_offer_to_try_an_earlier_one_again(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = browse("tess", "/")
    page.route("**/assignments/bulk", lambda route: route.abort())
    for name in ("Contoso", "Fabrikam"):
        page.get_by_role("row", name=name).locator(".status").focus()
        page.keyboard.press("2")
    offers = page.get_by_role("button", name="Try again")
    expect(offers).to_have_count(2)
    page.unroute("**/assignments/bulk")

    page.keyboard.press("3")

    expect(page.get_by_role("button", name="Undo")).to_have_count(1)
    expect(offers).to_have_count(1)  # that of the other company
    offers.click()
    expect(page.get_by_role("button", name="Undo")).to_have_count(2)
    assert stored(world) == {"Contoso": "investigating", "Fabrikam": "in_progress"}
