"""Forms: an invalid field has the focus and is visible, every success is confirmed, and every address can be
reloaded.
"""

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import ready
from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def statuses(world: World, issue: str) -> dict[str, str]:
    found = world.client().call("GET", f"/api/issues/{issue}", 200)
    return {each["company_name"]: each["status"] for each in found["assignments"]}


def in_view(page: Page, selector: str) -> bool:
    script = "e => { const box = e.getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight; }"
    return bool(page.locator(selector).evaluate(script))


def test_adding_companies_does_not_change_assigned_ones(world: World, browse: Browse) -> None:
    names = [f"Branch {number:03} GmbH" for number in range(120)]
    world.given_companies(*names, "O’Neill & Söhne GmbH", "Ångström Labs")
    issue = world.given_issue("Mail", dict.fromkeys(names, "new") | {"Contoso": "resolved", "Fabrikam": "monitoring"})
    page = browse("tess", f"/issues/{issue}")
    page.get_by_text("Add several companies").click()
    text = page.get_by_label("Companies", exact=True)
    checked = page.locator("#add .checked")
    assert text.bounding_box()["y"] < 500, "the form is above the table"  # type: ignore[index]  # it is visible

    text.fill("> 1. contoso, FABRIKAM Inc.;\t* Acme Manufactoring\n- oneill & sohne\nangstrom labs\nNowhere Ltd")
    expect(checked).to_contain_text("4 found, 1 likely (please check), 1 unknown")
    page.get_by_label("Status of the added companies").select_option("investigating")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#f-companies-about")).to_contain_text(
        "4 found, 1 likely (please check), 1 unknown: “Nowhere Ltd”"
    )
    expect(checked.get_by_role("button", name="Acme Manufacturing")).to_be_visible()
    expect(checked.locator(".summary")).to_be_hidden()  # the error says the same
    expect(text).to_be_focused()
    assert in_view(page, "#f-companies")
    assert page.url.endswith(f"/issues/{issue}")
    checked.get_by_role("button", name="Acme Manufacturing").click()
    expect(checked).to_contain_text("5 found, 1 unknown")
    expect(page.locator("#f-companies-about")).to_have_count(0)
    checked.get_by_role("button", name="Leave out").click()
    expect(checked).to_have_text("5 found")
    page.get_by_role("button", name="Add", exact=True).click()

    expect(page.locator("#flash")).to_contain_text("3 added, 2 were already assigned.")
    found = statuses(world, "Mail")
    assert (found["Contoso"], found["Fabrikam"]) == ("resolved", "monitoring")
    added = ("Acme Manufacturing", "O’Neill & Söhne GmbH", "Ångström Labs")
    assert [found[name] for name in added] == ["investigating"] * 3
    page.locator("#flash").get_by_role("button", name="Undo").click()
    expect(page.locator("#flash")).to_contain_text("3 undone")
    assert len(statuses(world, "Mail")) == 122


def test_an_issue_can_be_created_by_keyboard(world: World, browse: Browse) -> None:
    taken = world.given_issue("Slow mail")
    page = browse("tess", "/issues/new")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("slow MAIL")
    page.get_by_label("Description").fill("Since noon\n    Relay 1: down\n      since 12:03")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#f-name-about")).to_contain_text("already exists")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    expect(page.get_by_role("link", name="Open the issue with this name")).to_have_attribute("href", f"/issues/{taken}")

    ready(page)
    page.get_by_label("Name", exact=True).fill("Slower mail")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Slower mail")).to_be_visible()
    expect(page.locator("#flash")).to_contain_text("Created.")
    lines = page.locator(".prose").evaluate("e => [getComputedStyle(e).whiteSpace, e.textContent]")
    assert lines[0] == "pre-wrap" and "\n    Relay 1" in lines[1]


def test_names_are_checked_without_scripts(world: World, browse: Browse) -> None:
    world.given_issue("Mail", {"Fabrikam": "new"})
    page = browse("tess", "/issues/new", java_script_enabled=False)
    page.get_by_label("Name", exact=True).fill("Slow mail")
    page.get_by_label("Companies", exact=True).fill("Contosso, Fabrikam; Nowhere Ltd")
    page.get_by_role("button", name="Create issue").click()
    expect(page.locator("#f-companies-about")).to_contain_text("1 found, 1 likely (please check), 1 unknown")
    expect(page.get_by_label("Companies", exact=True)).to_be_focused()
    page.get_by_role("group", name="“Nowhere Ltd” is").get_by_label("none of these").check()
    expect(page.get_by_role("group", name="“Contosso” is").get_by_label("Contoso", exact=True)).to_be_checked()
    page.get_by_role("button", name="Create issue").click()

    expect(page.locator("#flash")).to_contain_text("Created.")
    assert statuses(world, "Slow%20mail") == {"Contoso": "new", "Fabrikam": "new"}


