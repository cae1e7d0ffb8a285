"""The pages for alerts: a receiver is created, an unsorted alert leads to a rule, and the next report opens
an issue.
"""

import pytest
from playwright.sync_api import expect

from tests.alerts.test_alerts import statuses
from tests.alerts.test_receivers import send
from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_an_unsorted_alert_can_be_turned_into_a_rule(world: World, browse: Browse) -> None:
    page = browse("ada", "/admin/alerts")
    page.get_by_text("New receiver").click()
    page.get_by_label("Name", exact=True).fill("Prometheus")
    page.get_by_role("button", name="Create receiver").click()
    url = page.locator("code.secret").inner_text()
    page.reload()
    expect(page.get_by_role("row", name="Prometheus")).to_have_count(1)
    expect(page.locator("code.secret")).to_have_count(0)
    path = url.removeprefix(world.server.settings.public_url)
    message = {"alerts": [{"status": "firing", "labels": {"alertname": "DiskFull", "site": "contosso inc"}}]}
    assert send(world, path, message) == {"received": 1, "unsorted": 1}

    page.goto("/alerts?state=unsorted")
    row = page.get_by_role("row", name="DiskFull")
    expect(row).to_contain_text("Prometheus")
    # One click creates the suggested rule, and undo reverts it.
    expect(row).to_contain_text("“DiskFull” for Contoso")
    row.get_by_role("button", name="Create rule for DiskFull").click()
    flash = page.locator("#flash")
    expect(flash).to_contain_text("The rule “DiskFull” has been created. One alert is sorted into “DiskFull”.")
    expect(page.get_by_text("Nothing is unsorted")).to_be_visible()
    assert statuses(world, "DiskFull") == {"Contoso": "investigating"}
    expect(page.get_by_role("link", name="Edit")).to_be_visible()
    flash.get_by_role("button", name="Undo").click()
    expect(flash).to_contain_text("The rule has been deleted. One alert is unsorted again.")
    # The issue, which nobody has touched, is deleted.
    world.client().call("GET", "/api/issues/DiskFull", 404)
    assert world.client().call("GET", "/api/alert-rules", 200)["total"] == 0
    row.get_by_role("link", name="Other rule for DiskFull").click()
    expect(page.get_by_label("Conditions")).to_have_value("alertname = DiskFull")
    expect(page.get_by_label("Company", exact=True)).to_have_value("{site}")
    expect(page.locator(".note.done")).to_contain_text("about “DiskFull” for Contoso")
    page.get_by_label("The company is found by").select_option("name")
    page.get_by_role("button", name="Try").click()
    expect(page.locator(".note.done")).to_contain_text("unsorted: no company is called “contosso inc”")
    page.get_by_label("The company is found by").select_option("likeness")
    page.get_by_label("Issue", exact=True).fill("Disks are full")
    page.get_by_role("button", name="Try").click()
    expect(page.locator(".note.done")).to_contain_text("about “Disks are full” for Contoso")
    page.get_by_label("Conditions").fill("alertname")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Conditions")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Conditions").fill("alertname ~ disk*")
    page.get_by_role("button", name="Save").click()
    expect(flash).to_contain_text("One alert is sorted into “Disks are full”.")
    expect(page.get_by_role("row", name="Disks are full")).to_be_visible()

    page.goto("/alerts")
    page.get_by_role("row", name="Contoso").get_by_role("link", name="Disks are full").click()
    expect(page.get_by_role("heading", name="Disks are full")).to_be_visible()

    page.goto("/admin/alerts")
    page.get_by_role("button", name="Switch off Prometheus").click()
    expect(page.get_by_role("row", name="Prometheus")).to_contain_text("switched off")
    send(world, path, message, 404)
    page.get_by_role("link", name="Delete Prometheus").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The receiver has been deleted.")).to_be_visible()
    expect(page.get_by_text("No receivers")).to_be_visible()
