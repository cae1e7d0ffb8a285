"""Updates on the pages: adding, editing, withdrawing; Markdown."""

import re

import pytest
from playwright.sync_api import expect

from issue_tracker.pages.markdown import render
from tests.pages.axe import violations
from tests.pages.conftest import Browse
from tests.world import World


def test_a_form_that_is_sent_twice_adds_one_update(world: World) -> None:
    """As by a double click before scripts have run, or without scripts."""
    issue = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    ids = world.given_companies("Contoso", "Fabrikam")
    tess, omar = world.client("tess"), world.client("omar")

    def bodies() -> list[str]:
        return [one["body"] for one in tess.call("GET", "/api/updates?issueName=Slow%20mail", 200)["items"]]

    form = {"body": "The relay is back", "status": "monitoring"}
    note = {"note": "Called them", "on": [f"{issue}-{ids[name]}" for name in ids]}
    for _ in range(2):
        sent = tess.post(f"/issues/{issue}/updates", data=form)
        assert (sent.status_code, sent.headers["location"]) == (303, f"/issues/{issue}#update-list")
        tess.post("/assignments/note", data=note)
    assert bodies() == ["Called them", "The relay is back"]

    # A new status is set nevertheless.
    tess.post(f"/issues/{issue}/updates", data=form | {"status": "resolved"})
    assert {one["status"] for one in tess.call("GET", "/api/issues/Slow%20mail", 200)["assignments"]} == {"resolved"}

    # What differs in its author, readers or companies is another update, as is the same one later.
    omar.post(f"/issues/{issue}/updates", data=form)
    for other in ({"public": "true"}, {"companies": "Contoso"}, {"companies": "Fabrikam"}):
        tess.post(f"/issues/{issue}/updates", data=form | other)
    world.clock.advance(minutes=2)
    tess.post(f"/issues/{issue}/updates", data=form)
    assert bodies().count("The relay is back") == 6


def test_an_update_for_hidden_companies_cannot_be_edited(world: World) -> None:
    """The form says so before the author has typed anything."""
    issue = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    tess, ada = world.client("tess"), world.client("ada")
    body = {"issue_name": "Slow mail", "body": "The relay is being replaced"}
    edits = []
    for companies in (None, ["Contoso", "Fabrikam"], ["Contoso"]):
        added = tess.call("POST", "/api/updates", 201, json=body | {"companies": companies})
        edits.append(f"/updates/{added['update_id']}")
    assert [tess.get(edit).status_code for edit in edits] == [200, 200, 200]
    tess_id = next(one["user_id"] for one in ada.call("GET", "/api/users", 200)["items"] if one["name"] == "Tess Ngo")
    ada.call("PUT", f"/api/users/{tess_id}", 200, json={"company_access": {"companies": ["Contoso"]}})

    assert [tess.get(edit).status_code for edit in edits] == [403, 403, 200]
    assert "You cannot see all companies that this update is for" in tess.get(edits[0]).text
    assert tess.post(f"{edits[1]}/withdraw", data={}).status_code == 403
    shown = tess.get(f"/issues/{issue}").raise_for_status().text
    assert [edit in shown for edit in edits] == [False, False, True]
    # Nor can the issue itself be changed; a form that was opened before is shown again with its text.
    assert "can edit it" in shown and not any(f"/issues/{issue}/{what}" in shown for what in ("edit", "owner", "merge"))
    seen = {"seen_name": "Slow mail", "seen_description": "", "seen_fields": "{}"}
    refused = tess.post(f"/issues/{issue}/edit", data={**seen, "name": "Slow mail", "description": "Typed text"})
    assert (refused.status_code, "Typed text" in refused.text) == (403, True)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_update_is_added_edited_and_withdrawn(world: World, browse: Browse) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = browse("tess", f"/issues/{issue}")
    listening = browse("omar", f"/issues/{issue}")
    page.get_by_text("Add update").click()
    page.get_by_label("Text").fill("Relay is **down**, see https://status.example.com/1")
    page.get_by_label("Public").check()
    page.get_by_text("Only for some companies").click()
    page.get_by_label("Companies of this update").fill("Nobody Ltd")
    page.get_by_label("Status of these companies").select_option("investigating")
    page.get_by_role("button", name="Add", exact=True).first.click()
    expect(page.locator("#new-update-companies-about")).to_contain_text("1 unknown: “Nobody Ltd”")
    page.get_by_label("Companies of this update").fill("contoso")
    page.get_by_role("button", name="Add", exact=True).first.click()

    expect(page.locator("#flash")).to_contain_text("Update added. 1 company set to Investigating.")
    update = page.get_by_role("article", name="Update by Tess Ngo")
    for part in ("Public", "For Contoso", "Relay is down"):
        expect(update).to_contain_text(part)
    link = update.get_by_role("link", name="https://status.example.com/1")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    expect(page.get_by_role("row", name="Contoso")).to_contain_text("Investigating")
    expect(page.get_by_role("row", name="Fabrikam")).to_contain_text("New")
    # Another viewer of the page sees the update at once, and cannot change it.
    seen = listening.get_by_role("article", name="Update by Tess Ngo")
    expect(seen).to_contain_text("Relay is down")
    expect(seen.get_by_role("link", name="Edit")).to_have_count(0)
    assert violations(page) == []

    update.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Text")).to_have_value(re.compile("Relay is"))
    page.get_by_label("Text").fill("Relay is up\n\n- in the first data centre\n- in the second data centre")
    page.get_by_label("Public").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(update).to_contain_text("Relay is up")
    # A list inside an update is not laid out as the history around it.
    heights = update.get_by_role("listitem").evaluate_all("items => items.map((item) => item.offsetHeight)")
    assert len(heights) == 2 and max(heights) < 30
    expect(update).to_contain_text("Internal")
    page.get_by_role("link", name="Contoso").first.click()
    expect(page.get_by_role("article")).to_contain_text("Slow mail")
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="Withdraw this update…").click()
    page.get_by_role("button", name="Withdraw the update").click()
    expect(page.locator("#flash")).to_contain_text("Update withdrawn.")
    expect(page.get_by_role("article")).to_have_count(0)
    for sentence in ("added a public update for Contoso", "edited a public update", "withdrew an internal update"):
        expect(page.locator("#history")).to_contain_text(sentence)


