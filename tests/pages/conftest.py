"""A real Chromium, and people of the cast who browse with it."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.world import World

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Browse = Callable[..., Page]

expect.set_options(timeout=8000)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser of the system; scripts/test-environment installs it."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for found in map(shutil.which, names) if found), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browse(world: World, chromium: Browser) -> Iterator[Browse]:
    """Opens a browser of its own for someone, signed in, at a path (None: nowhere yet, its cache empty). What the
    page complains of fails the test.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_page(who: str | None, path: str | None, **options: Any) -> Page:
        defaults: dict[str, Any] = {"viewport": WIDE, "timezone_id": "UTC", "locale": "en-GB"}
        context = chromium.new_context(base_url=world.server.url, **(defaults | options))
        context.set_default_timeout(10000)
        contexts.append(context)
        if who is not None:
            context.add_cookies(
                [{"name": "issue_tracker_session", "value": world.session_token(who), "url": world.server.url}]
            )
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if path is None:
            return page
        page.goto(path)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
