"""A page distinguishes its own changes from those of others, whatever ids a proxy gives the requests."""

import pytest
from playwright.sync_api import Route, expect

from tests.pages.conftest import Browse
from tests.world import World


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_change_by_another_user_with_the_same_request_id_is_highlighted(world: World, browse: Browse) -> None:
    """A proxy replaces every request id by one of its own."""
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", f"/issues/{issue_id}")

    def replace_id(route: Route) -> None:
        route.continue_(headers={**route.request.headers, "x-request-id": "gateway"})

    page.route("**/assignments/bulk", replace_id)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    row = page.get_by_role("row", name="Contoso")
    row.locator(".status").focus()
    page.keyboard.press("4")
    expect(page.locator("#history")).to_contain_text("Tess Ngo set Contoso to Monitoring")
    expect(row).not_to_have_class("fresh")
    body = {"issue_name": "Slow mail", "company_name": "Contoso", "status": "in_progress"}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=body, headers={"X-Request-ID": "gateway"})
    expect(row.locator(".status")).to_have_text("In progress")
    expect(row).to_have_class("fresh")
