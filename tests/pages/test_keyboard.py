"""The main workflow can be completed with the keyboard alone; shortcuts are off while the user types."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.chromium import ready
from tests.pages.conftest import Browse
from tests.world import PASSWORD, World


def reach(page: Page, target: Locator, key: str = "Tab") -> None:
    """Presses Tab, starting at the current focus, until the target has the focus."""
    expect(target).to_be_visible()
    for _ in range(60):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} does not reach {target}")


def test_an_issue_can_be_resolved_by_keyboard_after_signing_in(world: World, browse: Browse) -> None:
    page = browse(None, "/login")
    page.keyboard.press("Tab")
    page.keyboard.type("tess@helpdesk.example")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("No issues yet").or_(page.get_by_text("Nothing matches"))).to_be_visible()
    ready(page)

    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="New issue")).to_be_visible()
    ready(page)
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("Slow mail n j 5 ?")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("Contoso")
    page.keyboard.press("Enter")
    page.keyboard.type("Fabrikam")
    reach(page, page.get_by_role("button", name="Create issue"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Slow mail n j 5 ?")).to_be_visible()
    ready(page)

    reach(page, page.get_by_role("navigation", name="Main").get_by_role("link", name="Issues"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Issues")).to_be_visible()
    ready(page)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("slow")
    expect(page).to_have_url(f"{world.server.url}/?search=slow&open=true")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    contoso, fabrikam = (page.get_by_role("row", name=name).locator(".status") for name in ("Contoso", "Fabrikam"))
    expect(contoso).to_be_focused()
    page.keyboard.press("J")  # as with Caps Lock
    expect(fabrikam).to_be_focused()
    page.keyboard.press("k")
    expect(contoso).to_be_focused()
    page.keyboard.press("5")
    expect(contoso).to_have_text("Resolved")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#picked")).to_have_text("1 selected")
    reach(page, page.get_by_role("group", name="Set the status").get_by_role("button", name="Resolved"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("button", name="Resolve 1")).to_be_focused()
    page.keyboard.press("Enter")
    expect(fabrikam).to_have_text("Resolved")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_escape_leaves_a_filter_without_losing_its_text(world: World, browse: Browse) -> None:
    page = browse("tess", "/")
    for path, label, query in (
        ("/", "Search issues", "search=mail"),
        ("/", "Company", "companyName=mail"),
        ("/matrix", "Search issues", "search=mail"),
        ("/companies", "Search companies", "search=mail"),
        ("/activity", "Issue", "issueName=mail"),
    ):
        if page.url != world.server.url + path:
            page.goto(path)
            ready(page)
        field = page.get_by_label(label, exact=True)
        reach(page, field)
        page.keyboard.type("mail")
        page.keyboard.press("Escape")

        expect(field).not_to_be_focused()
        expect(field).to_have_value("mail")
        page.wait_for_url(f"**{path}?{query}")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_escape_does_not_move_the_focus_out_of_other_fields(world: World, browse: Browse) -> None:
    page = browse("tess", "/issues/new")
    name = page.get_by_label("Name", exact=True)
    reach(page, name)
    page.keyboard.type("Slow")
    page.keyboard.press("Escape")
    page.keyboard.type(" mail")

    expect(name).to_have_value("Slow mail")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_help_opens_and_returns_the_focus(world: World, browse: Browse) -> None:
    page = browse("tess", "/")
    button = page.get_by_role("button", name="Keyboard shortcuts")
    reach(page, button)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()
    expect(button).to_be_focused()


def test_shortcuts_of_a_single_key_can_be_switched_off(world: World, browse: Browse) -> None:
    """Whoever enters text by speech would press them with every word (WCAG 2.1.4)."""
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    page.keyboard.press("?")
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    box = page.get_by_role("dialog").get_by_label("Use the shortcuts that are a single key")
    box.uncheck()
    page.keyboard.press("Escape")
    page.reload()
    ready(page)
    for key in ("j", "?", "n"):
        page.keyboard.press(key)
    status = page.get_by_role("row", name="Contoso").locator(".status")
    expect(status).not_to_be_focused()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(f"{world.server.url}/")
    page.keyboard.press("Control+K")  # as with Caps Lock
    expect(page.get_by_role("dialog", name="Quick find")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(box).not_to_be_checked()
    box.check()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(status).to_be_focused()
