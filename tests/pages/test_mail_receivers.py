"""The page of a receiver of email: it is created, its patterns are tried and saved, and a message opens an issue."""

import pytest
from playwright.sync_api import expect

from tests.alerts.mail.sending import listening, message
from tests.alerts.test_alerts import statuses
from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_patterns_can_be_tried_and_saved(world: World, browse: Browse) -> None:
    page = browse("ada", "/admin/alerts")
    page.get_by_text("New receiver").click()
    page.get_by_label("Name", exact=True).fill("RMM")
    page.get_by_label("Sender").select_option("email")
    page.get_by_role("button", name="Create receiver").click()
    address = page.locator("code.secret").inner_text()
    page.goto("/admin/alerts")
    page.get_by_role("link", name="RMM", exact=True).click()
    page.get_by_role("button", name="Try").click()
    expect(page.locator(".note.done")).to_contain_text("The alert is firing: “Line down” for Contoso")
    page.get_by_label("Patterns for the subject").fill("(")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Patterns for the subject")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Patterns for the subject").fill(r"^(?P<state>\w+) - (?P<issue>.+)$")
    page.get_by_label("A message to try").fill("Subject: FAILED - <b>Backup</b>\nPrecedence: bulk\n\nCompany: Nobody")
    page.get_by_role("button", name="Try").click()
    expect(page.locator(".note.done")).to_contain_text("would be ignored: it is marked as mass mail")
    page.get_by_label("Also accept messages that are marked as automatic").check()
    page.get_by_role("button", name="Try").click()
    expect(page.locator(".note.done")).to_contain_text("unsorted: no company is called “Nobody”")
    expect(page.locator(".note.done")).to_contain_text("issue: <b>Backup</b>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The patterns have been saved.")).to_be_visible()
    with listening(world) as mail:
        assert mail.send(address, message("FAILED - Backup", "Company: Contoso"))[0] == 250
    assert statuses(world, "Backup") == {"Contoso": "investigating"}
    page.get_by_role("link", name="RMM", exact=True).click()
    expect(page.get_by_label("A message to try")).to_have_value(
        "From: rmm@monitoring.example\nSubject: FAILED - Backup\n\nCompany: Contoso"
    )
