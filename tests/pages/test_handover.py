"""The handover: the changes since a time or the last visit, as a page, text, Markdown and one printed sheet."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.clients import Client
from tests.pages.axe import violations
from tests.pages.conftest import Browse
from tests.world import World

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def set_status(client: Client, issue: str, company: str, status: str) -> None:
    body = {"issue_name": issue, "company_name": company, "status": status}
    client.call("PUT", "/api/issues/status", 200, json=body)


def sheets(page: Page) -> list[int]:
    """Returns the numbers of printed pages, on A4 and on Letter."""
    return [len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=size))) for size in ("A4", "Letter")]


def given_a_shift(world: World) -> None:
    """Creates issues from before noon, of which one continues and one ends, and one that starts at noon; it is two
    o’clock.
    """
    world.clock.freeze(NOON.replace(hour=8))
    world.given_issue("Old fault", {"Contoso": "new", "Fabrikam": "new"})
    world.given_issue("Slow mail", {"Contoso": "investigating"})
    world.given_issue("Untouched", {"Fabrikam": "monitoring"})
    tess, omar = world.client("tess"), world.client("omar")
    tess.get("/").raise_for_status()
    world.clock.advance(minutes=2)
    tess.get("/").raise_for_status()
    world.clock.freeze(NOON)
    set_status(omar, "Slow mail", "Contoso", "resolved")
    world.clock.advance(minutes=5)
    new = {"name": "VPN [down]", "severity": "high", "companies": [{"company_name": "Contoso"}]}
    omar.call("POST", "/api/issues", 201, json=new | {"next_update_at": NOON.replace(minute=10).isoformat()})
    world.clock.advance(minutes=25)
    set_status(omar, "Old fault", "Contoso", "in_progress")
    said = {"issue_name": "Old fault", "body": "The provider **digs**.", "public": True}
    omar.call("POST", "/api/updates", 201, json=said)
    world.clock.freeze(NOON.replace(hour=14))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_handover_shows_changes_and_remaining_work(world: World, browse: Browse) -> None:
    given_a_shift(world)
    page = browse("tess", "/", timezone_id="Asia/Tokyo")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Handover").click()
    # One click selects the changes since her last visit.
    expect(page.locator(".summary")).to_contain_text("your last visit: 1 started, 1 changed, 1 ended.")
    expect(page.locator(".summary")).to_contain_text("17:02")
    expect(page.locator(".summary")).to_contain_text("Omar Reyes (")
    sections = {
        "Update overdue": ["VPN [down]"],
        "Started": ["VPN [down]", "Severity High", "Omar Reyes created the issue"],
        "Changed": ["Old fault", "1 In progress", "set Contoso to In progress", "The provider digs."],
        "Ended": ["Slow mail", "1 Resolved", "2 Mar, 21:00 Omar Reyes set Contoso to Resolved"],
        "Down for the longest": ["Old fault 6 h Contoso, Fabrikam", "Untouched 6 h", "VPN [down] 1 h 55 min"],
    }
    for title, texts in sections.items():
        for text in texts:
            expect(page.get_by_role("region", name=title)).to_contain_text(text)
    expect(page.locator(".handover strong", has_text="digs")).to_have_count(1)
    assert violations(page) == []

    page.get_by_role("link", name="Copy as Markdown").click()
    expect(page.get_by_role("link", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "## Ended (1)" in copied and "2 Mar, 21:00 Omar Reyes set Contoso to Resolved" in copied
    assert re.search(r"\[VPN \\\[down\\\]\]\(https?://[^)]*/issues/\d+\)", copied) and "UTC" not in copied
    page.get_by_role("link", name="Copy as text").click()
    expect(page.locator("[data-copies=text]")).to_have_text("Copied")
    assert sheets(page) == [1, 1]

    # A time is entered in the user’s time zone.
    page.get_by_label("Since").fill("2026-03-02T21:15")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/handover?since=2026-03-02T12*15")
    expect(page.locator(".summary")).to_contain_text("0 started, 1 changed, 0 ended.")
    expect(page.get_by_label("Since")).to_have_value("2026-03-02T21:15")
    page.goto("/handover?since=noon")
    expect(page.locator("#wrong-since")).to_contain_text("Must be a time")


def test_the_handover_works_without_scripts_and_with_limited_access(world: World) -> None:
    given_a_shift(world)
    ada, tess = world.client("ada"), world.client("tess")
    text = tess.get("/handover?since=2026-03-02T12:00&format=text")
    assert text.headers["content-type"].startswith("text/plain")
    assert text.text.startswith("Handover, 2026-03-02 12:00 UTC to 2026-03-02 14:00 UTC\n\nChanges by Omar Reyes (")
    assert "- Old fault (1 new, 1 in progress; no owner)\n" in text.text
    assert "  - 2026-03-02 12:30 UTC Omar Reyes (public): The provider **digs**.\n" in text.text
    assert (
        "- Slow mail (1 resolved; no owner)\n  - 2026-03-02 12:00 UTC Omar Reyes set Contoso to Resolved\n" in text.text
    )
    assert "- VPN [down]: 1 h 55 min, Contoso" in text.text
    page = tess.get("/handover").raise_for_status().text
    assert "your last visit" in page and "/handover?since=2026-03-02T08%3A02%3A00%2B00%3A00&amp;format=text" in page
    assert tess.get("/handover?format=pdf").status_code == 422
    assert "Nothing has changed." in tess.get("/handover?hours=1&format=text").text

    tess_id = next(u["user_id"] for u in ada.call("GET", "/api/users", 200)["items"] if u["name"].startswith("Tess"))
    access = {"company_access": {"companies": ["Fabrikam"]}}
    ada.call("PUT", f"/api/users/{tess_id}", 200, json=access)
    limited = tess.get("/handover?since=2026-03-02T12:00&format=text").text
    assert "Old fault (1 new; no owner)" in limited and "The provider" in limited
    assert not any(hidden in limited for hidden in ("Contoso", "VPN", "Slow mail"))
    ada.call("DELETE", "/api/issues/Untouched", 204)
    ada.call("POST", "/api/issues/merge", 200, json={"issue_name": "VPN [down]", "into": "Slow mail"})
    said = ada.get("/handover?hours=1&format=text").text
    assert "- Untouched (deleted)\n" in said and "- VPN [down] (merged)\n" in said


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_handover_counts_and_shows_later_changes(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/handover?hours=8")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    set_status(world.client("omar"), "Slow mail", "Contoso", "resolved")
    world.client("omar").call("POST", "/api/updates", 201, json={"issue_name": "Slow mail", "body": "It was the relay"})

    page.get_by_role("button", name="Show 2 updates").click()

    expect(page.locator(".story")).to_contain_text("set Contoso to Resolved")
    expect(page.locator(".story")).to_contain_text("It was the relay")
    expect(page.locator("#updates")).to_be_hidden()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_long_shift_fits_one_printed_sheet(world: World, browse: Browse) -> None:
    """Of 25 started, 25 changed and 25 ended issues and 20 overdue ones, everything is printed; of more, the rest is
    counted.
    """
    long = "Packet loss between the northern and the southern ring, phones and terminals are affected, number"
    companies = [f"{town} Freight & Logistics" for town in ("Alder", "Birch", "Cedar", "Dogwood", "Elm")]
    world.given_companies(*companies)
    world.clock.freeze(NOON.replace(hour=8))
    for number in range(55):
        world.given_issue(f"{long} {number:02}", dict.fromkeys(companies, "investigating"))
    omar = world.client("omar")
    blocks = "- north\n- south\n\n```\none\ntwo\n```\n\none  \ntwo\n\n---\n\n"
    due = {
        "next_update_at": NOON.replace(hour=13).isoformat(),
        "severity": "critical",
        "owner": "omar@helpdesk.example",
    }
    for number in range(50, 55):
        omar.call("PUT", f"/api/issues/{long} {number:02}", 200, json=due)
    world.clock.freeze(NOON)
    for number in range(25):
        body = {
            "issue_name": f"{long} {number:02}",
            "status": "resolved",
            "note": "The supplier has replaced the line.",
        }
        omar.call("POST", "/api/issues/status/bulk", 200, json=body)
        said = {
            "issue_name": f"{long} {25 + number}",
            "public": True,
            "body": f"The supplier **digs**.\n\n{blocks}" + "More. " * 60,
        }
        omar.call("POST", "/api/updates", 201, json=said)
    for number in range(70, 95):
        new = {"name": f"{long} {number}", "companies": [{"company_name": name} for name in companies]}
        omar.call("POST", "/api/issues", 201, json=new | (due if number < 85 else {}))
    world.clock.freeze(NOON.replace(hour=14))

    # In a browser context of its own: if Chromium loses the medium, the next user of a page would get it.
    page = browse("tess", "/handover?since=2026-03-02T12:00", timezone_id="UTC")
    expect(page.locator(".summary")).to_contain_text("25 started, 25 changed, 25 ended.")
    # A list in a text has its marks.
    assert page.locator(".markdown li").first.evaluate("(each) => getComputedStyle(each).listStyleType") == "disc"
    page.emulate_media(media="print")
    shown = page.locator(".story:visible")
    expect(shown).to_have_count(75)
    expect(page.get_by_role("region", name="Update overdue").locator("li:visible")).to_have_count(20)
    expect(page.get_by_text("The supplier digs.").first).to_be_visible()
    # The lists and the code in a text take no lines of their own.
    heights = page.locator(".changed .story").evaluate_all("(all) => all.map((each) => each.offsetHeight)")
    assert max(heights) <= 2 * page.locator(".changed .story h3").first.evaluate("(each) => each.offsetHeight") + 2
    assert sheets(page) == [1, 1]

    for number in range(25, 50):
        omar.call("PUT", f"/api/issues/{long} {number}", 200, json={"severity": "low"})
    for number in range(100, 180):
        world.given_issue(f"{long} {number}")
    page.reload()
    page.emulate_media(media="print")  # Chromium may lose the medium when it loads a page again
    started = page.locator(".started")
    expect(started).to_contain_text("Started (105)")
    expect(started.get_by_text(re.compile(r"^and \d+ more$"))).to_be_visible()
    assert sheets(page) == [1, 1]
