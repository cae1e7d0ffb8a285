"""A fault that affects a hundred companies: content that does not fit is folded, and nothing is wider than the
screen.
"""

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import WIDE, ready
from tests.pages.conftest import NARROW, Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

COMPANIES = 100
"""More than the matrix shows at first, and than fits on a screen of any page."""
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


def members() -> dict[str, str]:
    """Names of 1 to 255 letters, with and without line-break opportunities; 20 are finished, 80 are not."""
    statuses = ["resolved"] * 10 + ["closed"] * 10
    for status in ("new", "investigating", "in_progress", "monitoring"):
        statuses += [status] * 20
    found: dict[str, str] = {}
    for number, status in enumerate(statuses):
        shapes = (
            f"{number}",
            f"Northern Branch Office {number}",
            (f"{number} " + "Holding of the United Northern Branch Offices " * 6)[:255].strip(),
            (f"{number}{LONG * 4}")[:255],
        )
        found[shapes[number % 4]] = status
    return found


def scene(world: World) -> dict[str, int]:
    names = members()
    assert len(names) == COMPANIES
    ids = world.given_companies(*names)
    companies = [{"company_name": name, "status": status} for name, status in names.items()]
    body = {"name": (LONG * 4)[:255], "description": LONG * 10, "companies": companies}
    issue = world.client("omar").call("POST", "/api/issues", 201, json=body)
    return {"issue": issue["issue_id"], "company": max(ids.values())}


def fits(page: Page) -> None:
    """Checks, wide and narrow, that the page does not scroll horizontally and that no text overflows, except in
    elements that scroll by design: the matrix, and on a phone the row of filters.
    """
    beyond = "[...document.querySelectorAll('main a, main button, main h1, main p, dialog[open] *')].filter(e =>"
    beyond += " e.checkVisibility() && !e.closest('.matrix-frame, .filters .second') &&"
    beyond += " e.getBoundingClientRect().right > innerWidth)"
    for viewport in (NARROW, WIDE):
        page.set_viewport_size(viewport)
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth"), page.url
        assert page.evaluate(f"{beyond}.map(e => e.outerHTML.slice(0, 200))") == [], page.url


def test_every_page_fits_and_long_content_is_folded(world: World, browse: Browse) -> None:
    ids = scene(world)
    page = browse("ada", "/")

    expect(page.locator(".list tr[data-on]")).to_have_count(5)
    expect(page.get_by_role("link", name="95 more")).to_be_visible()
    expect(page.locator(".list .counts")).to_contain_text("20 Monitoring")
    last = page.locator(".filters").get_by_role("link", name="Overdue")
    for viewport in (WIDE, NARROW):
        page.set_viewport_size(viewport)
        last.scroll_into_view_if_needed()
        expect(last).to_be_in_viewport(ratio=1)
    fits(page)
    for path in ("/companies", "/activity", "/assignments?on={issue}-{company}", "/admin/companies"):
        page.goto(path.format(**ids))
        ready(page)
        fits(page)

    page.goto("/matrix")
    ready(page)
    expect(page.locator(".matrix thead th[data-company]")).to_have_count(60)
    fits(page)
    page.get_by_role("link", name="Show all 100 companies").click()
    expect(page.locator(".matrix thead th[data-company]")).to_have_count(100)
    fits(page)

    page.goto(f"/issues/{ids['issue']}")
    ready(page)
    expect(page.get_by_text("80 of 100 open")).to_be_visible()
    folded = page.locator("details.fold")
    expect(folded.locator("summary")).to_have_text("20 resolved or closed")
    expect(folded.locator("tr[data-on]").first).to_be_hidden()
    expect(page.locator("#history li")).to_have_count(7)  # one for each status, and the creation of the issue
    expect(page.locator("#history summary", has_text="companies").first).to_be_visible()
    expect(page.locator("#history details[open]")).to_have_count(0)
    fits(page)
    page.evaluate("document.querySelectorAll('details').forEach(each => (each.open = true))")
    expect(folded.locator("tr[data-on]").last).to_be_visible()
    fits(page)

    # So does the confirmation of a change of all of them.
    page.get_by_role("link", name="Resolve for everyone").click()
    dialog = page.get_by_role("dialog", name="Resolve for everyone?")
    button = dialog.get_by_role("button", name="Resolve 80")

    for viewport in (NARROW, WIDE):
        page.set_viewport_size(viewport)
        expect(button).to_be_in_viewport()
    expect(dialog.locator("summary")).to_have_text("20 skipped")
    expect(dialog.locator("details li").first).to_be_hidden()
    fits(page)
    button.click()
    expect(page.locator("#toasts")).to_contain_text("80 companies set to Resolved.")
    found = world.client().call("GET", f"/api/issues?companyId={ids['company']}", 200)
    assert found["items"][0]["assignments"][0]["status"] == "resolved"
