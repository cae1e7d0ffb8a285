"""The other users who are viewing an issue."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from issue_tracker.database.tables import presence
from issue_tracker.retention import Retention
from tests.chromium import ready
from tests.clients import Client
from tests.pages.conftest import Browse
from tests.waiting import eventually
from tests.world import World


def here(client: Client, issue: int, **form: str) -> str:
    response = client.post(f"/issues/{issue}/presence", data=form, headers={"X-Fragment": "1"})
    return response.raise_for_status().text.strip()


def test_other_viewers_are_listed(world: World) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    other = world.given_issue("Other", {"Contoso": "new"})
    tess, omar, ada = (world.client(who) for who in ("tess", "omar", "ada"))
    assert here(tess, issue) == ""
    assert here(omar, issue) == "Also viewing this issue: <bdi>Tess Ngo</bdi>"
    assert here(ada, issue) == "Also viewing this issue: <bdi>Omar Reyes</bdi>, <bdi>Tess Ngo</bdi>"
    assert here(ada, other) == ""
    here(omar, issue, leave="true")
    assert here(ada, issue) == "Also viewing this issue: <bdi>Tess Ngo</bdi>"
    # A page that no longer reports counts as closed, and its row is deleted.
    world.clock.advance(seconds=60)
    assert here(ada, issue) == "Also viewing this issue: <bdi>Tess Ngo</bdi>"
    world.clock.advance(seconds=60)
    assert here(ada, issue) == ""
    world.clock.advance(hours=1)
    Retention(world.database, world.server.settings).prune(world.clock.now())
    with world.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(presence)).scalar_one() == 0

    ada = world.client("ada")
    # Two users without a common visible company do not see each other, and no user learns of a hidden issue.
    users = {user["name"]: user["user_id"] for user in ada.call("GET", "/api/users", 200)["items"]}
    for name, company in (("Tess Ngo", "Contoso"), ("Omar Reyes", "Fabrikam")):
        access = {"company_access": {"companies": [company]}}
        ada.call("PUT", f"/api/users/{users[name]}", 200, json=access)
    assert here(tess, issue) == here(omar, issue) == ""
    assert here(ada, issue) == "Also viewing this issue: <bdi>Omar Reyes</bdi>, <bdi>Tess Ngo</bdi>"
    assert omar.post(f"/issues/{other}/presence", data={}, headers={"X-Fragment": "1"}).status_code == 404
    world.given_customer("cara", "Contoso")
    assert world.client("cara").post(f"/issues/{issue}/presence", data={}).status_code == 403


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_user_remains_present_if_one_of_two_tabs_is_closed(world: World, browse: Browse) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", f"/issues/{issue}")
    other = page.context.new_page()
    other.goto(f"/issues/{issue}")
    ready(other)
    with page.expect_response("**/presence"):
        other.goto("/companies")
    assert here(world.client("ada"), issue) == "Also viewing this issue: <bdi>Tess Ngo</bdi>"
    page.goto("/companies")
    eventually(lambda: here(world.client("ada"), issue) == "")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_page_names_other_viewers(world: World, browse: Browse) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", f"/issues/{issue}")
    shown = page.locator(".presence")
    expect(shown).to_be_hidden()
    other = browse("omar", f"/issues/{issue}")
    expect(other.locator(".presence")).to_have_text("Also viewing this issue: Tess Ngo")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(shown).to_have_text("Also viewing this issue: Omar Reyes")
    other.goto("/companies")
    eventually(lambda: here(world.client("ada"), issue) == "Also viewing this issue: <bdi>Tess Ngo</bdi>")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(shown).to_have_text("Also viewing this issue: Ada Lund")
