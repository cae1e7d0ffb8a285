"""Pages in the background: the count in the title, and notifications about the user’s own issues."""

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import ready
from tests.clients import Client
from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

HIDE = """
let hidden = false;
Object.defineProperty(Document.prototype, "hidden", { get: () => hidden });
window.hide = (state) => { hidden = state; document.dispatchEvent(new Event("visibilitychange")); };
"""
NOTIFICATIONS = """
window.shown = [];
window.Notification = class extends EventTarget {
  static permission = "default";
  static requestPermission() { Notification.permission = "granted"; return Promise.resolve("granted"); }
  constructor(title, options) { super(); shown.push(`${title}: ${options.body}`); }
};
if (localStorage.getItem("notifications")) Notification.permission = "granted";
"""
HURRY = "const set = setTimeout; window.setTimeout = (act, ms, ...more) => set(act, ms === 20000 ? 50 : ms, ...more);"


HOLDS_THE_LOCK = "navigator.locks.query().then(({ held }) => held.some(({ name }) => name.endsWith('background')))"


def until(page: Page, condition: str) -> None:
    """Waits for a condition. Playwright's own function needs `eval`, which the policy forbids."""
    for _ in range(400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(condition)


def opened(page: Page, path: str) -> Page:
    """Opens another tab of the same browser, which the test can hide."""
    tab = page.context.new_page()
    tab.add_init_script(HIDE + NOTIFICATIONS + HURRY)
    tab.goto(path)
    ready(tab)
    return tab


def set_status(client: Client, issue: str, status: str) -> None:
    body = {"issue_name": issue, "company_name": "Contoso", "status": status}
    client.call("PUT", "/api/issues/status", 200, json=body)


def test_hidden_tabs_count_changes_and_show_notifications(world: World, browse: Browse) -> None:
    """One of two hidden tabs remains connected; both count, and the connected one shows notifications."""
    world.given_issue("Hers", {"Contoso": "new"})
    world.given_issue("Somebody’s", {"Contoso": "new"})
    omar = world.client("omar")
    omar.call("PUT", "/api/issues/Hers", 200, json={"owner": "tess@helpdesk.example"})
    blank = browse("tess", "/login")
    account = opened(blank, "/account")
    expect(account.locator("#notifications-state")).to_have_text("Off.")
    account.evaluate("Notification.requestPermission = async () => (Notification.permission = 'denied')")
    account.get_by_role("button", name="Turn on notifications").click()
    expect(account.locator("#notifications-state")).to_contain_text("Allow them in its settings.")
    expect(account.locator("#notifications")).to_be_hidden()
    account.reload()
    ready(account)
    account.get_by_role("button", name="Turn on notifications").click()
    expect(account.locator("#notifications-state")).to_have_text("On, in this browser.")
    account.close()

    tabs = [opened(blank, path) for path in ("/", "/activity")]
    for tab in tabs:
        expect(tab.locator("#connection")).to_have_attribute("data-state", "live")
        tab.evaluate("hide(true)")
    until(tabs[0], HOLDS_THE_LOCK)
    set_status(omar, "Somebody’s", "monitoring")
    set_status(omar, "Hers", "monitoring")
    for tab, name in zip(tabs, ("Issues", "Activity"), strict=True):
        expect(tab).to_have_title(f"(2) {name} · Issue Tracker")
    omar.call("POST", "/api/updates", 201, json={"issue_name": "Somebody’s", "body": "The cause is known."})
    for tab, name in zip(tabs, ("Issues", "Activity"), strict=True):
        expect(tab).to_have_title(f"(3) {name} · Issue Tracker")
    until(tabs[0], "shown.length === 1")
    assert [tab.evaluate("shown") for tab in tabs] == [["Hers: Omar Reyes set Contoso to Monitoring"], []]

    # While one tab is visible there are no notifications, and the titles of hidden tabs still count.
    tabs[1].evaluate("hide(false)")
    expect(tabs[1]).to_have_title("Activity · Issue Tracker")
    set_status(omar, "Hers", "resolved")
    expect(tabs[0]).to_have_title("(4) Issues · Issue Tracker")
    expect(tabs[1].locator("#updates")).to_be_visible()
    assert tabs[0].evaluate("shown.length") == 1
    tabs[0].evaluate("hide(false)")
    expect(tabs[0]).to_have_title("Issues · Issue Tracker")
    expect(tabs[0].get_by_role("row", name="Hers").locator(".status")).to_have_text("Resolved")
