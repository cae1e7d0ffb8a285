"""Conflicting edits by two people: the page says who changed the text and when, and lets the user choose a version."""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from issue_tracker.database.tables import issues
from tests.chromium import WIDE
from tests.pages.conftest import NARROW, Browse
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
        tess.set_viewport_size(NARROW)  # the second button is at the edge of the next line
        edges = [conflict.locator(each).bounding_box() for each in ("strong", ".button >> nth=1")]
        assert edges[0] and edges[1] and edges[0]["x"] == edges[1]["x"]
        tess.set_viewport_size(WIDE)
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


def test_only_edited_fields_conflict_or_are_overwritten(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"}, "As it was")
    page = browse("tess", f"/issues/{issue_id}")
    page.get_by_text("Edit this issue").click()
    page.get_by_label("Tags").fill("mail")
    page.get_by_label("References").fill("no reference")
    change = {"description": "As Omar saw it", "new_name": "Slower mail"}
    world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json=change)

    page.get_by_role("button", name="Save").click()  # refused: the form is shown again, with the new description
    expect(page.get_by_label("References")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Description")).to_have_value("As Omar saw it")
    expect(page.get_by_label("Tags")).to_have_value("mail")
    page.get_by_label("References").fill("")
    change = {"description": "As Ada saw it", "owner": "ada@helpdesk.example"}
    world.client("ada").call("PUT", "/api/issues/Slower%20mail", 200, json=change)
    world.client("omar").call("PUT", "/api/issues/Slower%20mail", 200, json={"tags": ["relay"]})
    world.client("ada").call("PUT", "/api/issues/Slower%20mail", 200, json={"severity": "high"})
    page.get_by_role("button", name="Save").click()

    conflict = page.locator("#edit-conflict")
    expect(conflict).to_contain_text("Omar Reyes changed this")
    expect(conflict.get_by_role("listitem")).to_have_text(["Tags: relay"])  # nothing about fields without a conflict
    expect(page.get_by_label("Description")).to_have_value("As Ada saw it")
    conflict.get_by_text("Keep mine").click()

    expect(page.get_by_text("Saved.")).to_be_visible()
    issue = world.client().call("GET", "/api/issues/Slower%20mail", 200)
    assert (issue["description"], issue["tags"], issue["severity"]) == ("As Ada saw it", ["mail"], "high")
    assert issue["owner"]["name"] == "Ada Lund"


def test_a_conflict_shows_each_field_as_people_read_it(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"}, "As it was")
    page = browse("tess", f"/issues/{issue_id}")
    page.get_by_text("Edit this issue").click()
    for label, value in (("Severity", "low"), ("Owner", "tess@helpdesk.example")):
        page.get_by_label(label, exact=True).select_option(value)
    for label, text in (("Name", "Mail is slow"), ("Description", "Mine"), ("Next update due", "2030-01-01T10:00")):
        page.get_by_label(label, exact=True).fill(text)
    change: dict[str, str] = {"new_name": "Slower mail", "description": "", "severity": "high"}
    change |= {"owner": "ada@helpdesk.example", "next_update_at": "2031-02-03T04:05:00+00:00"}
    world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json=change)

    page.get_by_role("button", name="Save").click()

    expect(page.locator("#edit-conflict").get_by_role("listitem")).to_have_text(
        [
            "Name: Slower mail",
            "Description: none",
            "Severity: High",
            "Owner: Ada Lund",
            re.compile(r"^Next update due: .*3 Feb 2031"),
        ]
    )


def test_an_edited_field_of_a_refused_form_still_conflicts(world: World) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"}, "As it was")
    form = {"name": "Slow mail", "seen_name": "Slow mail", "description": "As Tess saw it", "severity": "none"}
    form |= {"seen_description": "As it was", "seen_fields": '{"severity": "", "unknown": ""}', "unknown": "x"}
    world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json={"description": "As Omar saw it"})

    refused = world.client().post(f"/issues/{issue_id}/edit", data=form)

    assert refused.status_code == 400 and 'name="seen_description" value="As it was"' in refused.text
    assert world.client().post(f"/issues/{issue_id}/edit", data=form | {"severity": ""}).status_code == 409
    assert description(world) == "As Omar saw it"


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
