"""Measurements in the browser: the time until a change is painted, long tasks of the matrix, the size of a
first view.
"""

import statistics

from playwright.sync_api import Page, Request

from issue_tracker.status import Status
from tests.chromium import ready
from tests.world import COMPANIES, World

ISSUES, COLUMNS = 300, 60

WATCH = """
window.keys = [];
window.tasks = [];
new PerformanceObserver((list) => {
  for (const event of list.getEntries()) if (event.name === "keydown") window.keys.push(event.duration);
}).observe({ type: "event", durationThreshold: 16, buffered: true });
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.tasks.push(Math.round(task.duration));
}).observe({ type: "longtask", buffered: true });
"""
"""Records the time from each key press to the next paint (Event Timing, in steps of 8 ms; 16 at least), and each task
of more than 50 ms.
"""


def given_fifty_issues(world: World) -> None:
    for number in range(50):
        companies = [COMPANIES[(number + step) % len(COMPANIES)] for step in range(3)]
        name = f"Fault {number:02} in the network of the northern branch offices"
        description = f"Packet loss of {number} % on the primary links since the maintenance of the night before."
        world.given_issue(name, dict.fromkeys(companies, "investigating"), description)


def from_key_to_paint(page: Page) -> tuple[float, float]:
    """Returns median and maximum of the milliseconds from the key of a status to the paint, over 40 changes in a list
    of fifty issues. The page has WATCH.
    """
    for number in range(40):
        page.keyboard.press("j")
        page.keyboard.press("3" if number % 2 else "4")
        page.wait_for_timeout(60)
    page.wait_for_timeout(500)
    keys: list[float] = page.evaluate("window.keys")
    # Durations below the threshold are not recorded.
    painted = keys + [16.0] * max(0, 40 - len(keys))
    return statistics.median(painted), max(painted)


def given_full_matrix(world: World) -> None:
    names = list(world.given_companies(*(f"Company {number:02} of the north" for number in range(COLUMNS))))
    statuses = list(Status)
    for issue in range(ISSUES):
        members = {name: statuses[(issue + place) % 6].value for place, name in enumerate(names)}
        world.given_issue(f"Fault {issue:03} in the network of the branch offices", members)


def tasks_of_the_matrix(page: Page) -> list[int]:
    """Returns the tasks of more than 50 ms, in milliseconds, while the script scrolls through the whole matrix, points
    at two hundred cells, and moves the focus over fifty. The page has WATCH and shows the matrix.
    """
    page.wait_for_timeout(500)
    page.evaluate("window.tasks.length = 0")
    page.locator(".matrix-frame").hover()
    for across, down, times in ((0, 160, 60), (120, 0, 15), (0, -800, 15)):
        for _ in range(times):
            page.mouse.wheel(across, down)
            page.wait_for_timeout(16)
    for step in range(200):
        page.mouse.move(700 + step * 3 % 600, 300 + step * 7 % 400)
        page.wait_for_timeout(8)
    page.keyboard.press("j")
    for step in range(50):
        page.keyboard.press("ArrowDown" if step % 2 else "ArrowRight")
    page.wait_for_timeout(700)
    tasks: list[int] = page.evaluate("window.tasks")
    return tasks


def first_view(page: Page) -> tuple[int, int]:
    """Returns the number of requests of a first view of the list, and their total bytes over HTTP, in both directions.
    The cache of the page is empty.
    """
    requests: list[Request] = []

    def note(request: Request) -> None:
        requests.append(request)

    page.on("request", note)
    page.goto("/")
    ready(page)
    # The event stream remains open, so that it has no size.
    sizes = [request.sizes() for request in requests if "/api/events/stream" not in request.url]
    assert all(size["responseBodySize"] > 0 for size in sizes), "something came from a cache"
    names = ("requestHeadersSize", "requestBodySize", "responseHeadersSize", "responseBodySize")
    return len(requests), sum(size[name] for size in sizes for name in names)  # type: ignore[literal-required]  # names are among the keys
