"""Which changes by others a page counts, requests or shows: only those that concern what it shows."""

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def live(page: Page) -> Page:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return page


def test_only_changes_on_this_page_of_the_list_are_updates(world: World, browse: Browse) -> None:
    for number in range(3):
        world.given_issue(f"Fault {number}", {"Contoso": "new"})
    page = live(browse("tess", "/?sort=name&limit=2"))

    with page.expect_response("**/?sort=name&limit=2"):
        body = {"issue_name": "Fault 2", "company_name": "Contoso", "status": "monitoring"}
        world.client("omar").call("PUT", "/api/issues/status", 200, json=body)
        world.client("omar").call("POST", "/api/issues", 201, json={"name": "Fault 3"})
    page.evaluate("new Promise(requestAnimationFrame)")
    expect(page.locator("#updates")).to_be_hidden()
    world.client("omar").call("POST", "/api/issues", 201, json={"name": "Fault 0a"})
    expect(page.locator("#updates")).to_have_text("Show 1 update")


def test_updates_of_other_issues_do_not_concern_a_company(world: World, browse: Browse) -> None:
    contoso = world.given_companies("Contoso")["Contoso"]
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Fabrikam": "new"})
    page = live(browse("tess", f"/companies/{contoso}"))
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))

    for issue in ("Broken phones", "Slow mail"):
        body = {"issue_name": issue, "body": f"About {issue}"}
        world.client("omar").call("POST", "/api/updates", 201, json=body)
        page.wait_for_timeout(700)

    expect(page.locator("#update-list")).to_contain_text("About Slow mail")
    assert len([url for url in requested if url.endswith(f"/companies/{contoso}")]) == 1


def test_a_company_gets_its_new_name_with_the_updates(world: World, browse: Browse) -> None:
    contoso = world.given_companies("Contoso")["Contoso"]
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = live(browse("ada", f"/companies/{contoso}"))
    world.client("ada").call("PUT", f"/api/companies/{contoso}", 200, json={"name": "Contoso Group"})

    page.get_by_role("button", name="Show 1 update").click()
    expect(page.get_by_role("heading", name="Contoso Group")).to_be_visible()