def test_a_status_with_an_update_reopens_only_named_companies(world: World) -> None:
    statuses = {"Contoso": "new", "Fabrikam": "resolved", "Acme Manufacturing": "closed"}
    issue = world.given_issue("Slow mail", statuses)
    tess = world.client("tess")
    form = {"_csrf": tess.headers["X-CSRF-Token"], "body": "The cause is known.", "status": "in_progress"}

    group = {"name": "North", "company_names": ["Fabrikam", "Acme Manufacturing"]}
    world.client("ada").call("POST", "/api/company-groups", 201, json=group)

    def after(**more: str) -> list[str]:
        assert tess.post(f"/issues/{issue}/updates", data=form | more).status_code == 303
        found = tess.call("GET", "/api/issues/Slow mail", 200)["assignments"]
        held = {one["company_name"]: one["status"] for one in found}
        return [held[name] for name in statuses]

    assert after() == ["in_progress", "resolved", "closed"]
    assert after(exclude="Contoso", status="monitoring") == ["in_progress", "resolved", "closed"]
    assert after(company_groups="North") == ["in_progress", "resolved", "closed"]
    assert after(companies="fabrikam") == ["in_progress", "in_progress", "closed"]
    assert after(status="closed") == ["closed", "closed", "closed"]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a <img src=x onerror=y> b", "&lt;img src=x onerror=y&gt;"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](/issues/1) [y](//evil.example)", "[x](/issues/1) [y](//evil.example)"),
        ("[x](data:text/html,y)", "[x](data:text/html,y)"),
        ("![x](https://elsewhere.example/y.png)", '!<a href="https://elsewhere.example/y.png" rel="noopener'),
        ("[x](mailto:a@b.example)", '<a href="mailto:a@b.example" rel="noopener noreferrer nofollow">x</a>'),
        ("<https://a.example>", '<a href="https://a.example" rel="noopener'),
        ('[x](https://a.example "\\" onclick=y")', "&quot; onclick=y"),
        ("see https://a.example/b, then c.py", ">https://a.example/b</a>, then c.py"),
        ("one\ntwo", "one<br />"),
        ("# Title", "<h3>Title</h3>"),
    ],
)
def test_markdown_is_safe(text: str, html: str) -> None:
    found = render(text)
    assert html in found
    assert not re.search(r"<(script|img|iframe)|<a (?!href=\"(https?|mailto):)[^>]", found)
