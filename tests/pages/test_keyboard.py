"""The keyboard alone gets through the main path; the keys are off while someone types."""

from playwright.sync_api import expect

from tests.pages.conftest import Browse
from tests.world import PASSWORD, World


def test_from_signing_in_to_resolving(world: World, browse: Browse) -> None:
    page = browse(None, "/login")
    page.keyboard.press("Tab")
    page.keyboard.type("tess@helpdesk.example")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("No issues yet").or_(page.get_by_text("Nothing matches"))).to_be_visible()
    page.wait_for_selector("html[data-ready]")

    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="New issue")).to_be_visible()
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("Slow mail n j 5 ?")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("Contoso")
    page.keyboard.press("Enter")
    page.keyboard.type("Fabrikam")
    page.get_by_role("button", name="Create issue").press("Enter")
    expect(page.get_by_role("heading", name="Slow mail n j 5 ?")).to_be_visible()

    page.goto("/")
    page.wait_for_selector("html[data-ready]")
    page.keyboard.press("/")
    page.keyboard.type("slow")
    expect(page).to_have_url(f"{world.server.url}/?search=slow")
    page.keyboard.press("Tab")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("5")
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("Resolved")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#picked")).to_have_text("1 selected")
    page.get_by_role("group", name="Set the status").get_by_role("button", name="Resolved").press("Enter")
    expect(page.get_by_role("dialog").get_by_role("button", name="Resolve 1")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="Fabrikam").locator(".status")).to_have_text("Resolved")


def test_the_help_opens_and_gives_focus_back(world: World, browse: Browse) -> None:
    page = browse("tess", "/")
    button = page.get_by_role("button", name="Keyboard shortcuts")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()
    expect(button).to_be_focused()
