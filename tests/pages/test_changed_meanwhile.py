"""Forms that are filled in while others change the same issue, and forms that are sent twice."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.chromium import ready
from tests.pages.conftest import Browse, Late
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def edit(page: Page) -> None:
    page.get_by_text("Edit this issue").click()


def test_a_restored_text_does_not_undo_the_changes_of_others(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"}, "As it was")
    page = browse("tess", f"/issues/{issue_id}")
    edit(page)
    page.get_by_label("Tags").fill("mail")
    page.goto("/companies")

    world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json={"description": "As Omar found it"})
    page.goto(f"/issues/{issue_id}")

    expect(page.get_by_label("Tags")).to_have_value("mail")
    expect(page.get_by_label("Description")).to_have_value("As Omar found it")
    world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json={"description": "As Omar left it"})
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#flash")).to_contain_text("Saved.")
    assert world.client().call("GET", "/api/issues/Slow%20mail", 200)["description"] == "As Omar left it"
    ready(page)
    edit(page)
    page.get_by_label("Description").fill("As Tess sees it")
    page.goto("/companies")
    world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json={"description": "As Omar repaired it"})

    page.goto(f"/issues/{issue_id}")
    expect(page.get_by_label("Description")).to_have_value("As Tess sees it")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator("#edit-conflict")).to_contain_text("Omar Reyes changed this")
    expect(page.locator("#edit-conflict")).to_contain_text("As Omar repaired it")
    expect(page.get_by_label("Description")).to_have_value("As Tess sees it")
    found = world.client().call("GET", "/api/issues/Slow%20mail", 200)
    assert (found["description"], found["tags"]) == ("As Omar repaired it", ["mail"])


def test_a_chosen_value_remains_when_updates_are_shown(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", f"/issues/{issue_id}")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    edit(page)
    page.get_by_label("Severity").select_option("high")

    world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json={"description": "Since noon"})
    page.get_by_role("button", name="Show 1 update").click()

    expect(page.locator("#description")).to_have_text("Since noon")
    expect(page.get_by_label("Severity")).to_have_value("high")


def test_an_unedited_form_with_a_time_shows_the_changes_of_others(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    body = {"next_update_at": "2036-12-01T10:00:00+00:00"}
    world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json=body)
    page = browse("tess", f"/issues/{issue_id}", timezone_id="Europe/Berlin")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    edit(page)

    body = {"next_update_at": "2036-12-01T12:00:00+00:00"}
    world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json=body)
    page.get_by_role("button", name="Show 1 update").click()

    due = page.get_by_label("Next update due")
    expect(due).to_have_value("2036-12-01T13:00")
    due.fill("2036-12-01T14:00")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#flash")).to_contain_text("Saved.")
    found = world.client().call("GET", "/api/issues/Slow%20mail", 200)
    assert found["next_update_at"] == "2036-12-01T13:00:00+00:00"


CLICK_TWICE = """button => {
  addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    setTimeout(() => {
      button.click();
      // The page checks the session before it sends the form: this request is later.
      fetch("/api/auth/session").then(() => fetch("/healthz"));
    });
  });
  button.click();
}"""


def test_a_double_click_sends_a_form_once(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", f"/issues/{issue_id}")
    page.get_by_text("Add update").click()
    page.locator("#new-update-body").fill("The server is back")
    sent: list[Route] = []

    def hold(route: Route) -> None:
        sent.append(route)

    page.route(f"**/issues/{issue_id}/updates", hold)

    button, session = page.locator("#new-update button.main"), Late(page, "**/api/auth/session")
    with page.expect_request("**/healthz"):
        button.evaluate(CLICK_TWICE)
        session.sent()
        expect(button).to_have_css("cursor", "progress")
        session.arrive()
    [first] = sent
    first.continue_()

    expect(page.locator("#history .update")).to_have_count(1)
