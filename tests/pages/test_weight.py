"""The first view of the list is small, and usable before any script has run."""

import pytest
from playwright.sync_api import Request

from tests.pages.conftest import Browse
from tests.world import COMPANIES, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_first_view_of_fifty_issues_is_under_100_kilobytes(world: World, browse: Browse) -> None:
    for number in range(50):
        companies = [COMPANIES[(number + step) % len(COMPANIES)] for step in range(3)]
        world.given_issue(
            f"Fault {number:02} in the network of the northern branch offices",
            dict.fromkeys(companies, "investigating"),
            f"Packet loss of {number} % on the primary links since the maintenance of the night before.",
        )
    page = browse("tess", None)
    requests: list[Request] = []

    def note(request: Request) -> None:
        requests.append(request)

    page.on("request", note)
    page.goto("/")
    page.wait_for_selector("html[data-ready]")

    # The event stream remains open, so that it has no size.
    sizes = [(request.url, request.sizes()) for request in requests if "/api/events/stream" not in request.url]
    assert page.locator(".list tbody").count() == 50
    assert len([url for url, _ in sizes if "/static/" in url]) > 10
    assert all(size["responseBodySize"] > 0 for _, size in sizes), "something came from a cache"
    sent = sum(size["requestHeadersSize"] + size["requestBodySize"] for _, size in sizes)
    received = sum(size["responseHeadersSize"] + size["responseBodySize"] for _, size in sizes)
    assert sent + received < 100_000, sizes
