"""The activity page: who did what, to what, and when, with filters by person and time."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from issue_tracker.cli import main
from issue_tracker.clock import now
from issue_tracker.events.audit_sentences import AUDIT_SENTENCES
from issue_tracker.events.catalog import EventType
from issue_tracker.events.type_names import TYPE_NAMES
from tests.chromium import ready
from tests.pages.conftest import Browse
from tests.world import World


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_activity_has_links_and_filters_by_person_and_time(world: World, browse: Browse) -> None:
    for name, minute in (("Before midnight", -10), ("After midnight", 10)):
        world.clock.freeze(datetime(2026, 1, 9, 15, tzinfo=UTC) + timedelta(minutes=minute))
        world.given_issue(name)
    world.clock.frozen = None
    issue = world.given_issue("Slow mail", {"Contoso": "new"})
    company = world.given_companies("Contoso")["Contoso"]
    body = {"issue_name": "Slow mail", "company_name": "Contoso", "status": "resolved"}
    world.client("tess").call("PUT", "/api/issues/status", 200, json=body)
    world.client("omar").call("PUT", "/api/issues/status", 200, json=body | {"status": "investigating"})
    page = browse("tess", "/activity", timezone_id="Asia/Tokyo")
    entries = page.locator(".history li")
    expect(entries.first).to_contain_text("Omar Reyes set Contoso to Investigating in “Slow mail”")
    expect(entries.first.get_by_role("link", name="Slow mail")).to_have_attribute("href", f"/issues/{issue}")
    expect(entries.first.get_by_role("link", name="Contoso")).to_have_attribute("href", f"/companies/{company}")
    names = page.get_by_label("What happened").locator("option").all_inner_texts()
    assert "Status changed" in names and not any("." in name for name in names)

    page.get_by_label("Person").fill("Tess Ngo")
    page.get_by_label("Person").press("Enter")
    expect(entries).to_have_count(1)
    expect(entries).to_contain_text("Tess Ngo set Contoso to Resolved")
    assert page.url.endswith("/activity?actor=Tess+Ngo")
    page.get_by_label("Person").fill("")
    page.get_by_label("Person").press("Enter")
    expect(entries).to_have_count(6)

    # A time is entered in the user's own time zone; the address contains it in UTC.
    later = now() + timedelta(hours=1)
    page.get_by_label("From").fill((later + timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("From").press("Enter")
    expect(page.get_by_text("No events match")).to_be_visible()
    assert f"since={quote(later.strftime('%Y-%m-%dT%H:%M'), safe='')}" in page.url
    page.get_by_label("From").fill((later + timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("From").press("Enter")
    expect(entries).to_have_count(4)
    shown = page.get_by_label("From").input_value()
    page.reload()
    ready(page)
    expect(page.get_by_label("From")).to_have_value(shown)
    page.locator(".history li").first.get_by_role("link", name="Omar Reyes").click()
    expect(entries).to_have_count(1)

    # There is a heading for each day of the reader, and entries have the time of day.
    page.goto("/activity")  # without a time, because events are found by time only if their numbers grow with it
    for place, day, time in ((-2, "Saturday, 10 January 2026", "0:10"), (-1, "Friday, 9 January 2026", "23:50")):
        expect(page.locator("#activity h2").nth(place)).to_have_text(day)
        expect(entries.nth(place).locator("> time")).to_have_text(time)
    lines = [line for line in world.client().get("/activity").text.splitlines() if "<h2>" in line]
    assert [re.sub("<.*?>", "", line) for line in lines[-1:]] == ["2026-01-09"]

    page.goto("/activity?who=Tess")
    expect(page.locator("#wrong-others")).to_contain_text("Who: is not a parameter")
    page.goto("/activity?since=yesterday")
    expect(page.locator("#wrong-since")).to_contain_text("Must be a time")
    page.goto(f"/companies/{company}?whatever=1")
    expect(page.get_by_text("is not a parameter")).to_be_visible()


def test_periods_are_exact(world: World) -> None:
    client = world.client()
    times = []
    for number in range(3):
        world.given_issue(f"Fault {number}")
        times.append(now())
        world.clock.advance(hours=1)

    def found(since: str, until: str) -> list[str]:
        text = client.get("/activity", params={"since": since, "until": until}).raise_for_status().text
        return [name for name in ("Fault 0", "Fault 1", "Fault 2") if name in text]

    early, middle = (time.isoformat() for time in times[:2])
    assert found("", "") == ["Fault 0", "Fault 1", "Fault 2"]
    assert found(middle, "") == ["Fault 2"] or found(middle, "") == ["Fault 1", "Fault 2"]
    assert found(early, middle) in (["Fault 1"], ["Fault 0", "Fault 1"])
    assert found("2020-01-01T00:00Z", "2020-01-02T00:00Z") == []
    assert client.get("/activity", params={"since": "soon"}).status_code == 422
    assert client.get("/activity", params={"type": "nothing"}).status_code == 422
    assert client.get("/companies", params={"serach": "x"}).status_code == 422


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_import_is_one_line(world: World, tmp_path: Path, browse: Browse) -> None:
    world.given_issue("Before the import")
    rows = [f"Imported {number},,Contoso,{status}" for number in range(70) for status in ("new",)]
    file = tmp_path / "issues.csv"
    file.write_text("name,description,company_name,status\n" + "\n".join(rows) + "\n")
    result = CliRunner().invoke(
        main, ["issue", "import", str(file), "--database-url", world.server.settings.database_url]
    )
    assert result.exit_code == 0, result.output
    world.given_issue("After the import")

    page = browse("tess", "/activity")
    entries = page.locator(".history li")
    expect(entries).to_have_count(3)
    expect(entries.nth(1)).to_contain_text("created 70 issues and added companies 70 times, in 70 issues")
    entries.nth(1).locator("summary").click()
    expect(entries.nth(1).get_by_role("link", name="“Imported 69”")).to_be_visible()
    assert page.get_by_role("link", name="Older").count() == 0

    # For a company, it is one line as well; for an issue, all of its changes are listed.
    page.goto(f"/companies/{world.given_companies('Contoso')['Contoso']}")
    expect(page.locator("#history li")).to_have_count(1)
    page.goto("/activity?issueName=Imported+3")
    expect(entries).to_have_count(2)


def test_every_event_type_has_a_name_and_a_sentence() -> None:
    assert set(TYPE_NAMES) == set(EventType)
    assert {type_ for type_ in EventType if type_.audit} <= set(AUDIT_SENTENCES)
