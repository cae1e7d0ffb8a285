"""A real Chromium, in which the users of the test data are signed in."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Browser, Page, Route, ViewportSize, expect

from tests.chromium import WIDE, Tab, ready
from tests.shared import Shared
from tests.world import World

NARROW: ViewportSize = {"width": 390, "height": 844}

Browse = Callable[..., Page]

# Only a failure waits for so long; on a busy machine, a page with hundreds of companies takes several seconds.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def chromium(shared: Shared) -> Browser:
    """The browser of this process, for tests that open their own contexts."""
    return shared.chromium


@pytest.fixture
def browse(world: World, shared: Shared) -> Iterator[Browse]:
    """Opens a page for a signed-in user at a path (None: no path yet, in a new browser context, with an empty cache).
    Errors on the page's console fail the test, unless it is not watched: browsers log every failed request there.

    `before` prepares the page before it is opened. Options are those of a new browser context. Without any, pages of
    all sizes, with and without scripts, are used by one test after the other (`tests/chromium.py`).
    """
    own: list[Tab] = []
    unwatched: list[Tab] = []
    reused: list[tuple[Tab, bool]] = []

    def open_page(
        who: str | None,
        path: str | None,
        *,
        viewport: ViewportSize = WIDE,
        java_script_enabled: bool = True,
        before: Callable[[Page], object] | None = None,
        watched: bool = True,
        **options: Any,
    ) -> Page:
        if path is None or options:
            options |= {"viewport": viewport, "java_script_enabled": java_script_enabled}
            tab = Tab(shared.chromium, world.server.url, **options)
            own.append(tab)
        else:
            tab = shared.tabs.take(world.server.url, viewport, scripts=java_script_enabled)
            reused.append((tab, java_script_enabled))
        if not watched:
            unwatched.append(tab)
        if before is not None:
            before(tab.page)
        if who is not None:
            tab.sign_in(world.session_token(who))
        if path is not None:
            tab.page.goto(path)
            if java_script_enabled:
                ready(tab.page)
        return tab.page

    yield open_page
    complaints = [complaint for tab in own if tab not in unwatched for complaint in tab.complaints]
    for tab in own:
        tab.close()
    for tab, scripts in reused:
        if tab not in unwatched:
            complaints += tab.complaints
        shared.tabs.give_back(tab, scripts=scripts)
    assert not complaints


def without_updates(page: Page) -> None:
    """Lets the page receive no live updates."""
    page.route("**/api/events/stream", lambda route: route.abort())


def saved(page: Page) -> AbstractContextManager[Any]:
    """Waits, at the end of the block, for the response to a change of status that the block makes.

    A page shows the change before the server has made it. If another client then changes or reads the same assignment,
    the test must wait for the response: otherwise the other client may be first.
    """
    return page.expect_response("**/assignments/bulk")


def just_before(page: Page, url: str, action: Callable[[], object]) -> None:
    """Performs an action when the page sends its next request to this URL, before the server receives the request.

    A session that a test ends earlier can end for a request in the background, such as the search for similar names
    while a name is typed. The dialog for signing in then opens before the test clicks.
    """

    def perform(route: Route) -> None:
        action()
        route.continue_()

    page.route(url, perform, times=1)


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


class Late:
    """Holds back the response to the next request to a URL, after the server has sent it."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._held: list[tuple[Route, APIResponse]] = []
        page.route(url, self._hold)

    def _hold(self, route: Route) -> None:
        if self._held:
            route.fallback()
        else:
            self._held.append((route, route.fetch()))

    def sent(self) -> None:
        """Waits until the server has responded."""
        for _ in range(800):
            if self._held:
                return
            self._page.wait_for_timeout(10)
        raise AssertionError("The page sent no request.")

    def arrive(self) -> None:
        """Lets the page receive the response, and process it."""
        [(route, response)] = self._held
        with self._page.expect_response(route.request.url):
            route.fulfill(response=response)
        self._page.wait_for_timeout(100)
