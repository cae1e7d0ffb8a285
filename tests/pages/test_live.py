"""Changes by others appear in place if they are visible, otherwise behind a button; after an interruption the page
catches up.
"""

import re
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Literal

import pytest
from playwright.sync_api import expect

from issue_tracker.clock import now
from tests.pages.conftest import Browse, without_updates
from tests.world import World


def change(world: World, company: str, status: str, issue: str = "Slow mail", who: str = "omar") -> None:
    body = {"issue_name": issue, "company_name": company, "status": status}
    world.client(who).call("PUT", "/api/issues/status", 200, json=body)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_visible_change_is_shown_in_place_and_highlighted(world: World, browse: Browse) -> None:
    """The first of two issues changes: redrawn, it would be last, because the least recently changed issues
    come first.
    """
    issue_id = world.given_issue("Slow mail", {"Acme Manufacturing": "new", "Contoso": "new"})
    listed, shown, matrix = browse("tess", "/"), browse("tess", f"/issues/{issue_id}"), browse("tess", "/matrix")
    for page in (listed, shown, matrix):
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    change(world, "Acme Manufacturing", "monitoring")

    for page in (listed, shown):
        row = page.get_by_role("row", name="Acme Manufacturing")
        expect(row.locator(".status")).to_have_text("Monitoring")
        expect(row).to_have_class("fresh")
    expect(matrix.get_by_role("gridcell", name="Monitoring")).to_have_class(re.compile(r"\bfresh\b"))
    expect(shown.locator("#history")).to_contain_text("Omar Reyes set Acme Manufacturing to Monitoring")
    for page in (listed, shown):
        expect(page.locator(".list .who")).to_have_text(["Acme Manufacturing", "Contoso"])
        page.reload()
        expect(page.locator(".list .who")).to_have_text(["Contoso", "Acme Manufacturing"])


