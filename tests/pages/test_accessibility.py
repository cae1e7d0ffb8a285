"""No axe-core violation on any page, in either theme, wide and narrow, with the dialogs open too."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import NARROW, WIDE, Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

AXE = (Path(__file__).parent / "axe.min.js").read_text()
CHECK = "rules => axe.run(document, rules).then(r => r.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target)}`))"
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""The rules that depend on the theme."""

PAGES = [
    "/",
    "/?open=true&sort=updated_at",
    "/?search=nothing+like+it",
    "/?companyName=Nobody",
    "/matrix",
    "/issues/new",
    "/issues/{issue}",
    "/issues/{issue}/resolve",
    "/issues/{issue}/delete",
    "/assignments?on={issue}-{company}",
    "/companies",
    "/companies/{company}",
    "/activity",
    "/account",
    "/admin/users",
    "/admin/users/{user}",
    "/admin/webhooks",
    "/admin/webhooks/{hook}",
    "/admin/companies",
    "/admin/companies/{company}",
    "/nothing/here",
]


def scene(world: World) -> dict[str, Any]:
    names = world.given_companies("Contoso")
    everyone = {
        "Contoso": "new",
        "Fabrikam": "investigating",
        "Acme Manufacturing": "resolved",
        "O’Neill’s Bar": "closed",
    }
    issue = world.given_issue("Slow mail", everyone, "Packet loss on the way to the relay.")
    world.given_issue("Nobody affected")
    user = world.client("ada").call("GET", "/api/users", 200)["items"][0]["user_id"]
    hooked = {"url": "https://hooks.helpdesk.example/issues", "active": False}
    hook = world.client("ada").call("POST", "/api/webhooks", 201, json=hooked)["id"]
    return {"issue": issue, "company": names["Contoso"], "user": user, "hook": hook}


def violations(page: Page) -> list[str]:
    """What axe finds on the page as it is, and in the dark."""
    page.evaluate(AXE)
    page.emulate_media(color_scheme="light")
    found: list[str] = page.evaluate(CHECK, {})
    page.emulate_media(color_scheme="dark")
    found += page.evaluate(CHECK, COLOURS)
    return found


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page(world: World, browse: Browse, viewport: dict[str, int]) -> None:
    ids = scene(world)
    page = browse("ada", "/account", viewport=viewport)

    wrong = []
    for path in PAGES:
        page.goto(path.format(**ids))
        page.wait_for_selector("html[data-ready]")
        wrong += [f"{path}: {violation}" for violation in violations(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{path}: wider than the screen")
    page.context.clear_cookies()
    page.goto("/login")
    wrong += [f"/login: {violation}" for violation in violations(page)]

    assert wrong == []


def test_with_the_dialogs_open(world: World, browse: Browse) -> None:
    ids = scene(world)
    page = browse("ada", f"/issues/{ids['issue']}")

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("row", name="Contoso").locator(".status").click()
    assert violations(page) == []
    page.keyboard.press("4")
    expect(page.locator(".toast")).to_be_visible()
    page.wait_for_timeout(200)
    assert violations(page) == []
    page.get_by_role("link", name="Resolve for everyone").click()
    expect(page.get_by_role("dialog", name="Resolve for everyone?")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("checkbox", name="Contoso").check()
    assert violations(page) == []
    page.evaluate("document.getElementById('sign-in').showModal()")
    assert violations(page) == []
    page.evaluate("document.getElementById('sign-in').close()")
    page.evaluate("document.getElementById('conflict').showModal()")
    page.evaluate("document.querySelectorAll('#conflict button').forEach(b => b.textContent = 'Keep mine: New')")
    assert violations(page) == []


def test_the_theme_is_remembered(world: World, browse: Browse) -> None:
    page = browse("tess", "/", color_scheme="light")
    page.get_by_role("button", name="Switch to dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.goto("/companies")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    expect(page.get_by_role("button", name="Switch to light")).to_be_visible()
