"""Selecting the companies of a group on the page of an issue, except some."""

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import Browse, Late
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_an_exception_also_applies_to_a_group_that_arrives_later(world: World, browse: Browse) -> None:
    group = {"name": "North", "company_names": ["Contoso", "Fabrikam"]}
    world.client("ada").call("POST", "/api/company-groups", 201, json=group)
    issue = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new", "Acme Manufacturing": "new"})
    page = browse("tess", f"/issues/{issue}")
    groups, contoso = Late(page, "**/api/company-groups"), page.locator("[name=on][aria-label=Contoso]")
    page.get_by_label("Select the companies of").select_option("North")
    groups.sent()
    page.get_by_label("except", exact=True).fill("contoso")
    page.get_by_label("except", exact=True).press("Tab")
    expect(page.get_by_label("Except Contoso")).to_be_checked()
    groups.arrive()
    expect(page.locator("#picked")).to_have_text("1 selected")
    expect(contoso).not_to_be_checked()

    # It can be withdrawn, and applies to groups that are selected later.
    page.get_by_label("Except Contoso").uncheck()
    expect(contoso).to_be_checked()
    page.get_by_label("Except Contoso").check()
    expect(page.locator("#picked")).to_have_text("1 selected")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#bulk")).to_be_hidden()
    page.get_by_label("Select the companies of").select_option("North")
    expect(page.locator("#picked")).to_have_text("1 selected")
    expect(contoso).not_to_be_checked()

    # The exception and a half-typed one remain when updates are shown.
    page.get_by_label("except", exact=True).press_sequentially("Acm")
    world.client("omar").call("PUT", "/api/issues/Slow mail", 200, json={"description": "It is the relay."})
    page.get_by_role("button", name="Show 1 update").click()
    expect(page.locator("#updates")).to_be_hidden()
    expect(page.get_by_label("except", exact=True)).to_have_value("Acm")
    expect(page.get_by_label("Except Contoso")).to_be_checked()


def test_a_long_name_of_a_group_leaves_no_gap(world: World, browse: Browse) -> None:
    group = {"name": "Customers of the fibre ring " * 4, "company_names": ["Contoso"]}
    world.client("ada").call("POST", "/api/company-groups", 201, json=group)
    issue = world.given_issue("Slow mail", {"Contoso": "new"})
    for width in (1440, 320):
        page = browse("tess", f"/issues/{issue}", viewport={"width": width, "height": 800})
        label, choice = page.locator(".select-group label").first, page.locator("#select-group")
        ends = [each.evaluate("(element) => element.getBoundingClientRect().right") for each in (choice, label)]
        assert ends[0] <= width - 16 and (width == 320 or ends[1] - ends[0] < 8), (width, ends)
