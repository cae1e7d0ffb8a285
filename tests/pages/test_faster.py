"""Changes between the display of a page and a click: renames, changes by others, two quick clicks, an unsent note."""

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Browse, held, without_updates
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def change(world: World, company: str, status: str, issue: str = "Slow mail") -> None:
    body = {"issue_name": issue, "company_name": company, "status": status}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=body)


def stored(world: World, issue: str = "Slow mail") -> dict[str, str]:
    found = world.client().call("GET", f"/api/issues/{issue}", 200)
    return {member["company_name"]: member["status"] for member in found["assignments"]}


def press(page: Page, company: str, *keys: str) -> None:
    page.get_by_role("row", name=company).locator(".status").focus()
    for key in keys:
        page.keyboard.press(key)


def test_a_change_applies_to_the_displayed_issue_even_after_a_rename(world: World, browse: Browse) -> None:
    first = world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Contoso": "new"})
    page = browse("tess", f"/issues/{first}")
    omar = world.client("omar")
    omar.call("PUT", "/api/issues/Slow%20mail", 200, json={"new_name": "Slow mail (old)"})
    omar.call("PUT", "/api/issues/Broken%20phones", 200, json={"new_name": "Slow mail"})

    press(page, "Contoso", "5")

    expect(page.locator("#toasts")).to_contain_text("Contoso: Resolved")
    assert stored(world, "Slow mail (old)") == {"Contoso": "resolved"}
    assert stored(world, "Slow mail") == {"Contoso": "new"}


def test_a_confirmed_bulk_change_does_not_overwrite_unseen_changes(world: World, browse: Browse) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = browse("tess", f"/issues/{issue}", before=without_updates)
    page.get_by_role("link", name="Resolve for everyone").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Resolve 2")).to_be_visible()
    change(world, "Fabrikam", "in_progress")

    dialog.get_by_role("button", name="Resolve 2").click()

    expect(dialog.get_by_role("alert")).to_contain_text("Nothing was changed. Omar Reyes set Fabrikam to In progress, ")
    assert stored(world) == {"Contoso": "new", "Fabrikam": "in_progress"}
    expect(dialog.get_by_label("Fabrikam")).not_to_be_checked()
    dialog.get_by_role("button", name="Resolve 1").click()
    expect(page.locator("#toasts")).to_contain_text("1 company set to Resolved.")
    assert stored(world) == {"Contoso": "resolved", "Fabrikam": "in_progress"}
    expect(page.get_by_role("link", name="Resolve for everyone")).to_be_focused()


def test_after_a_bulk_change_the_focus_returns_to_the_first_company(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new", "Acme Manufacturing": "new"})
    page = browse("tess", "/")
    for company in ("Contoso", "Fabrikam"):
        page.get_by_role("row", name=company).get_by_role("checkbox").check()
    page.get_by_role("group", name="Set the status").get_by_role("button", name="Monitoring").click()
    page.get_by_role("dialog").get_by_role("button", name="Set to Monitoring: 2").click()

    expect(page.locator("#toasts")).to_contain_text("2 companies set to Monitoring.")
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_be_focused()


def test_unseen_changes_are_not_overwritten_without_scripts(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = browse("tess", "/", java_script_enabled=False)
    page.get_by_role("row", name="Contoso").locator(".status").click()
    page.get_by_label("Resolved").check()
    page.get_by_label("Note (optional)").fill("Restarted")
    change(world, "Contoso", "in_progress")
    page.get_by_role("button", name="Set status").click()

    expect(page.get_by_role("alert")).to_contain_text("Omar Reyes changed this")
    expect(page.get_by_role("alert")).to_contain_text("it is now In progress")
    expect(page.get_by_label("Note (optional)")).to_have_value("Restarted")
    assert stored(world)["Contoso"] == "in_progress"
    page.get_by_label("Resolved").check()
    page.get_by_role("button", name="Set status").click()
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("Resolved")
    assert stored(world)["Contoso"] == "resolved"

    page.get_by_role("row", name="Fabrikam").get_by_role("checkbox").check()
    page.get_by_role("button", name="Closed").click()
    change(world, "Fabrikam", "monitoring")
    page.get_by_role("button", name="Close 1").click()
    expect(page.get_by_role("alert").first).to_contain_text("Omar Reyes changed Fabrikam")
    assert stored(world)["Fabrikam"] == "monitoring"


@pytest.mark.parametrize("choice", ["Keep mine: Investigating", "Take theirs: not affected"])
def test_a_change_to_a_removed_company_is_a_conflict(world: World, browse: Browse, choice: str) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/", before=without_updates)
    world.client("omar").call("DELETE", "/api/issues/status?issueName=Slow%20mail&companyName=Contoso", 204)

    press(page, "Contoso", "2")

    dialog = page.get_by_role("dialog", name="Someone else changed this")
    expect(dialog).to_contain_text("was removed by Omar Reyes")
    dialog.get_by_role("button", name=choice).click()
    keep = choice.startswith("Keep")
    status = page.get_by_role("row", name="Contoso").locator(".status")
    expect(status).to_have_text("Investigating" if keep else "Not affected")
    assert stored(world) == ({"Contoso": "investigating"} if keep else {})


def test_two_quick_clicks_are_not_a_conflict(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    first = held(page, times=1)

    press(page, "Contoso", "3", "5")
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("Resolved")
    first().continue_()

    expect(page.locator("#toasts")).to_contain_text("Contoso: Resolved")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("Resolved")
    recorded = world.client().call("GET", "/api/events?type=assignment.status_changed&companyName=Contoso", 200)[
        "items"
    ]
    assert [(event["from"], event["to"]) for event in recorded] == [("in_progress", "resolved"), ("new", "in_progress")]


def test_an_unchanged_status_keeps_its_time_and_the_note_is_stored(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    row = page.get_by_role("row", name="Contoso")
    since = row.locator(".when time").get_attribute("datetime")
    note = page.locator("#status-menu-note")

    row.locator(".status").click()
    note.fill("Called them")
    page.keyboard.press("Escape")
    row.locator(".status").click()
    expect(note).to_have_value("Called them")
    page.locator("#status-menu [data-status=new]").click()

    expect(page.locator("#toasts")).to_contain_text("Contoso is New. Note saved for 1 company.")
    expect(row.locator(".when time")).to_have_attribute("datetime", str(since))
    (update,) = world.client().call("GET", "/api/updates?issueName=Slow mail", 200)["items"]
    assert (update["body"], update["public"], update["company_names"]) == ("Called them", False, ["Contoso"])
    page.reload()
    expect(row.locator(".when time")).to_have_attribute("datetime", str(since))
    row.locator(".status").click()
    expect(note).to_have_value("")


def test_the_menu_closes_on_a_second_click_on_escape_and_when_the_focus_leaves(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    status = page.get_by_role("row", name="Contoso").locator(".status")
    menu = page.locator("#status-menu")

    status.click()
    expect(menu).to_be_visible()
    status.click()
    expect(menu).to_be_hidden()
    status.click()
    expect(menu).to_be_visible()
    page.locator("#status-menu-note").focus()
    page.keyboard.press("Tab")
    expect(menu).to_be_hidden()
    status.focus()
    page.keyboard.press("Enter")
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(status).to_be_focused()
