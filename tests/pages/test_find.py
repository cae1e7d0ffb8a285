"""Filters are in the URL with the API's names, so that reload, Back, sharing and scripts work."""

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import Browse
from tests.world import World


def scene(world: World) -> None:
    world.given_issue("Slow mail", {"Acme Manufacturing": "new", "Contoso": "resolved"}, "Packet loss")
    world.given_issue("Broken phones", {"Fabrikam": "investigating"})
    world.given_issue("Nobody affected")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_filters_survive_reload_and_back_and_are_those_of_the_api(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/")
    expect(page.locator(".list tbody")).to_have_count(3)

    page.get_by_label("Search issues").fill("PACKET")
    page.wait_for_url("**/?search=PACKET")
    expect(page.locator(".list tbody")).to_have_count(1)
    page.get_by_role("checkbox", name="Resolved").check()
    page.wait_for_url("**/?search=PACKET&status=resolved")
    expect(page.get_by_role("row", name="Contoso")).to_be_visible()
    expect(page.get_by_role("row", name="Acme Manufacturing")).to_have_count(0)

    page.reload()
    expect(page.get_by_label("Search issues")).to_have_value("PACKET")
    expect(page.get_by_role("checkbox", name="Resolved")).to_be_checked()
    expect(page.get_by_role("row", name="Acme Manufacturing")).to_have_count(0)
    listed = world.client().call("GET", "/api/issues?search=PACKET&status=resolved", 200)
    assert [issue["name"] for issue in listed["items"]] == ["Slow mail"]
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    content = download.value.path().read_text()
    assert content.splitlines()[1].startswith("Slow mail,Packet loss,Contoso,resolved")
    assert len(content.splitlines()) == 2

    page.go_back()
    expect(page.get_by_role("row", name="Acme Manufacturing")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Resolved")).not_to_be_checked()
    page.go_back()
    expect(page.locator(".list tbody")).to_have_count(3)
    expect(page.get_by_label("Search issues")).to_have_value("")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_totals_by_status_reflect_the_search(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/")
    new, investigating = page.locator("[data-total=new] b"), page.locator("[data-total=investigating] b")
    expect(new).to_have_text("1")
    expect(investigating).to_have_text("1")

    page.get_by_label("Search issues").fill("phones")

    expect(new).to_have_text("0")
    expect(investigating).to_have_text("1")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_companies_are_suggested_and_an_unknown_one_is_reported(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/")
    company = page.get_by_label("Company", exact=True)

    company.press_sequentially("contos")
    expect(page.locator("#company-names option")).to_have_count(1)
    company.fill("Contoso")
    company.press("Enter")
    page.wait_for_url("**/?companyName=Contoso")
    expect(page.locator(".list tbody")).to_have_count(1)

    page.goto("/?companyName=Nobody&search=mail")
    expect(page.get_by_role("alert")).to_have_text("There is no company called “Nobody”.")
    expect(company).to_have_value("Nobody")
    expect(page.get_by_label("Search issues")).to_have_value("mail")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_list_has_pages(world: World, browse: Browse) -> None:
    for number in range(52):
        world.given_issue(f"Fault {number:02}", {"Contoso": "new"})
    page = browse("tess", "/?search=fault")
    expect(page.get_by_text("50 of 52")).to_be_visible()

    page.get_by_role("link", name="Next 50").click()

    expect(page.locator(".list tbody")).to_have_count(2)
    expect(page.get_by_label("Search issues")).to_have_value("fault")
    page.get_by_role("link", name="First page").click()
    expect(page.locator(".list tbody")).to_have_count(50)
