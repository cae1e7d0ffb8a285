"""A real Chromium, in which the users of the test data are signed in."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Route,
    ViewportSize,
    expect,
)

from tests.shared import Shared
from tests.world import World

WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}

Browse = Callable[..., Page]

expect.set_options(timeout=8000)


@pytest.fixture(scope="session")
def chromium(shared: Shared) -> Browser:
    """The browser of this process, for tests that open their own contexts."""
    return shared.chromium


@pytest.fixture
def browse(world: World, shared: Shared) -> Iterator[Browse]:
    """Opens a browser context for a signed-in user at a path (None: no page yet, with an empty cache). Errors on the
    page's console fail the test.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_page(who: str | None, path: str | None, **options: Any) -> Page:
        defaults: dict[str, Any] = {"viewport": WIDE, "timezone_id": "UTC", "locale": "en-GB"}
        context = shared.chromium.new_context(base_url=world.server.url, **(defaults | options))
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


def saved(page: Page) -> AbstractContextManager[Any]:
    """Waits, at the end of the block, for the response to a change of status that the block makes.

    A page shows the change before the server has made it. If another client then changes or reads the same assignment,
    the test must wait for the response: otherwise the other client may be first.
    """
    return page.expect_response("**/assignments/bulk")


def held(page: Page, times: int | None = None) -> Callable[[], Route]:
    """Holds back requests that change a status: all of them, or this number of the first ones.

    The result waits for the single held request and returns it, so that the test can continue it.
    """
    routes: list[Route] = []

    def hold(route: Route) -> None:
        routes.append(route)

    def one() -> Route:
        deadline = time.monotonic() + 8
        while not routes and time.monotonic() < deadline:
            page.wait_for_timeout(10)
        [route] = routes
        return route

    page.route("**/assignments/bulk", hold, times=times)
    return one
