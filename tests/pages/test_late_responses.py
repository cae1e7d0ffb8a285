"""Responses that arrive late or in another order than their requests were sent: the page keeps what is newer."""

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Browse, Late
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def change(world: World, company: str, status: str, issue: str = "Slow mail") -> None:
    body = {"issue_name": issue, "company_name": company, "status": status}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=body)


def create(world: World, name: str) -> None:
    body = {"name": name, "companies": [{"company_name": "Acme Manufacturing"}]}
    world.client("omar").call("POST", "/api/issues", 201, json=body)


def live(page: Page) -> Page:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return page


def test_a_filter_is_applied_even_if_updates_arrive_before_its_results(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Fabrikam": "new"})
    page = live(browse("tess", "/"))
    create(world, "Lost faxes")
    refresh = Late(page, f"{world.server.url}/")
    filtered = Late(page, "**/?search=mail")
    page.get_by_role("button", name="Show 1 update").click()
    refresh.sent()
    page.get_by_label("Search issues").fill("mail")
    filtered.sent()

    refresh.arrive()
    filtered.arrive()
    page.wait_for_url("**/?search=mail")
    expect(page.locator(".list .title")).to_have_text(["Slow mail"])

    # The other way round: updates that are requested while a filter is being applied do not undo it.
    create(world, "Lost mail")
    expect(page.locator("#updates")).to_have_text("Show 1 update")
    filtered = Late(page, "**/?search=phones")
    page.get_by_label("Search issues").fill("phones")
    filtered.sent()
    page.locator("#updates").click()
    page.wait_for_timeout(200)
    filtered.arrive()
    page.wait_for_url("**/?search=phones")
    expect(page.locator(".list .title")).to_have_text(["Broken phones"])
