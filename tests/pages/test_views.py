"""Saved views on the pages: filters under a name, and the view that a user starts with."""

import pytest
from playwright.sync_api import expect

from tests.pages.axe import violations
from tests.pages.conftest import NARROW, Browse
from tests.world import PASSWORD, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_filters_can_be_saved_under_a_name(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "monitoring"})
    world.given_issue("Broken phones", {"Contoso": "new"})
    page = browse("tess", "/?open=true")
    page.get_by_label("Monitoring").check()
    page.wait_for_url("**status=monitoring**")
    expect(page.locator(".list .title")).to_have_text(["Slow mail"])
    # The list of views covers the results only until the user goes on elsewhere.
    views = page.locator("#views summary")
    for by_key in (True, False):
        views.click()
        expect(page.locator("#views[open]")).to_have_count(1)
        page.keyboard.press("Escape") if by_key else page.locator("h1").click()
        expect(page.locator("#views[open]")).to_have_count(0)
    # The most recently chosen filters are saved.
    views.click()
    page.get_by_role("link", name="Save this view").click()
    page.get_by_label("Name", exact=True).fill("Being watched")
    page.get_by_label("Share it with other technicians").check()
    page.get_by_label("Use it as my start page").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#flash")).to_contain_text("Saved the view “Being watched”.")
    expect(page.locator("#views summary")).to_have_text("Being watched")
    expect(page.locator(".list .title")).to_have_text(["Slow mail"])
    page.get_by_role("link", name="Issue Tracker").click()
    page.wait_for_url("**status=monitoring**")

    omar = browse(None, "/login", viewport=NARROW)
    omar.get_by_label("Email").fill("omar@helpdesk.example")
    omar.get_by_label("Password").fill(PASSWORD)
    omar.get_by_role("button", name="Sign in").click()
    omar.wait_for_url("**/?open=true")
    omar.locator("#views summary").click()
    omar.get_by_role("link", name="Being watched").click()
    expect(omar.locator(".list .title")).to_have_text(["Slow mail"])
    omar.locator("#views summary").click()
    omar.get_by_role("link", name="All views").click()
    omar.get_by_role("link", name="Choose Being watched").click()
    expect(omar.get_by_label("Name")).to_have_count(0)
    omar.get_by_label("Use it as my start page").check()
    omar.get_by_role("button", name="Save").click()
    expect(omar.get_by_text("start page", exact=True)).to_be_visible()
    assert violations(omar) == []

    page.goto("/views")
    page.get_by_role("link", name="Edit Being watched").click()
    page.get_by_label("Filters and order").fill("status=broken")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-query-about")).to_contain_text("Status: must be one of")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete the view").click()
    expect(page.get_by_text("No views yet")).to_be_visible()
    omar.goto("/start")
    omar.wait_for_url("**/?open=true")


def test_a_new_view_has_the_filters_of_its_address(world: World) -> None:
    tess = world.client("tess")
    assert 'value="tag=vpn"' in tess.get("/views/new", params={"query": "tag=vpn"}).text
    assert tess.get("/views/new", params={"filters": "tag=vpn"}).status_code == 422
