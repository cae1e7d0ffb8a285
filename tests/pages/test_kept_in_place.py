"""What a user has entered, selected or focused is the same after the results of a page were replaced."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.chromium import ready
from tests.pages.conftest import Browse, Late
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def live(page: Page) -> Page:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return page


def box(page: Page, name: str) -> Locator:
    return page.get_by_role("row", name=name).get_by_role("checkbox", name=name, exact=True)


def create(world: World, name: str, company: str = "Acme Manufacturing") -> None:
    body = {"name": name, "companies": [{"company_name": company}]}
    world.client("omar").call("POST", "/api/issues", 201, json=body)


def test_the_focus_returns_to_the_same_element(world: World, browse: Browse) -> None:
    """The first row of an issue also has the box and the link of the issue."""
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = live(browse("tess", "/"))
    elements = (
        box(page, "Contoso"),
        page.get_by_role("link", name="Contoso"),
        page.get_by_label("All of Slow mail"),
        page.get_by_role("link", name="Slow mail"),
    )
    for number, element in enumerate(elements):
        element.focus()
        create(world, f"Fault {number}")
        page.locator("#updates").click()
        expect(page.get_by_role("link", name=f"Fault {number}")).to_be_visible()
        expect(element).to_be_focused()


def test_a_half_entered_form_remains_when_updates_are_shown(world: World, browse: Browse) -> None:
    contoso = world.given_companies("Contoso")["Contoso"]
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = live(browse("tess", f"/companies/{contoso}"))
    page.get_by_text("Add to an issue…").click()
    page.get_by_label("Issue", exact=True).fill("Broken ph")
    page.get_by_label("Status", exact=True).select_option("Monitoring")
    create(world, "Lost faxes", "Contoso")
    page.get_by_role("button", name="Show 1 update").click()

    expect(page.get_by_role("row", name="Lost faxes")).to_be_visible()
    expect(page.get_by_label("Issue", exact=True)).to_have_value("Broken ph")
    expect(page.get_by_label("Status", exact=True)).to_have_value("monitoring")


def given_group(world: World) -> int:
    group = {"name": "North", "company_names": ["Contoso", "Fabrikam"]}
    world.client("ada").call("POST", "/api/company-groups", 201, json=group)
    return world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new", "Acme Manufacturing": "new"})


def test_companies_that_the_address_selects_can_be_unselected(world: World, browse: Browse) -> None:
    issue = given_group(world)
    page = browse("tess", f"/issues/{issue}?companyGroup=North")
    expect(page.locator("#picked")).to_have_text("2 selected")
    box(page, "Contoso").uncheck()
    page.reload()
    ready(page)
    expect(page.locator("#picked")).to_have_text("1 selected")
    expect(box(page, "Contoso")).not_to_be_checked()

    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#bulk")).to_be_hidden()
    page.reload()
    ready(page)
    expect(page.locator("#bulk")).to_be_hidden()

    page.goto(f"/issues/{issue}?companyGroup=North")
    ready(page)
    expect(page.locator("#picked")).to_have_text("2 selected")
    page.keyboard.press("5")
    page.get_by_role("dialog").get_by_role("button", name="Resolve 2").click()
    expect(page.locator("#toasts")).to_contain_text("2 companies set to Resolved.")
    expect(page.locator("#bulk")).to_be_hidden()


def test_a_selection_that_was_made_under_other_filters_does_not_return(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    box(page, "Contoso").check()
    page.get_by_label("Search issues").fill("mail")
    page.wait_for_url("**/?search=mail")
    expect(page.locator("#picked")).to_have_text("1 selected")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#bulk")).to_be_hidden()

    page.goto("/")
    ready(page)
    expect(box(page, "Contoso")).not_to_be_checked()
    expect(page.locator("#bulk")).to_be_hidden()


def test_the_details_of_a_company_lead_back_to_the_filtered_list(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    page.get_by_label("Search issues").fill("mail")
    page.wait_for_url("**/?search=mail")
    page.get_by_role("row", name="Contoso").locator(".status").click()
    page.get_by_role("button", name="Owner, references…").click()
    page.get_by_label("References").fill("PSA: T-1")
    page.get_by_role("button", name="Save").click()

    expect(page.locator("#flash")).to_contain_text("Saved.")
    expect(page).to_have_url(f"{world.server.url}/?search=mail")


def test_enter_in_the_note_of_the_bar_changes_nothing(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "monitoring"})
    page = browse("tess", "/")
    box(page, "Contoso").check()
    note = page.get_by_role("region", name="Change the selected").get_by_label("Note")
    note.fill("Called back")
    note.press("Enter")

    expect(page.get_by_role("group", name="Set the status").get_by_role("button", name="New")).to_be_focused()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_focus_returns_from_the_menu_to_new_results(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    results = Late(page, "**/?search=mail")
    page.get_by_label("Search issues").fill("mail")
    results.sent()
    status = page.get_by_role("row", name="Contoso").locator(".status")
    status.click()
    results.arrive()
    page.wait_for_url("**/?search=mail")
    page.keyboard.press("4")

    expect(status).to_have_text("Monitoring")
    expect(status).to_be_focused()


def test_messages_do_not_move_while_one_is_in_use(world: World, browse: Browse) -> None:
    names = ("Acme Manufacturing", "Contoso", "Fabrikam", "Müller & Söhne")
    world.given_issue("Slow mail", dict.fromkeys(names, "new"))
    page = browse("tess", "/")
    for name in names:
        page.get_by_role("row", name=name).locator(".status").focus()
        page.keyboard.press("2")
        expect(page.locator("#toasts")).to_contain_text(f"{name}: Investigating")
        if name == names[0]:
            first = page.locator(".toast", has_text=name)
            first.evaluate("toast => Promise.all(toast.getAnimations().map(each => each.finished))")
            first.get_by_role("button", name="Undo").hover()
            place = first.bounding_box()

    expect(page.locator(".toast")).to_have_count(4)
    assert first.bounding_box() == place
    first.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("row", name=names[0]).locator(".status")).to_have_text("New")
