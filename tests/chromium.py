"""The browser of the page tests: the system's Chromium, which scripts/test-environment installs."""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, ViewportSize, sync_playwright

WIDE: ViewportSize = {"width": 1440, "height": 900}

DEFAULTS: dict[str, Any] = {"viewport": WIDE, "timezone_id": "UTC", "locale": "en-GB"}
"""The options of a browser context, unless a test gives others."""

BLANK = "/healthz"
"""A small document of the server: Chromium ends the process of a page that leaves its server."""

FORGET = """() => {
  for (const type of ["pagehide", "visibilitychange"])
    addEventListener(type, (event) => event.stopImmediatePropagation(), true);
  globalThis.fetch = () => new Promise(() => {});
  history.replaceState(null, "", "/left");
  localStorage.clear();
  sessionStorage.clear();
  return {
    clock: "__pwClock" in globalThis,
    media: ["print", "(prefers-color-scheme: dark)", "(prefers-reduced-motion)"].some((one) => matchMedia(one).matches),
  };
}"""
"""Deletes what a page has stored, and lets it neither store nor send anything until the next test leaves it: a page
that finds the session of another user loads itself again, which would end the navigation of that test. The other
address lets that navigation always load a page, even if only the fragments of the addresses differ. Returns whether the
test has replaced the clock, and whether it has emulated a medium: to end that takes as long as all of this.
"""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Fewer processes: a tenth less processor time.
    "--in-process-gpu",
    "--renderer-process-limit=1",
    # The processor draws each tile of a page separately. With one tile for a page (`WIDE`), the main process of
    # Chromium takes a fifth less time.
    "--default-tile-width=1440",
    "--default-tile-height=900",
    # A page runs for seconds only: to optimize its scripts, in other threads, takes longer than they then save.
    "--js-flags=--no-opt,--no-maglev",
]


@contextmanager
def launched() -> Iterator[Browser]:
    """Starts Chromium without windows. The headless shell is the same engine without the windows, menus and services of
    a desktop browser, which take two thirds of the time. Playwright can run only once in a process.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    path = next((found for found in map(shutil.which, names) if found), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def ready(page: Page) -> None:
    """Waits until the scripts of the page have run.

    `wait_for_selector` would also return the element, for which Playwright loads its own scripts a second time.
    """
    page.locator("html[data-ready]").wait_for()


class Tab:
    """A page in a browser context, and the errors and warnings on its console."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.complaints: list[str] = []
        self._context = browser.new_context(base_url=url, **(DEFAULTS | options))
        self._context.set_default_timeout(20_000)
        self.page = self._context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def sign_in(self, session_token: str) -> None:
        """Sets the cookie of a session."""
        self._context.add_cookies([{"name": "issue_tracker_session", "value": session_token, "url": self.url}])

    def reset(self) -> bool:
        """Clears what the page stored, and restores its settings. Returns whether a test that follows can tell no
        difference to a new page: not if the test replaced the clock, or left the pages of the product.
        """
        try:
            if not self.page.url.startswith(self.url):
                return False
            for page in self._context.pages:
                if page != self.page:
                    page.close()
            self.page.unroute_all(behavior="ignoreErrors")
            self._context.unroute_all(behavior="ignoreErrors")
            self._context.set_offline(False)
            self._context.clear_permissions()
            self._context.clear_cookies()
            left = self.page.evaluate(FORGET)
            if left["clock"]:
                return False
            if left["media"]:
                self.leave()
                self.page.emulate_media(media="null", color_scheme="null", reduced_motion="null")
            self.page.mouse.move(-1, -1)
        except Error:
            return False
        return True

    def leave(self) -> None:
        """Leaves the page, which then sends no more requests."""
        if not self.page.url.endswith(BLANK):
            self.page.goto(BLANK)
            self.complaints.clear()  # of requests that this has ended

    def close(self) -> None:
        """Closes the context with all of its pages."""
        self._context.close()


class Tabs:
    """Pages that tests use one after the other.

    To start a process of Chromium for a new context and to compile the scripts in it takes as long as most tests.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[tuple[str, bool], list[Tab]] = defaultdict(list)

    def take(self, url: str, viewport: ViewportSize, *, scripts: bool) -> Tab:
        """Returns a page of the server at this URL, of this size, with or without scripts, for a test that goes to an
        address.
        """
        free = self._free[url, scripts]
        # A page that has the size need not be left: this takes half as long as a page.
        free.sort(key=lambda tab: tab.page.viewport_size == viewport)
        tab = free.pop() if free else Tab(self._browser, url, java_script_enabled=scripts, viewport=viewport)
        tab.complaints.clear()
        if tab.page.viewport_size != viewport:
            tab.leave()  # the last page of the test before could load something for the other size
            tab.page.set_viewport_size(viewport)
        return tab

    def leave(self) -> None:
        """Lets no page send requests during the next test."""
        for free in self._free.values():
            for tab in free:
                tab.leave()

    def give_back(self, tab: Tab, *, scripts: bool) -> None:
        """Makes the page available to the next test, or closes it if it cannot be reset."""
        if tab.reset():
            self._free[tab.url, scripts].append(tab)
        else:
            tab.close()
