"""The owner and the references of one company in an issue: shown next to its name, and changed on its own page."""

import re

import pytest
from playwright.sync_api import expect

from tests.pages.axe import violations
from tests.pages.conftest import Browse
from tests.world import World


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_owner_and_the_references_of_a_company_are_changed(world: World, browse: Browse) -> None:
    issue = world.given_issue("VPN", {"Contoso": "new", "Fabrikam": "new"})
    company = world.given_companies("Contoso")["Contoso"]
    page = browse("tess", f"/issues/{issue}")
    page.get_by_role("row", name="Contoso").locator(".status").click()
    page.get_by_role("button", name="Owner, references…").click()
    expect(page.get_by_role("heading", name="Contoso")).to_be_visible()
    page.get_by_label("References").fill("T-17")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-references-about")).to_contain_text("ust have the form “System: key”")
    expect(page.get_by_label("References")).to_have_value("T-17")
    assert violations(page) == []
    page.get_by_label("References").fill("PSA: T-17 https://psa.example.com/17")
    page.get_by_label("Owner").select_option("Omar Reyes")
    page.get_by_role("button", name="Save").click()

    row = page.get_by_role("row", name="Contoso")
    expect(row).to_contain_text("Omar Reyes")
    expect(row.get_by_role("link", name="T-17")).to_have_attribute("href", "https://psa.example.com/17")
    expect(page.locator("#history")).to_contain_text("Tess Ngo set the owner of Contoso to Omar Reyes")
    page.goto(f"/companies/{company}")
    expect(page.get_by_role("link", name="T-17")).to_be_visible()
    found = world.client().call("GET", "/api/issues/VPN?include=details", 200)["assignments"]
    assert [(one["owner"] and one["owner"]["name"], len(one["references"])) for one in found] == [
        ("Omar Reyes", 1),
        (None, 0),
    ]

    # The references of the issue itself are entered in the same way, on its two forms.
    page.goto(f"/issues/{issue}")
    page.get_by_text("Edit this issue").click()
    page.locator("#edit").get_by_label("References").fill("Carrier: 88-1 https://carrier.example.com/88-1\nPSA: T-1")
    page.locator("#edit").get_by_label("Next update due").fill("2026-01-09T16:00")
    page.locator("#edit").get_by_role("button", name="Save").click()
    expect(page.locator("#facts").get_by_role("link", name="88-1")).to_be_visible()
    # The history shows a time that is part of a sentence in the time zone of the reader, too.
    expect(page.locator("#history")).to_contain_text(
        re.compile("set the time of the next update to 9 Jan( 2026)?, 16:00")
    )
    tess = world.client("tess")
    fields = {"_csrf": tess.headers["X-CSRF-Token"], "name": "Mail", "status": "new", "references": "PSA: T-2"}
    assert tess.post("/issues/new", data=fields).status_code == 303
    [reference] = tess.call("GET", "/api/issues/Mail", 200)["references"]
    assert reference == {"system": "PSA", "key": "T-2", "url": None}

    # A field that another user has changed since is not overwritten, and one that was not edited is left alone.
    page.goto(f"/assignments?on={issue}-{company}")
    body = {"issue_name": "VPN", "company_name": "Contoso", "status": "new", "references": []}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=body)
    page.get_by_label("Owner").select_option("")
    page.get_by_label("References").fill("PSA: T-18")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Someone else changed this after you opened it.")
    page.goto(f"/assignments?on={issue}-{company}")
    page.get_by_label("References").fill("PSA: T-19")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="Contoso")).to_contain_text("Omar Reyes PSA T-19")

    # The company is removed while the page is open.
    tess.call("DELETE", "/api/issues/status?issueName=VPN&companyName=Contoso", 204)
    removed = tess.post("/assignments/details", data={"_csrf": fields["_csrf"], "on": f"{issue}-{company}"})
    assert removed.status_code == 404 and "no longer affected by this issue" in removed.text
