"""Properties of all pages: the navigation on a phone, printing, shortcuts; and the state of webhooks."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert

from issue_tracker.clock import now
from issue_tracker.database.tables import deliveries, delivery_attempts
from tests.chromium import WIDE, ready
from tests.pages.axe import violations
from tests.pages.conftest import NARROW, Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

PATHS = (
    "/",
    "/matrix",
    "/issues/new",
    "/issues/{issue}",
    "/companies",
    "/companies/{company}",
    "/activity",
    "/account",
    "/admin/users",
    "/admin/companies",
    "/admin/company-groups",
    "/admin/webhooks",
)


def paths(world: World) -> list[str]:
    issue = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "resolved"})
    ids = {"issue": issue, "company": world.given_companies("Contoso")["Contoso"]}
    return [path.format(**ids) for path in PATHS]


def test_a_phone_shows_the_list_immediately(world: World, browse: Browse) -> None:
    """The navigation is a menu, so that the first row is near the top; the menu of a row has large targets."""
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "resolved"})
    page = browse("ada", "/?open=true", viewport=NARROW)
    row = page.locator(".list tbody").first
    assert row.bounding_box()["y"] < 200  # type: ignore[index]  # it is visible
    row.locator(".status").first.click()
    for choice in page.locator("#status-menu .choice").all():
        assert choice.bounding_box()["height"] >= 44  # type: ignore[index]  # it is visible
    expect(page.locator("#status-menu kbd").first).to_be_hidden()
    page.keyboard.press("Escape")

    for plain in (False, True):
        if plain:
            page = browse("ada", "/?open=true", viewport=NARROW, java_script_enabled=False)
        navigation, button = (
            page.get_by_role("navigation", name="Main"),
            page.get_by_role("button", name="Menu: Issues"),
        )
        expect(navigation).to_be_hidden()
        button.click()
        for link in navigation.get_by_role("link").all():
            assert link.bounding_box()["height"] >= 44  # type: ignore[index]  # it is visible
        if not plain:
            assert violations(page) == []
            page.keyboard.press("Escape")
            expect(navigation).to_be_hidden()
            expect(button).to_be_focused()
            button.click()
        navigation.get_by_role("link", name="Handover").click()
        expect(page.get_by_role("button", name="Menu: Handover")).to_be_visible()


SHOWN = """(selector) => [...document.querySelectorAll(selector)]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }) && each.getBoundingClientRect().height > 0)
  .map((each) => each.outerHTML.slice(0, 100))"""
"""Returns the visible elements that a selector matches."""

FRAMES = """() => [...document.querySelectorAll("main, main *")]
  .filter((each) => each.checkVisibility() && ["auto", "scroll"].includes(getComputedStyle(each).overflowY))
  .map((each) => each.outerHTML.slice(0, 100))"""
"""Returns the visible elements of which only a part may be visible, because they can be scrolled."""


BLUE_LINKS = """() => [...document.querySelectorAll("main a")].filter((link) => {
  const [red, , blue] = getComputedStyle(link).color.match(/[0-9.]+/g).map(Number);
  return link.checkVisibility() && blue > red + 60;
}).map((link) => link.outerHTML.slice(0, 100))"""
"""Returns the visible links in the colour of links."""


def test_pages_can_be_printed_and_used_by_keyboard(world: World, browse: Browse) -> None:
    page = browse("ada", "/")
    for path in paths(world):
        page.goto(path)
        ready(page)
        page.emulate_media(media="print")
        assert page.evaluate(SHOWN, ".top, .filters input, .bulk, .actions, .toasts, .sections") == [], path
        assert len(page.evaluate(SHOWN, "main")) == 1, path
        # Paper is as narrow as a phone, but its tables have columns, also that of the matrix.
        page.set_viewport_size({"width": 720, "height": 1000})
        heads = "main table thead:not(.unseen)"
        assert len(page.evaluate(SHOWN, heads)) == page.locator(heads).count(), path
        assert page.evaluate(FRAMES) == [], path
        assert page.evaluate(BLUE_LINKS) == [], path
        page.set_viewport_size(WIDE)
        page.emulate_media(media="screen")
        check_shortcuts(page, path)


def check_shortcuts(page: Page, path: str) -> None:
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()
    page.evaluate("document.activeElement.blur()")
    if page.locator("main :is(.table tbody, .history, tr[data-on], .matrix) a").count():
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.closest('main') !== null"), f"{path}: j"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    expect(page.locator("#search, #find-text").locator("visible=true")).to_be_focused()


def test_the_state_of_a_webhook_is_shown(world: World, browse: Browse) -> None:
    body = {"url": "https://hooks.helpdesk.example/issues", "active": False}
    hook = world.client("ada").call("POST", "/api/webhooks", 201, json=body)["id"]
    world.client("ada").call("PUT", f"/api/webhooks/{hook}", 200, json={**body, "active": True})
    at = now()
    values = {"webhook_id": hook, "message_id": "msg_1", "type": "issue.created", "body": "{}", "attempts": 2}
    with world.database.write() as tx:
        times = {"due_at": at + timedelta(hours=1), "created_at": at - timedelta(hours=2)}
        delivery = tx.execute(insert(deliveries).values(**values, state="pending", **times)).inserted_primary_key
        assert delivery is not None
        for minutes, code, answer in ((0, None, None), (90, 200, "ok"), (60, 500, "boom"), (30, 503, "Back at noon")):
            tx.execute(
                insert(delivery_attempts).values(
                    delivery_id=delivery[0],
                    at=at - timedelta(minutes=minutes),
                    code=code,
                    milliseconds=12,
                    answer=answer,
                )
            )

    page = browse("ada", "/admin/webhooks")
    row = page.get_by_role("row", name="https://hooks.helpdesk.example/issues")
    expect(row).to_contain_text("Failing: 2 attempts failed, the last")
    expect(row).to_contain_text("with 503")
    expect(row).to_contain_text("Last delivered")
    expect(row).to_contain_text("Next attempt")
    row.get_by_role("link").click()
    expect(page.locator("main")).to_contain_text("Failing: 2 attempts failed")
    page.get_by_text("Response", exact=True).last.click()
    expect(page.get_by_text("Back at noon")).to_be_visible()