def test_two_browsers_on_one_issue_show_the_same_state(world: World, browse: Browse) -> None:
    world.clock.freeze(now() - timedelta(days=4, minutes=1))
    issue_id = world.given_issue("Slow mail", {"Acme Manufacturing": "new", "Contoso": "new"})
    world.clock.frozen = None
    tess, omar = browse("tess", f"/issues/{issue_id}"), browse("omar", f"/issues/{issue_id}")
    for page in (tess, omar):
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    tess.get_by_role("row", name="Contoso").locator(".status").focus()
    tess.keyboard.press("4")
    theirs = omar.get_by_role("row", name="Contoso")
    expect(theirs.locator(".status")).to_have_text("Monitoring")
    expect(theirs).to_have_class("fresh")
    expect(omar.locator("#history")).to_contain_text("Tess Ngo set Contoso to Monitoring")
    theirs.locator(".status").focus()
    omar.keyboard.press("5")

    mine = tess.get_by_role("row", name="Contoso")
    expect(mine.locator(".status")).to_have_text("Resolved")
    expect(mine).to_have_class("fresh")
    expect(tess.locator("#conflict")).to_be_hidden()
    expect(omar.locator("#conflict")).to_be_hidden()
    # An undo restores the time of the status and the mark of an old one, for both.
    for page in (tess, omar):
        row = page.get_by_role("row", name="Acme Manufacturing")
        expect(row).to_have_class("unmoved")
        expect(row.locator(".when").first).to_have_text("for 4 d")
    tess.get_by_role("row", name="Acme Manufacturing").locator(".status").focus()
    tess.keyboard.press("3")
    for page in (tess, omar):
        expect(page.get_by_role("row", name="Acme Manufacturing").locator(".when").first).to_have_text("just now")
    changed = tess.get_by_role("row", name="Acme Manufacturing").locator(".status")
    expect(changed).not_to_have_attribute("aria-busy", "true")  # before the response there is nothing to undo
    tess.keyboard.press("u")
    for page in (tess, omar):
        row = page.get_by_role("row", name="Acme Manufacturing")
        expect(row.locator(".status")).to_have_text("New")
        expect(row.locator(".when").first).to_have_text("for 4 d")
        expect(row).to_have_class(re.compile("unmoved"))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_other_changes_are_counted_and_shown_on_request(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    world.client("omar").call("POST", "/api/issues", 201, json={"name": "Broken phones"})
    change(world, "Fabrikam", "new")

    button = page.get_by_role("button", name="Show 2 updates")
    expect(button).to_be_visible()
    expect(page.get_by_role("link", name="Broken phones")).to_have_count(0)
    button.click()
    expect(page.get_by_role("link", name="Broken phones")).to_be_visible()
    expect(page.get_by_role("row", name="Fabrikam")).to_be_visible()
    expect(page.locator("#updates")).to_be_hidden()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_ones_own_change_is_not_an_update(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    page.get_by_role("row", name="Contoso").locator(".status").focus()
    page.keyboard.press("2")
    expect(page.locator("#toasts")).to_contain_text("Contoso: Investigating")
    change(world, "Acme Manufacturing", "new")

    expect(page.get_by_role("button", name="Show 1 update")).to_be_visible()
    expect(page.get_by_role("row", name="Contoso")).not_to_have_class("fresh")
    expect(page.locator("[data-total=investigating] b")).to_have_text("1")
    expect(page.locator("[data-total=new] b")).to_have_text("1")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_page_catches_up_after_an_interruption(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/", before=without_updates)
    expect(page.locator("#connection")).to_have_attribute("data-state", "broken")
    expect(page.locator("#connection")).to_have_text("no connection")

    change(world, "Contoso", "resolved")
    page.unroute("**/api/events/stream")

    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("Resolved", timeout=15000)
    expect(page.locator("#connection")).to_have_text("live")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_conflict_names_the_other_user_and_lets_one_choose(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = browse("tess", "/", before=without_updates)
    change(world, "Contoso", "resolved")
    change(world, "Fabrikam", "resolved")
    changed = world.client().call("GET", "/api/events?limit=1", 200)["items"][0]
    page.clock.set_fixed_time(datetime.fromisoformat(changed["at"]) + timedelta(minutes=5, seconds=5))

    for company, choice, text, toasts in (
        ("Contoso", "Take theirs", "Resolved", 0),
        ("Fabrikam", "Keep mine", "Investigating", 1),
    ):
        status = page.get_by_role("row", name=company).locator(".status")
        status.focus()
        page.keyboard.press("2")

        dialog = page.get_by_role("dialog", name="Someone else changed this")
        expect(dialog).to_contain_text(f"{company} in “Slow mail” was set to Resolved by Omar Reyes, 5 min ago,")
        dialog.get_by_role("button", name=choice).click()
        expect(status, choice).to_have_text(text)
        expect(status, choice).to_be_focused()
        expect(page.locator(".toast"), choice).to_have_count(toasts)
    found = world.client().call("GET", "/api/issues/Slow%20mail", 200)["assignments"]
    assert [each["status"] for each in found] == ["resolved", "investigating"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_with_reduced_motion_a_change_gets_an_outline(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Acme Manufacturing": "new", "Contoso": "new"})
    page = browse("tess", "/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    page.get_by_role("row", name="Acme Manufacturing").locator(".status").focus()
    fresh = page.get_by_role("row", name="Contoso")
    moving = "[...document.querySelectorAll('*')].flatMap(e => [getComputedStyle(e)].flatMap(s => "
    moving += "[...s.animationDuration.split(', '), ...s.transitionDuration.split(', ')].map(parseFloat)))"

    motions: list[tuple[Literal["no-preference", "reduce"], str, str, float, str]] = [
        ("no-preference", "monitoring", "2", 2.4, "none"),
        ("reduce", "resolved", "3", 0.001, "solid"),
    ]
    for motion, status, key, seconds, outline in motions:
        page.emulate_media(reduced_motion=motion)
        change(world, "Contoso", status)
        expect(fresh).to_contain_text(status, ignore_case=True)
        expect(fresh).to_have_class("fresh")
        page.keyboard.press(key)
        expect(page.locator(".toast")).to_be_visible()

        expect(fresh).to_have_css("animation-duration", f"{seconds}s")
        expect(fresh).to_have_css("outline-style", outline)
        assert page.evaluate(f"Math.max(...{moving})") == seconds
    # Without an animation, it disappears too.
    expect(fresh).not_to_have_class("fresh", timeout=10000)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_activity_counts_new_entries(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/activity")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    change(world, "Contoso", "resolved")

    page.get_by_role("button", name="Show 1 update").click()
    expect(page.locator(".history li").first).to_contain_text("Omar Reyes set Contoso to Resolved in “Slow mail”")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_end_of_a_session_is_shown(world: World, browse: Browse) -> None:
    page = browse("tess", "/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    for session in world.client("tess").call("GET", "/api/auth/sessions", 200)["items"]:
        if not session["current"]:
            world.client("tess").call("DELETE", f"/api/auth/sessions/{session['id']}", 204)

    expect(page.locator("#connection")).to_have_text("signed out", timeout=20000)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_company_filter_receives_updates_regardless_of_case(world: World, browse: Browse) -> None:
    world.given_companies("Straße Nord")
    world.given_issue("Slow mail", {"Contoso": "new", "Straße Nord": "new"})
    page = browse("tess", "/?companyName=contoso")
    for name, company, status in (
        (None, "Contoso", "Monitoring"),
        ("CONTOSO ", "Contoso", "Resolved"),
        ("straße nord", "Straße Nord", "Monitoring"),
        ("STRASSE Nord", "Straße Nord", "Resolved"),
    ):
        if name is not None:
            page.goto(f"/?companyName={name}")
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        expect(page.locator("#updates")).to_be_hidden()

        change(world, company, status.lower())
        expect(page.get_by_role("row", name="Slow mail").locator(".status")).to_have_text(status)

        world.given_issue(f"Broken phones {company} {status}")
        change(world, company, "new", issue=f"Broken phones {company} {status}")
        expect(page.locator("#updates")).to_be_visible()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_only_changes_that_match_the_search_are_updates(world: World, browse: Browse) -> None:
    """The search includes the description, which no event contains, so the page requests the list again."""
    world.given_issue("Slow mail", {"Contoso": "new"}, "The relay drops packets.")
    page = browse("tess", "/?search=relay")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    with page.expect_response("**/?search=relay"):
        world.given_issue("Broken phones", {"Contoso": "new"}, "No tone.")
        change(world, "Contoso", "resolved", issue="Broken phones")
    with page.expect_response("**/?search=relay"):
        world.given_issue("Lost faxes", description="Sent by the same relay.")
    expect(page.locator("#updates")).to_have_text("Show 1 update")

    page.locator("#updates").click()
    expect(page.locator(".list .title")).to_have_text(["Slow mail", "Lost faxes"])


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_only_changes_that_match_the_status_filter_are_updates(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "resolved", "Fabrikam": "new"})
    world.given_issue("Broken phones", {"Contoso": "new"})
    counts = {"status=resolved": "1 update", "open=false": "1 update", "open=true": "2 updates"}
    pages = {query: browse("tess", f"/?{query}&companyName=Contoso") for query in counts}
    for page in pages.values():
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    # The page does not know whether the filter matches a new issue, so it sends one request for all new issues.
    with ExitStack() as awaited:
        for page in pages.values():
            awaited.enter_context(page.expect_response(page.url))
        for name, status in (("Lost faxes", "investigating"), ("Lost keys", "resolved")):
            companies = [{"company_name": "Contoso", "status": status}]
            world.client("omar").call("POST", "/api/issues", 201, json={"name": name, "companies": companies})
        change(world, "Contoso", "monitoring", issue="Lost faxes")

    for query, page in pages.items():
        page.evaluate("new Promise(requestAnimationFrame)")
        expect(page.locator("#updates"), query).to_have_text(f"Show {counts[query]}")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_next_filter_preserves_a_filter_for_finished_issues(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "resolved", "Fabrikam": "closed", "Acme Manufacturing": "new"})
    page = browse("tess", "/?open=false")
    expect(page.get_by_role("checkbox", name="Resolved and closed only")).to_be_checked()

    page.get_by_role("checkbox", name="Closed", exact=True).check()
    page.wait_for_url("**/?status=closed&open=false")
    expect(page.locator(".list .who")).to_have_text(["Fabrikam"])

    page.get_by_role("checkbox", name="Resolved and closed only").uncheck()
    page.wait_for_url("**/?status=closed")
