"""Responses that arrive late or in another order than their requests were sent: the page keeps what is newer."""

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Browse, Late, held, without_updates
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def change(world: World, company: str, status: str, issue: str = "Slow mail") -> None:
    body = {"issue_name": issue, "company_name": company, "status": status}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=body)


def create(world: World, name: str) -> None:
    body = {"name": name, "companies": [{"company_name": "Acme Manufacturing"}]}
    world.client("omar").call("POST", "/api/issues", 201, json=body)


def live(page: Page) -> Page:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return page


def test_changes_during_a_refresh_are_not_lost(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = live(browse("tess", "/"))
    create(world, "Broken phones")
    refresh = Late(page, f"{world.server.url}/")
    page.get_by_role("button", name="Show 1 update").click()
    refresh.sent()

    change(world, "Contoso", "monitoring")
    create(world, "Lost faxes")
    status = page.get_by_role("row", name="Contoso").locator(".status")
    expect(status).to_have_text("Monitoring")
    expect(page.locator("#updates")).to_have_text("Show 2 updates")
    refresh.arrive()

    expect(page.get_by_role("link", name="Broken phones")).to_be_visible()
    expect(status).to_have_text("Monitoring")
    expect(page.locator("[data-total=monitoring] b")).to_have_text("1")
    expect(page.locator("#updates")).to_have_text("Show 1 update")


def test_a_filter_is_applied_even_if_updates_arrive_before_its_results(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Fabrikam": "new"})
    page = live(browse("tess", "/"))
    create(world, "Lost faxes")
    refresh = Late(page, f"{world.server.url}/")
    filtered = Late(page, "**/?search=mail")
    page.get_by_role("button", name="Show 1 update").click()
    refresh.sent()
    page.get_by_label("Search issues").fill("mail")
    filtered.sent()

    refresh.arrive()
    filtered.arrive()
    page.wait_for_url("**/?search=mail")
    expect(page.locator(".list .title")).to_have_text(["Slow mail"])

    # The other way round: updates that are requested while a filter is being applied do not undo it.
    create(world, "Lost mail")
    expect(page.locator("#updates")).to_have_text("Show 1 update")
    filtered = Late(page, "**/?search=phones")
    page.get_by_label("Search issues").fill("phones")
    filtered.sent()
    page.locator("#updates").click()
    page.wait_for_timeout(200)
    filtered.arrive()
    page.wait_for_url("**/?search=phones")
    expect(page.locator(".list .title")).to_have_text(["Broken phones"])


def test_parts_of_earlier_results_do_not_change_newer_ones(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Fabrikam": "new"})
    page = live(browse("tess", "/?search=mail"))
    redrawn = Late(page, "**/?search=mail")
    change(world, "Contoso", "monitoring")
    redrawn.sent()

    page.get_by_label("Search issues").fill("")
    expect(page.locator(".list tbody")).to_have_count(2)
    redrawn.arrive()

    expect(page.locator(".list .owner")).to_have_text(["No owner", "No owner"])


def test_older_counts_do_not_replace_newer_ones(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = live(browse("tess", "/"))
    older = Late(page, "**/attention-counts")
    create(world, "Broken phones")
    older.sent()
    create(world, "Lost faxes")
    counts = page.locator("#attention")
    expect(counts).to_contain_text("3 new, nobody has taken them")

    older.arrive()

    expect(counts).to_contain_text("3 new, nobody has taken them")


def test_a_failed_change_shows_what_others_have_set_meanwhile(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = live(browse("tess", "/"))
    sent = held(page)
    status = page.get_by_role("row", name="Contoso").locator(".status")
    status.focus()
    page.keyboard.press("2")
    route = sent()
    change(world, "Contoso", "closed")
    expect(status).to_have_text("Closed")

    route.fulfill(status=503, json={"detail": "Try again shortly."})

    expect(page.locator(".toast.wrong")).to_contain_text("Not changed. Try again shortly.")
    expect(status).to_have_text("Closed")


def test_two_quick_changes_of_one_place_never_show_the_first_again(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = live(browse("tess", "/"))
    status = page.get_by_role("row", name="Contoso").locator(".status")
    status.evaluate(
        "element => { globalThis.shown = []; new MutationObserver(() => shown.push(element.textContent.trim()))"
        ".observe(element, { childList: true }); }"
    )
    first = Late(page, "**/assignments/bulk")
    status.focus()
    page.keyboard.press("2")
    page.keyboard.press("3")
    first.sent()
    with page.expect_response("**/assignments/bulk"):
        first.arrive()

    expect(page.locator(".toast")).to_contain_text("In progress")
    expect(status).to_have_text("In progress")
    shown = page.evaluate("shown.filter((text, index) => text !== shown[index - 1])")
    assert shown == ["Investigating", "In progress"]


def test_two_conflicts_are_asked_one_after_the_other(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = browse("tess", "/", before=without_updates)
    for company in ("Contoso", "Fabrikam"):
        change(world, company, "closed")
    late = []
    for company in ("Contoso", "Fabrikam"):
        late.append(Late(page, "**/assignments/bulk"))
        page.get_by_role("row", name=company).locator(".status").focus()
        page.keyboard.press("2")
        late[-1].sent()
    for response in late:
        response.arrive()

    dialog = page.get_by_role("dialog", name="Someone else changed this")
    for company in ("Contoso", "Fabrikam"):
        expect(dialog).to_contain_text(f"{company} in “Slow mail” was set to Closed by Omar Reyes")
        dialog.get_by_role("button", name="Keep mine").click()
        expect(page.get_by_role("row", name=company).locator(".status")).to_have_text("Investigating")
    expect(dialog).to_be_hidden()
    expect(page.locator(".toast")).to_have_count(2)
    found = world.client().call("GET", "/api/issues/Slow%20mail", 200)["assignments"]
    assert [each["status"] for each in found] == ["investigating", "investigating"]


def test_a_late_review_does_not_replace_the_one_that_is_shown(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = browse("tess", "/")
    page.get_by_label("All of Slow mail").check()
    first = Late(page, "**/assignments/review")
    resolved = page.get_by_role("group", name="Set the status").get_by_role("button", name="Resolved")
    resolved.click()
    first.sent()
    expect(resolved).to_have_css("cursor", "progress")
    page.keyboard.press("4")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Set to Monitoring?")).to_be_visible()
    dialog.get_by_label("Contoso").uncheck()

    first.arrive()

    expect(dialog.get_by_role("heading", name="Set to Monitoring?")).to_be_visible()
    expect(dialog.get_by_label("Contoso")).not_to_be_checked()


def test_parts_are_updated_during_a_steady_stream_of_changes(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    page = live(browse("tess", f"/issues/{issue_id}"))
    history = page.locator("#history li")
    before = history.count()
    for number in range(25):
        change(world, "Contoso", "monitoring" if number % 2 else "investigating")
        page.wait_for_timeout(200)

    assert history.count() > before + 3


def test_a_failed_request_for_the_parts_is_repeated(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    page = live(browse("tess", f"/issues/{issue_id}", watched=False))
    page.route(f"**/issues/{issue_id}", lambda route: route.fulfill(status=503), times=1)
    change(world, "Contoso", "monitoring")

    expect(page.locator("#history")).to_contain_text("Omar Reyes set Contoso to Monitoring")


def test_the_history_includes_what_the_results_already_show(world: World, browse: Browse) -> None:
    """After an interruption, newer results may be on the page before the stream sends their events."""
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    page = live(browse("tess", f"/issues/{issue_id}", watched=False))
    world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json={"description": "Since noon"})
    button = page.get_by_role("button", name="Show 1 update")
    expect(button).to_be_visible()
    expect(page.locator("#history")).to_contain_text("description")
    without_updates(page)
    page.evaluate("dispatchEvent(new Event('offline'))")
    expect(page.locator("#connection")).to_have_attribute("data-state", "broken")
    change(world, "Contoso", "monitoring")
    button.click()
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("Monitoring")

    page.unroute("**/api/events/stream")
    page.evaluate("dispatchEvent(new Event('online'))")
    live(page)
    expect(page.locator("#history")).to_contain_text("Omar Reyes set Contoso to Monitoring")
