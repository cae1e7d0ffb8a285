"""Responses to filters: results, an error or nothing. The page handles all of them."""

from contextlib import suppress
from functools import partial

import pytest
from playwright.sync_api import Error, Page, Route, expect
from sqlalchemy import delete, update

from issue_tracker.database.tables import sessions, users
from tests.chromium import ready
from tests.pages.axe import violations
from tests.pages.conftest import Browse, saved
from tests.world import PASSWORD, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def scene(world: World) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Fabrikam": "new"})


def test_the_page_works_after_going_back(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/")
    page.keyboard.press("/")
    page.keyboard.type("mail")
    page.wait_for_url("**/?search=mail")
    expect(page.locator(".list tbody")).to_have_count(1)

    page.go_back()
    expect(page.locator(".list tbody")).to_have_count(2)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    page.keyboard.press("/")
    page.keyboard.type("phones")
    page.wait_for_url("**/?search=phones")
    expect(page.locator(".list tbody")).to_have_count(1)
    row = page.get_by_role("row", name="Fabrikam")
    row.locator(".status").click()
    with saved(page):
        page.get_by_role("button", name="Monitoring").click()
        expect(row.locator(".status")).to_have_text("Monitoring")
    world.client("omar").call(
        "PUT",
        "/api/issues/status",
        200,
        json={"issue_name": "Broken phones", "company_name": "Fabrikam", "status": "resolved"},
    )
    expect(row.locator(".status")).to_have_text("Resolved")
    page.get_by_role("button", name="Switch to dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def scrolled(page: Page) -> None:
    """Waits until the page has its former scroll position. `wait_for_function` uses eval, which the policy forbids."""
    for _ in range(500):
        with suppress(Error):  # the page is being loaded
            if page.evaluate("scrollY") == 900:
                return
        page.wait_for_timeout(10)
    raise AssertionError(page.evaluate("scrollY"))


def test_going_back_restores_the_scroll_position(world: World, browse: Browse) -> None:
    for number in range(45):
        world.given_issue(f"Fault {number:02}", {"Contoso": "new"})
    page = browse("tess", "/?search=fault")
    page.mouse.move(400, 500)
    page.mouse.wheel(0, 900)
    scrolled(page)
    page.get_by_role("checkbox", name="Open only").evaluate("box => box.click()")
    page.wait_for_url("**/?search=fault&open=true")
    scrolled(page)

    page.go_back()
    ready(page)
    page.wait_for_url("**/?search=fault")
    scrolled(page)


def test_a_revoked_role_leaves_the_list(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/")
    with world.database.write() as tx:
        tx.execute(update(users).where(users.c.name == "Tess Ngo").values(role="member"))

    page.get_by_label("Search issues").fill("mail")

    expect(page.locator("#toasts")).to_contain_text("Helpdesk technician access is required.")
    expect(page.locator(".list tbody")).to_have_count(2)
    expect(page).to_have_url(f"{world.server.url}/")


def test_an_error_leaves_the_list_and_the_request_can_be_repeated(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/")
    home = page.url
    for status in (405, 429, 500, 503):
        if page.url != home:
            page.goto(home)
            ready(page)
        page.route("**/?search=mail*", partial(Route.fulfill, status=status, body="<h1>No</h1>"))

        page.get_by_label("Search issues").fill("mail")
        expect(page.locator(".toast.wrong")).to_contain_text(f"The server refused the request ({status}).")
        expect(page.locator(".list tbody")).to_have_count(2)
        expect(page).to_have_url(home)

        page.unroute("**/?search=mail*")
        page.get_by_label("Search issues").press("End")
        page.get_by_label("Search issues").press("Enter")
        page.wait_for_url("**/?search=mail")
        expect(page.locator(".list tbody")).to_have_count(1)


def test_a_missing_response_is_shown_and_the_request_can_be_repeated(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/", watched=False)
    page.route("**/?search=mail*", lambda route: route.abort())

    page.get_by_label("Search issues").fill("mail")
    expect(page.locator(".toast.wrong")).to_contain_text("The server did not respond.")
    expect(page.locator(".list tbody")).to_have_count(2)

    page.unroute("**/?search=mail*")
    page.get_by_label("Search issues").dispatch_event("input")
    page.wait_for_url("**/?search=mail")
    expect(page.locator(".list tbody")).to_have_count(1)


def test_a_filter_survives_the_end_of_the_session(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/")
    with world.database.write() as tx:
        tx.execute(delete(sessions))

    page.get_by_label("Search issues").fill("mail")
    dialog = page.get_by_role("dialog", name="Your session has ended")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()

    page.wait_for_url("**/?search=mail")
    expect(page.locator(".list tbody")).to_have_count(1)


def test_a_deleted_issue_leaves_the_displayed_content(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", f"/issues/{issue_id}")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    world.client("ada").call("DELETE", "/api/issues/Slow%20mail", 204)
    page.get_by_role("button", name="Show 1 update").click()

    expect(page.locator(".toast.wrong")).to_contain_text("There is no")
    expect(page.get_by_role("row", name="Contoso")).to_be_visible()


def test_the_companies_of_another_issue_never_appear_below_a_merged_one(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    into = world.given_issue("Mail outage", {"Fabrikam": "new"})
    page = browse("tess", f"/issues/{issue_id}")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    body = {"issue_name": "Slow mail", "into": "Mail outage"}
    world.client("omar").call("POST", "/api/issues/merge", 200, json=body)
    page.get_by_role("button", name="Show 1 update").click()

    expect(page.locator(".toast")).to_contain_text("This issue has been merged into another one.")
    expect(page.get_by_role("heading", name="Slow mail")).to_be_visible()
    expect(page.get_by_role("row", name="Fabrikam")).to_have_count(0)
    page.get_by_role("button", name="Open it").click()
    expect(page.get_by_role("heading", name="Mail outage")).to_be_visible()
    assert page.url.endswith(f"/issues/{into}")


def test_an_error_is_shown_next_to_its_field_until_it_is_corrected(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/")
    company = page.get_by_label("Company", exact=True)
    company.fill("Nobody")
    company.press("Enter")

    alert = page.get_by_role("alert")
    expect(alert).to_have_text("There is no company called “Nobody”.")
    expect(company).to_have_attribute("aria-invalid", "true")
    expect(company).to_have_accessible_description("There is no company called “Nobody”.")
    below, field = alert.bounding_box(), company.bounding_box()
    assert below and field and below["x"] == field["x"] and 0 <= below["y"] - field["y"] - field["height"] < 8

    page.reload()
    expect(company).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#csv")).to_have_attribute("href", "/api/issues?companyName=Nobody&format=csv")
    company.fill("contoso")
    company.press("Enter")
    page.wait_for_url("**/?companyName=contoso")
    expect(alert).to_have_count(0)
    expect(company).not_to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("row", name="Contoso")).to_be_visible()


INVALID = {"status=half": "status: ", "cursor=nonsense": "cursor: ", "companyId=9999999": "There is no company"}


def test_an_invalid_parameter_does_not_mark_the_company(world: World, browse: Browse) -> None:
    page = browse("tess", "/?search=mail&open=true")
    for query, sentence in INVALID.items():
        page.goto(f"/?{query}&search=mail&open=true")
        ready(page)

        expect(page.get_by_role("alert")).to_contain_text(sentence, ignore_case=True)
        expect(page.get_by_label("Company", exact=True)).not_to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("Search issues")).to_have_value("mail")
        expect(page.get_by_role("checkbox", name="Open only")).to_be_checked()
    assert violations(page) == []


def test_an_empty_helpdesk_says_so_under_any_filter(world: World) -> None:
    for path in ("/?open=true", "/", "/?search=mail&status=new"):
        assert "<strong>No issues yet</strong>" in world.client("tess").get(path).text, path


def test_filters_without_a_field_are_shown_and_can_be_removed(world: World, browse: Browse) -> None:
    ids = world.given_companies("Contoso")
    scene(world)
    page = browse("tess", f"/?companyId={ids['Contoso']}&updatedSince=2020-01-01T02:00:00%2B02:00")
    expect(page.locator(".list tbody")).to_have_count(1)
    only, since = page.get_by_role("checkbox", name="Only Contoso"), page.get_by_role("checkbox", name="Changed since")
    expect(only).to_be_checked()
    expect(since).to_be_checked()
    expect(page.locator("#filters time")).to_have_attribute("datetime", "2020-01-01T00:00:00+00:00")
    assert violations(page) == []

    page.get_by_role("checkbox", name="New", exact=True).check()
    page.wait_for_url("**status=new**")
    assert "updatedSince=2020-01-01T02%3A00%3A00%2B02%3A00" in page.url and "companyId=" in page.url
    only.uncheck()
    expect(page.locator(".list tbody")).to_have_count(2)
    since.uncheck()
    page.wait_for_url("**/?status=new")
