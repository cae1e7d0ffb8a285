"""The page of a status feed: it is tried, saved and polled, and shows how that goes."""

from ipaddress import ip_network

import pytest
from playwright.sync_api import expect

from tests.alerts.feeds.supplier import GROUP, Poller, incident, statuspage, supplier_page
from tests.alerts.test_alerts import statuses
from tests.pages.axe import violations
from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
NAME = "Contoso Fibre: <b>No connections</b>"


def test_a_feed_is_tried_saved_and_polled(world: World, browse: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    poller = Poller(world)
    monkeypatch.setattr("issue_tracker.alerts.feeds.polling.networks", lambda _: [ip_network("127.0.0.0/8")])
    companies = {"name": GROUP, "company_names": ["Contoso", "Fabrikam"]}
    world.client("ada").call("POST", "/api/company-groups", 201, json=companies)
    with supplier_page() as supplier:
        page = browse("ada", "/admin/alerts")
        page.get_by_role("link", name="New status feed").click()
        page.get_by_label("Supplier", exact=True).fill("Contoso Fibre")
        page.get_by_label("Address of the feed").fill(supplier.url)
        page.get_by_label("Companies that depend on the supplier").select_option(GROUP)
        supplier.show("<html>")
        page.get_by_role("button", name="Try").click()
        expect(page.get_by_text("The feed is neither JSON nor well-formed XML.")).to_be_visible()
        expect(page.get_by_label("Address of the feed")).to_have_attribute("aria-invalid", "true")
        supplier.show(statuspage(incident(title="<b>No connections</b>"), incident("2", "Old", "resolved")))
        page.get_by_role("button", name="Try").click()
        expect(page.locator(".note.done")).to_contain_text(f"it would open “{NAME}” for 2 companies: Contoso, Fabrikam")
        assert world.client().call("GET", "/api/issues", 200)["total"] == 0
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("The feed has been added.")).to_be_visible()
        assert poller.poll(0) == 1
        issue = world.client().call("GET", "/api/issues", 200)["items"][0]["name"]
        assert issue == NAME
        supplier.code = 503
        poller.poll()
        page.reload()
        expect(page.get_by_role("row", name="Contoso Fibre")).to_contain_text("The response was 503 instead of 200.")
        page.get_by_role("link", name="Contoso Fibre", exact=True).click()
        expect(page.locator(".note.wrong")).to_contain_text(
            "The response was 503 instead of 200. Its alerts remain as they are."
        )
        assert violations(page) == []
        page.get_by_label("Minutes between two polls").fill("0")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_label("Minutes between two polls")).to_have_attribute("aria-invalid", "true")
        page.get_by_label("Minutes between two polls").fill("15")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved. The feed is polled within seconds.")).to_be_visible()
        supplier.code = 200
        supplier.show(statuspage())
        assert poller.poll(0) == 1
        page.reload()
        expect(page.get_by_role("row", name="Contoso Fibre")).to_contain_text("0 open")
    assert set(statuses(world, NAME.replace("/", "%2F")).values()) == {"resolved"}
