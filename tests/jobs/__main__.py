"""Performs all tasks, measures the pages, and writes the results to docs/jobs.md: `python -m tests.jobs`. Fails if a
task takes longer than its limit.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from issue_tracker.settings import Settings
from tests.chromium import launched, ready
from tests.jobs import figures
from tests.jobs.catalog import JOBS
from tests.jobs.document import DOCUMENT, with_figures, with_table
from tests.server import serving
from tests.world import Clock, World

WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}


@contextmanager
def a_world(browser: Browser) -> Iterator[tuple[World, Callable[..., Page]]]:
    """Provides the test data on a separate server, and a function that opens a browser for a user."""
    contexts: list[BrowserContext] = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/jobs.db"
        with serving(Settings(database_url=url, log_level="error", deliver_webhooks=False)) as server:
            world = World(server, Clock())

            def open_page(who: str, path: str | None, **options: Any) -> Page:
                context = browser.new_context(base_url=server.url, **(WIDE | options))
                contexts.append(context)
                context.add_cookies(
                    [{"name": "issue_tracker_session", "value": world.session_token(who), "url": server.url}]
                )
                context.add_init_script(figures.WATCH)
                page = context.new_page()
                if path is not None:
                    page.goto(path)
                    ready(page)
                return page

            try:
                yield world, open_page
            finally:
                # An open event stream would delay the end of the server.
                for context in contexts:
                    context.close()
                world.close()


def main() -> None:
    with launched() as browser:
        counts = []
        for job in JOBS:
            with a_world(browser) as (world, open_page):
                counts.append(job.do(world, open_page).count)
        with a_world(browser) as (world, open_page):
            figures.given_fifty_issues(world)
            requests, size = figures.first_view(open_page("tess", None))
            median, most = figures.from_key_to_paint(open_page("tess", "/"))
        with a_world(browser) as (world, open_page):
            figures.given_full_matrix(world)
            tasks = figures.tasks_of_the_matrix(open_page("tess", "/matrix"))
    measured = {
        "First view of a list of 50 issues": (f"{size / 1000:.0f} kB, {requests} requests", "100 kB, 30 requests"),
        "From the key of a status to the paint": (f"{median:.0f} ms, {most:.0f} ms at most", "60 ms"),
        "Matrix of 300 × 60, scrolled, pointed at and walked through by keys": (
            f"{len(tasks)} tasks over 50 ms" + (f", the longest {max(tasks)} ms" if tasks else ""),
            "none over 50 ms",
        ),
    }
    text = with_table(DOCUMENT.read_text(encoding="utf-8"), counts)
    DOCUMENT.write_text(with_figures(text, measured), encoding="utf-8")
    for job, count in zip(JOBS, counts, strict=True):
        if 0 < job.limits.seconds < count.seconds:
            raise SystemExit(f"{job.title}: {count.seconds:.1f} s instead of at most {job.limits.seconds:.1f} s")


if __name__ == "__main__":
    main()
