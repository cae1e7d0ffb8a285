"""Measures whether the matrix of 300 issues × 60 companies scrolls without long tasks, as Chromium reports them.

A long task blocks the page for more than 50 ms. The target is none.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from tests.server import Server, serving
from tests.world import Clock, World

from bench.effort import Effort
from bench.measures import Row
from issue_tracker.settings import Settings
from issue_tracker.status import Status

ISSUES, COMPANIES = 300, 60

WATCH = """() => {
  window.tasks = [];
  new PerformanceObserver((list) => list.getEntries().forEach((task) => window.tasks.push(Math.round(task.duration))))
    .observe({ type: "longtask" });
}"""


def scrolling(_: Effort) -> Iterator[Row]:
    """Yields the long tasks of one pass over the whole matrix."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Settings(database_url=f"sqlite:///{Path(folder)}/matrix.db", log_level="error")) as server,
    ):
        token = fill(server)
        with sync_playwright() as playwright:
            found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
            browser = playwright.chromium.launch(
                executable_path=next(filter(None, found), None), args=["--no-sandbox", "--disable-gpu"]
            )
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies([{"name": "issue_tracker_session", "value": token, "url": server.url}])
            page = context.new_page()
            page.goto(f"{server.url}/matrix")
            page.wait_for_selector("html[data-ready]")
            page.wait_for_timeout(500)
            tasks = scroll(page)
            browser.close()
    figures = f"{len(tasks)} tasks over 50 ms, the longest {max(tasks, default=0)} ms"
    yield Row(f"scrolling the matrix {ISSUES} × {COMPANIES}, all filled, in Chromium", figures, "", "none over 50 ms")


def fill(server: Server) -> str:
    """Assigns every company to every issue. Returns the token of a session."""
    world = World(server, Clock())
    names = list(world.given_companies(*(f"Company {number:02} of the north" for number in range(COMPANIES))))
    statuses = list(Status)
    for issue in range(ISSUES):
        members = {name: statuses[(issue + place) % 6].value for place, name in enumerate(names)}
        world.given_issue(f"Fault {issue:03} in the network of the branch offices", members)
    return world.session_token("tess")


def scroll(page: Page) -> list[int]:
    """Scrolls down through every row, to the right, and back up in large steps. Returns the long tasks in ms."""
    page.evaluate(WATCH)
    page.locator(".matrix-frame").hover()
    for across, down, times in ((0, 160, 60), (120, 0, 15), (0, -800, 15)):
        for _ in range(times):
            page.mouse.wheel(across, down)
            page.wait_for_timeout(16)
    page.wait_for_timeout(300)
    tasks: list[int] = page.evaluate("window.tasks")
    return tasks
