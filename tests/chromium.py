"""The browser of the page tests: the system's Chromium, which scripts/test-environment installs."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

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
