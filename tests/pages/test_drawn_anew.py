"""Parts of a page are redrawn while a user works: selection, note, focus and position remain, and counts are
updated.
"""

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.chromium import WIDE, ready
from tests.pages.conftest import NARROW, Browse, saved
from tests.world import COMPANIES, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def change(world: World, company: str, status: str, issue: str = "Slow mail") -> None:
    body = {"issue_name": issue, "company_name": company, "status": status}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=body)


def live(page: Page) -> Page:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return page


def box(page: Page, name: str) -> Locator:
    return page.get_by_role("row", name=name).get_by_role("checkbox", name=name)


def test_selection_note_and_focus_remain_when_updates_are_shown(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = live(browse("tess", "/"))
    box(page, "Contoso").check()
    note = page.locator(".bulk [name=note]")
    note.fill("Called all of them")
    page.get_by_role("row", name="Fabrikam").locator(".status").focus()

    world.given_issue("Broken phones", {"Acme Manufacturing": "new"})
    page.get_by_role("button", name="Show 2 updates").click()

    expect(page.get_by_role("link", name="Broken phones")).to_be_visible()
    expect(box(page, "Contoso")).to_be_checked()
    expect(box(page, "Acme Manufacturing")).not_to_be_checked()
    expect(page.locator("#picked")).to_have_text("1 selected")
    expect(note).to_have_value("Called all of them")
    expect(page.get_by_role("row", name="Fabrikam").locator(".status")).to_be_focused()


UNCOVERED = """button => {
  const { left, right, top, bottom } = button.getBoundingClientRect();
  const overlaps = (box) => box.left < right && box.right > left && box.top < bottom && box.bottom > top;
  return [...document.querySelectorAll(":is(a, button, input, select, summary, h1, td, th, p)")]
    .filter((each) => each !== button && each.checkVisibility() && overlaps(each.getBoundingClientRect()))
    .map((each) => each.outerHTML.slice(0, 80));
}"""


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_button_for_updates_covers_nothing_and_moves_nothing(
    world: World, browse: Browse, viewport: ViewportSize
) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    group = {"name": "North", "company_names": ["Contoso"]}  # the page of the issue then has fields above the companies
    world.client("ada").call("POST", "/api/company-groups", 201, json=group)
    places = "() => [...document.querySelectorAll('#results *')].map(each => each.getBoundingClientRect().toJSON())"
    for path in ("/", "/matrix", f"/issues/{issue_id}"):
        page = live(browse("tess", path, viewport=viewport))
        # On a narrow screen, a script loads the list that the matrix is replaced with.
        expect(page.locator("#results :is(.list, td)").filter(visible=True).first).to_be_visible()
        before = page.evaluate(places)
        world.client("omar").call("PUT", "/api/issues/Slow%20mail", 200, json={"description": f"Seen on {path}"})

        button = page.get_by_role("button", name="Show 1 update")
        expect(button).to_be_visible()
        assert button.evaluate(UNCOVERED) == [], path
        assert page.evaluate(places) == before, path

        button.press("Enter")
        expect(button).to_be_hidden()
        expect(page.locator("#results")).to_be_focused()


def test_many_changes_of_one_request_cause_few_layouts(world: World, browse: Browse) -> None:
    """A layout of hundreds of rows for each of them made the page unusable for most of a minute."""
    names = [f"Branch {number}" for number in range(60)]
    world.given_companies(*names)
    issue_id = world.given_issue("Slow mail", dict.fromkeys(names, "new"))
    world.client("ada").call("POST", "/api/company-groups", 201, json={"name": "Branches", "company_names": names})
    page = live(browse("tess", f"/issues/{issue_id}"))
    browser = page.context.new_cdp_session(page)
    browser.send("Performance.enable")

    def count(name: str) -> int:
        metrics = browser.send("Performance.getMetrics")["metrics"]
        return int(next(one["value"] for one in metrics if one["name"] == name))

    before = count("LayoutCount")
    body = {"issue_name": "Slow mail", "status": "monitoring", "companies": None}
    world.client("omar").call("POST", "/api/issues/status/bulk", 200, json=body)
    expect(page.locator("tr.fresh .status.monitoring")).to_have_count(60)
    assert count("LayoutCount") - before < 30

    before = count("RecalcStyleCount")
    page.get_by_label("Select the companies of").select_option("Branches")
    expect(page.locator("#picked")).to_have_text("60 selected")
    assert count("RecalcStyleCount") - before < 30

    # The browser inserts a button for another form in a time that grows with the number of buttons.
    world.client("omar").call("PUT", "/api/issues/Slow mail", 200, json={"description": "It is the relay."})
    page.get_by_role("button", name="Show 1 update").click()
    expect(page.locator("#updates")).to_be_hidden()
    expect(page.locator("#picked")).to_have_text("60 selected")
    assert (
        page.locator("#results button").evaluate_all("(all) => all.filter((each) => each.form.id === 'change')") == []
    )
    page.locator(".status").first.click()
    expect(page.locator("#status-menu")).to_be_visible()


COUNT_SEARCHES = """() => {
  globalThis.searches = 0;
  for (const name of ["querySelector", "querySelectorAll", "getElementsByClassName"]) {
    const search = Document.prototype[name];
    Document.prototype[name] = function (text) {
      searches += /list|matrix|data-(on|issue|redraw)/.test(text);
      return search.call(this, text);
    };
  }
}"""


def test_many_changes_of_one_request_do_not_search_the_matrix_each(world: World, browse: Browse) -> None:
    """With all columns it can have 60,000 cells, and a search through them for each changed one took half a minute."""
    names = [f"Branch {number}" for number in range(60)]
    world.given_companies(*names)
    world.given_issue("Slow mail", dict.fromkeys(names, "new"))
    page = live(browse("tess", "/matrix?columns=all"))
    page.evaluate(COUNT_SEARCHES)

    body = {"issue_name": "Slow mail", "status": "monitoring", "companies": None}
    world.client("omar").call("POST", "/api/issues/status/bulk", 200, json=body)

    expect(page.get_by_role("gridcell", name="Monitoring")).to_have_count(60)
    assert page.evaluate("searches") < 10
    expect(page.locator(".matrix tbody th b")).to_have_text("60")
    expect(page.locator("td.fresh").first).to_be_visible()


def test_a_note_remains_when_filters_change(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Fabrikam": "new"})
    page = browse("tess", "/")
    box(page, "Contoso").check()
    page.locator(".bulk [name=note]").fill("Called all of them")

    page.get_by_label("Search issues").fill("mail")
    page.wait_for_url("**/?search=mail")

    expect(page.locator(".list tbody")).to_have_count(1)
    expect(box(page, "Contoso")).to_be_checked()
    expect(page.locator(".bulk [name=note]")).to_have_value("Called all of them")
    expect(page.get_by_label("Search issues")).to_be_focused()


def test_the_matrix_keeps_its_scroll_position(world: World, browse: Browse) -> None:
    names = [f"Customer {number:02}" for number in range(30)]
    world.given_companies(*names)
    for number in range(40):
        world.given_issue(f"Fault {number:02}", dict.fromkeys(names, "new"))
    page = live(browse("tess", "/matrix", viewport={"width": 1000, "height": 700}))
    cell = page.locator("tr", has_text="Fault 30").locator("td").nth(25)
    cell.click(modifiers=["Control"])
    expect(page.locator("#picked")).to_have_text("1 selected")
    frame = page.locator(".matrix-frame")
    place = "frame => [frame.scrollLeft, frame.scrollTop, scrollY]"
    before = frame.evaluate(place)
    assert before[0] > 0

    world.given_issue("Fault 99", {"Contoso": "new"})
    page.get_by_role("button", name="updates").evaluate("button => button.click()")

    expect(page.get_by_role("link", name="Fault 99")).to_have_count(1)
    expect(cell).to_have_attribute("aria-selected", "true")
    expect(page.locator("#picked")).to_have_text("1 selected")
    expect(cell).to_be_focused()
    assert frame.evaluate(place) == before


def test_the_counts_of_an_issue_are_updated(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = live(browse("tess", f"/issues/{issue_id}"))
    opened = page.locator(".facts time").nth(1).get_attribute("datetime")
    expect(page.get_by_text("2 of 2 open")).to_be_visible()

    change(world, "Contoso", "resolved")
    expect(page.get_by_text("1 of 2 open")).to_be_visible()
    assert page.locator(".facts time").nth(1).get_attribute("datetime") != opened
    expect(page.get_by_role("link", name="Resolve for everyone")).to_be_visible()

    page.get_by_role("row", name="Fabrikam").locator(".status").focus()
    with saved(page):
        page.keyboard.press("5")
    expect(page.get_by_text("0 of 2 open")).to_be_visible()
    expect(page.get_by_role("link", name="Resolve for everyone")).to_have_count(0)
    change(world, "Contoso", "new")
    expect(page.get_by_role("link", name="Resolve for everyone")).to_be_visible()


def test_the_counts_of_companies_are_updated(world: World, browse: Browse) -> None:
    ids = world.given_companies("Contoso")
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Contoso": "new"})
    one, all_ = live(browse("tess", f"/companies/{ids['Contoso']}")), live(browse("tess", "/companies"))
    expect(one.get_by_role("heading", name="2 open")).to_be_visible()
    expect(all_.get_by_role("row", name="Contoso").locator(".num")).to_have_text("2")

    change(world, "Contoso", "resolved")

    expect(one.get_by_role("heading", name="1 open")).to_be_visible()
    expect(all_.get_by_role("row", name="Contoso").locator(".num")).to_have_text("1")


def test_the_counts_of_an_issue_in_the_list_are_updated(world: World, browse: Browse) -> None:
    names = [*COMPANIES, "Northwind", "Tailspin"]
    world.given_companies(*names)
    world.given_issue("Slow mail", dict.fromkeys(names, "new"))
    page = live(browse("tess", "/"))
    counts = page.locator(".list .counts")
    expect(counts).to_have_text("8 New")

    page.locator(".list tr[data-on] .status").first.focus()
    page.keyboard.press("2")

    expect(counts.locator(".state")).to_have_text(["7 New", "1 Investigating"])


def test_an_older_page_of_the_history_is_not_updated(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    for number in range(31):
        change(world, "Contoso", "monitoring")
        change(world, "Contoso", f"{'investigating' if number % 2 else 'in_progress'}")
    page = browse("tess", f"/issues/{issue_id}")
    page.get_by_role("link", name="Older").click()
    ready(page)
    live(page)
    expect(page.locator("#history li")).to_have_count(4)

    change(world, "Contoso", "resolved")

    expect(page.get_by_text("0 of 1 open")).to_be_visible()
    expect(page.locator("#history li")).to_have_count(4)


def test_updates_are_shown_after_a_rejected_form(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones")
    page = browse("tess", f"/issues/{issue_id}")
    page.get_by_text("Edit this issue").click()
    page.get_by_label("Name", exact=True).fill("broken PHONES")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-name-about")).to_contain_text("already exists")
    expect(page).to_have_url(f"{world.server.url}/issues/{issue_id}")
    ready(page)
    live(page)

    change(world, "Fabrikam", "new")
    expect(page.get_by_text("2 of 2 open")).to_be_visible()
    page.get_by_role("button", name="Show 1 update").click()

    expect(page.get_by_role("row", name="Fabrikam")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("broken PHONES")


def test_the_activity_counts_only_matching_updates(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    queries = {"issueName=broken phones": (2, 2), "companyName=FABRIKAM": (1, 1), "type=issue.created": (1, 2)}
    pages = {query: live(browse("tess", f"/activity?{query}")) for query in queries}

    change(world, "Contoso", "resolved")
    world.client("omar").call("POST", "/api/issues", 201, json={"name": "Broken phones"})
    change(world, "Fabrikam", "new", issue="Broken phones")

    for query, (matching, entries) in queries.items():
        button = pages[query].get_by_role("button", name=f"{matching} update")
        expect(button, query).to_be_visible()
        button.click()
        expect(pages[query].locator(".history li"), query).to_have_count(entries)