def test_every_address_can_be_reloaded(world: World, browse: Browse) -> None:
    issue = world.given_issue("Mail", {"Contoso": "new"})
    user = world.client("ada").call("GET", "/api/auth/session", 200)["user"]["user_id"]
    page = browse("ada", f"/admin/users/{user}")
    page.get_by_label("Active (can sign in)").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("The last active super admin who sees all companies cannot be")
    expect(page.get_by_role("alert")).to_be_focused()
    ready(page)
    assert page.reload().status == 200  # type: ignore[union-attr]  # a reload has a response

    page.goto("/account")
    page.get_by_label("Name of the new token").fill("nightly")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator(".secret")).to_contain_text("itk_")
    page.reload()
    expect(page.locator(".secret")).to_have_count(0)
    assert len(world.client("ada").call("GET", "/api/auth/tokens", 200)["items"]) == 1

    ada = world.client("ada")
    for address, lands_on in {
        f"/issues/{issue}/edit": f"/issues/{issue}",
        f"/issues/{issue}/companies": f"/issues/{issue}",
        "/assignments/bulk": "/?open=true",
        "/undo": "/",
        "/account/sessions/1/end": "/account",
        f"/admin/users/{user}/tokens/1/revoke": f"/admin/users/{user}",
    }.items():
        found = ada.get(address, headers={"Accept": "text/html"}, follow_redirects=True)
        assert (found.status_code, str(found.url)) == (200, world.server.url + lands_on), address


def test_pages_that_do_not_exist_have_a_way_back(world: World, browse: Browse) -> None:
    page = browse("tess", "/nothing/here")
    for path, title in ((None, "Not found"), ("/issues/999", "Not found"), ("/admin/users", "Not allowed")):
        if path is not None:
            page.goto(path)
            ready(page)
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Matrix")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.context.clear_cookies()
    page.goto("/nothing/here")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    expect(page.get_by_role("navigation", name="Main")).to_have_count(0)


def test_updates_are_shown_in_all_parts_of_the_page(world: World, browse: Browse) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "new"}, "Since noon")
    page = browse("tess", f"/issues/{issue}")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    body = {"new_name": "Slow relay", "description": "Since eleven"}
    world.client("omar").call("PUT", "/api/issues/Slow mail", 200, json=body)

    page.get_by_role("button", name="Show 1 update").click()

    expect(page.get_by_role("heading", name="Slow relay")).to_be_visible()
    expect(page.get_by_text("Since eleven").first).to_be_visible()
    expect(page).to_have_title("Slow relay · Issue Tracker")
    page.get_by_text("Edit this issue").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Slow relay")
    page.get_by_label("Description").fill("Since ten")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#flash")).to_contain_text("Saved.")


def test_a_name_that_begins_like_another_can_be_typed(world: World, browse: Browse) -> None:
    """A company whose name is the beginning of the typed one is not added on the way."""
    world.given_companies("Contoso France")
    page = browse("tess", "/issues/new")
    field = page.get_by_label("Find a company").first
    options = page.locator("#f-companies-names option")
    field.press_sequentially("Contos")
    expect(options).to_have_count(2)
    field.press_sequentially("o France")
    expect(field).to_have_value("Contoso France")
    field.press("Enter")
    expect(page.get_by_label("Companies", exact=True)).to_have_value("Contoso France")
    expect(field).to_have_value("")

    # A typed name also counts when the user goes on without Enter.
    field.press_sequentially("Fabrika")
    expect(options).to_have_count(1)
    field.press_sequentially("m")
    field.press("Tab")
    expect(page.get_by_label("Companies", exact=True)).to_have_value("Contoso France\nFabrikam")


def test_a_choice_keeps_what_was_typed_since_the_names_were_checked(world: World, browse: Browse) -> None:
    page = browse("tess", "/issues/new")
    text = page.get_by_label("Companies", exact=True)
    text.fill("Contosso\nAcme Manufacturing")
    choice = page.locator(".checked").get_by_role("button", name="Contoso")
    expect(choice).to_be_visible()
    page.route("**/api/companies/match", lambda route: None, times=1)
    text.press("Control+End")
    text.press_sequentially("\nFabrikam")
    choice.click()

    expect(text).to_have_value("Contoso\nAcme Manufacturing\nFabrikam")
