"""The list opens in the order of attention, below the counts of issues that need attention."""

import pytest
from playwright.sync_api import expect

from tests.pages.axe import violations
from tests.pages.conftest import NARROW, Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_issues_that_need_attention_are_first_and_counted(world: World, browse: Browse) -> None:
    world.given_issue("Alpha, owned", {"Contoso": "investigating"})
    world.given_issue("Beta, unowned", {"Contoso": "monitoring"})
    world.clock.advance(days=4)
    world.given_issue("Gamma, new", {"Fabrikam": "new"})
    omar = world.client("omar")
    omar.call("PUT", "/api/issues/Alpha, owned", 200, json={"owner": "omar@helpdesk.example"})
    due = {"name": "Delta, late", "next_update_at": world.clock.now().isoformat(), "owner": "omar@helpdesk.example"}
    omar.call("POST", "/api/issues", 201, json=due)
    world.clock.advance(seconds=1)
    page = browse("tess", "/")
    titles, counts = page.locator(".list .title"), page.locator("#attention a")
    by_attention = ["Delta, late", "Beta, unowned", "Gamma, new", "Alpha, owned"]
    expect(titles).to_have_text(by_attention)
    said = ["1 new, nobody has taken it", "1 unmoved for 3 days", "1 update overdue"]
    expect(counts).to_have_text(said)
    assert "sort=attention" in (page.locator("#csv").get_attribute("href") or "")
    assert violations(page) == []

    # Other users work, and the counts are updated while the rest of the page is unchanged.
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    body = {"issue_name": "Beta, unowned", "company_name": "Contoso", "status": "new"}
    omar.call("PUT", "/api/issues/status", 200, json=body)
    expect(counts).to_have_text(["2 new, nobody has taken them", "1 update overdue"])
    expect(titles).to_have_text(by_attention)
    # Under the pointer they do not move, but as soon as it leaves them.
    counts.first.hover()
    with page.expect_response("**/attention-counts"):
        omar.call("PUT", "/api/issues/status", 200, json=body | {"status": "monitoring"})
    page.mouse.move(5, 500)
    expect(counts).to_have_text(["1 new, nobody has taken it", "1 update overdue"])
    omar.call("PUT", "/api/issues/status", 200, json=body)
    expect(counts).to_have_text(["2 new, nobody has taken them", "1 update overdue"])

    counts.first.click()
    page.wait_for_url("**/?status=new&owner=none")
    expect(titles).to_have_text(["Gamma, new", "Beta, unowned"])
    expect(counts.first).to_have_attribute("aria-current", "page")
    expect(page.get_by_label("No owner")).to_be_checked()
    # Another filter replaces this one, and the count is no longer marked.
    page.get_by_label("No owner").uncheck()
    expect(counts.first).not_to_have_attribute("aria-current", "page")

    page.get_by_label("Sort").select_option("By name")
    page.wait_for_url("**sort=name**")
    expect(titles).to_have_text(["Beta, unowned", "Gamma, new"])

    plain = browse("tess", "/", java_script_enabled=False, viewport=NARROW)
    expect(plain.locator("#attention a")).to_have_count(2)
    for link in plain.locator("#attention a").all():
        assert link.bounding_box()["height"] >= 44  # type: ignore[index]  # it is visible
    plain.locator("#attention a").last.click()
    expect(plain.locator(".list .title")).to_have_text(["Delta, late"])
