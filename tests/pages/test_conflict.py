"""Conflicting edits by two people: the page says who changed the text and when, and lets the user choose a version."""

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from issue_tracker.database.tables import issues
from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def description(world: World) -> str:
    return str(world.client().call("GET", "/api/issues/Slow%20mail", 200)["description"])


def typed(page: Page, text: str) -> None:
    page.get_by_text("Edit this issue").click()
    page.get_by_label("Description").fill(text)


def test_a_conflict_of_texts_lets_the_user_choose(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"}, "As it was")
    tess = browse("tess", f"/issues/{issue_id}")
    conflict = tess.locator("#edit-conflict")
    for choice, theirs, chosen in (
        ("Take theirs", "As Omar saw it", "As Omar saw it"),
        ("Keep mine", "As Omar saw it later", "As Tess saw it"),
    ):
        typed(tess, "As Tess saw it")
        world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json={"description": theirs})

        tess.get_by_role("button", name="Save").click()

        expect(conflict, choice).to_contain_text("Omar Reyes changed this")
        edited = world.client().call("GET", "/api/events?type=issue.updated", 200)["items"][0]
        expect(conflict.locator("time")).to_have_attribute("datetime", edited["at"])
        expect(conflict.locator("time")).not_to_be_empty()
        expect(conflict).to_contain_text(theirs)
        expect(tess.get_by_label("Description")).to_have_value("As Tess saw it")
        conflict.get_by_text(choice).click()
        expect(conflict, choice).to_have_count(0)
        expect(tess.locator(".prose").first, choice).to_have_text(chosen)
        assert description(world) == chosen, choice


def test_a_field_that_was_not_edited_causes_no_conflict(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"}, "As it was")
    page = browse("tess", f"/issues/{issue_id}")
    typed(page, "As Tess saw it")
    change = {"issue_name": "Slow mail", "company_name": "Contoso", "status": "resolved"}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=change)

    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Saved.")).to_be_visible()
    assert description(world) == "As Tess saw it"


def test_other_line_ends_cause_no_conflict(world: World, browse: Browse) -> None:
    """A description from a file or a client with CR LF, which a browser sends back with LF."""
    body = {"name": "Slow mail", "description": "one\r\ntwo\rthree"}
    issue = world.client().call("POST", "/api/issues", 201, json=body)
    assert issue["description"] == "one\ntwo\nthree"
    with world.database.write() as tx:  # as stored by an earlier version
        tx.execute(update(issues).values(description="one\r\ntwo"))
    page = browse("tess", f"/issues/{issue['issue_id']}")
    page.get_by_text("Edit this issue").click()
    page.get_by_label("Name").fill("Slow mail again")

    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_role("heading", name="Slow mail again")).to_be_visible()
