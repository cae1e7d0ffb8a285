"""The page of a company: sentences for a phone call, and a text that can be sent to the customer."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from issue_tracker.pages.markdown import plain
from tests.chromium import ready
from tests.pages.axe import violations
from tests.pages.conftest import NARROW, Browse
from tests.world import World

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def say(world: World, issue: str, body: str, *, who: str = "tess", **options: object) -> None:
    world.client(who).call("POST", "/api/updates", 201, json={"issue_name": issue, "body": body} | options)


def scene(world: World) -> int:
    """Creates an outage since noon with updates of every kind, and an issue without updates; returns the id
    of Contoso.
    """
    world.clock.freeze(NOON)
    world.given_issue("Fibre cut", {"Contoso": "investigating", "Fabrikam": "new"}, "Internal: the digger of Fabrikam")
    world.given_issue("Printer", {"Contoso": "monitoring"})
    world.given_issue("Old fault", {"Contoso": "resolved"})
    tess = world.client()
    due = {"next_update_at": (NOON + timedelta(hours=9)).isoformat(), "owner": "omar@helpdesk.example"}
    tess.call("PUT", "/api/issues/Fibre%20cut", 200, json=due)
    tess.call("PUT", "/api/issues/Printer", 200, json={"next_update_at": (NOON + timedelta(hours=1)).isoformat()})
    world.clock.advance(hours=1)
    say(world, "Fibre cut", "An earlier public text", public=True)
    say(world, "Fibre cut", "A technician is **on site**.\n\n- see [the map](https://map.example/1)", public=True)
    say(world, "Fibre cut", "Only Fabrikam may read this", public=True, companies=["Fabrikam"])
    say(world, "Fibre cut", "Their firewall is a mess", companies=["Contoso"])
    change = {"issue_name": "Fibre cut", "company_name": "Contoso", "status": "in_progress", "note": "a secret note"}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=change)
    world.clock.advance(hours=1)
    return world.given_companies("Contoso")["Contoso"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_page_of_a_company_has_texts_to_read_out_and_to_send(world: World, browse: Browse) -> None:
    company = scene(world)
    page = browse("tess", None, permissions=["clipboard-read", "clipboard-write"], timezone_id="Europe/Berlin")
    page.clock.set_fixed_time(NOON + timedelta(hours=2))
    page.goto(f"/companies/{company}")
    ready(page)

    printer, fibre = page.locator("#what-to-say > ul > li").all()
    # Overdue issues come first. The outage began at noon in London, one o'clock in Berlin, whatever its later statuses.
    expect(printer).to_contain_text("Printer has been fixed, and the result is being monitored.")
    expect(printer).to_contain_text("Customers have not been informed yet. An update was due 14:00.")
    expect(fibre).to_contain_text("Fibre cut is being fixed. It has affected Contoso since 13:00.")
    expect(fibre).to_contain_text(re.compile("Customers were last informed 1 hr.? ago: ?A technician is on site."))
    expect(fibre).to_contain_text("The next update is due 22:00.")
    expect(fibre).not_to_contain_text("Only Fabrikam may read this")
    assert violations(page) == []

    page.get_by_role("button", name="Copy for customer").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    expect(page.get_by_role("button", name="Copy for customer")).to_be_visible()
    assert copied.splitlines() == [
        "Printer has been fixed, and the result is being monitored.",
        "Affected since 24 Nov 2026, 13:00 CET.",
        "",
        "Fibre cut is being fixed.",
        "Affected since 24 Nov 2026, 13:00 CET.",
        "Last update, 24 Nov 2026, 14:00 CET:",
        "A technician is on site.",
        "- see the map (https://map.example/1)",
        "Next update by 24 Nov 2026, 22:00 CET.",
    ]
    for hidden in ("Fabrikam", "Tess", "Omar", "firewall", "secret", "digger", "earlier"):
        assert hidden not in copied


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_page_of_a_company_without_open_issues_and_without_scripts(world: World, browse: Browse) -> None:
    company = scene(world)
    page = browse("tess", f"/companies/{company}", java_script_enabled=False, viewport=NARROW)
    expect(page.get_by_role("button", name="Copy for customer")).to_be_hidden()
    page.get_by_text("The text for the customer").click()
    expect(page.locator("#for-customer")).to_contain_text("Affected since 2026-11-24 12:00 UTC.")

    body = {"issue_name": "Fibre cut", "status": "resolved"}
    world.client().call("POST", "/api/issues/status/bulk", 200, json=body)
    world.client().call("POST", "/api/issues/status/bulk", 200, json=body | {"issue_name": "Printer"})
    page.reload()
    expect(page.locator("#what-to-say")).to_contain_text("All issues of Contoso are resolved or closed.")
    expect(page.locator("#for-customer")).to_have_text("Nothing is open for Contoso at the moment.")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_company_can_be_added_to_an_issue(world: World, browse: Browse) -> None:
    world.given_issue("Mail delivery delayed", {"Fabrikam": "new"})
    world.client().call("PUT", "/api/issues/Mail%20delivery%20delayed", 200, json={"new_name": "Slow relay"})
    page = browse("tess", f"/companies/{world.given_companies('Contoso')['Contoso']}")
    page.get_by_text("Add to an issue…").click()
    field = page.get_by_label("Issue", exact=True)
    field.press_sequentially("slow re")
    expect(page.locator("#f-issue_name-names option")).to_have_attribute("value", "Slow relay")
    field.fill("Mial delivery delyed")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#f-issue_name-about")).to_contain_text("There is no issue called")
    expect(field).to_be_focused()
    assert violations(page) == []

    page.get_by_label("Status", exact=True).select_option("investigating")
    page.get_by_role("button", name="Slow relay").click()
    expect(page.locator("#flash")).to_contain_text("Added to “Slow relay”.")
    expect(page.locator("#what-to-say")).to_contain_text("Slow relay is being investigated.")
    page.get_by_text("Add to an issue…").click()
    field.fill("slow RELAY")
    field.press("Enter")
    expect(page.locator("#flash")).to_contain_text("“Slow relay” already has this company.")
    found = world.client().call("GET", "/api/issues/Slow%20relay", 200)["assignments"]
    assert {one["company_name"]: one["status"] for one in found} == {"Fabrikam": "new", "Contoso": "investigating"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("One\ntwo\n\nthree", "One\ntwo\n\nthree"),
        ("**bold** _and_ `code`", "bold and code"),
        ("# Title\n\n1. a\n2. b\n   - c", "Title\n1. a\n2. b\n  - c"),
        ("<https://a.example> [x](https://b.example)", "https://a.example x (https://b.example)"),
        ("```\nls -l\n```", "ls -l"),
        ("<b>& kept", "<b>& kept"),
    ],
)
def test_markdown_is_converted_to_plain_text(text: str, said: str) -> None:
    assert plain(text) == said


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_changes_of_its_issues_are_shown(world: World, browse: Browse) -> None:
    company_id = world.given_companies("Contoso")["Contoso"]
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Fabrikam": "new"})
    page = browse("tess", f"/companies/{company_id}")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    omar = world.client("omar")
    omar.call("PUT", "/api/issues/Broken%20phones", 200, json={"next_update_at": "2036-12-01T10:00:00+00:00"})
    omar.call("PUT", "/api/issues/Slow%20mail", 200, json={"next_update_at": "2036-12-01T10:00:00+00:00"})
    expect(page.locator("#what-to-say")).to_contain_text("The next update is due 1 Dec 2036")
    omar.call("PUT", "/api/issues/Slow%20mail", 200, json={"new_name": "Mail outage"})
    page.get_by_role("button", name="Show 2 updates").click()

    expect(page.get_by_role("row", name="Mail outage")).to_be_visible()
