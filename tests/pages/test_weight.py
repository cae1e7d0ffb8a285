"""The first view of the list is light, and usable before any script has run."""

import pytest
from playwright.sync_api import Response

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
    page = browse("tess", "/favicon.ico")
    sizes: dict[str, int] = {}

    def weigh(response: Response) -> None:
        headers = sum(len(name) + len(value) + 4 for name, value in response.headers.items())
        sizes[response.url] = headers + int(response.headers.get("content-length", 0))

    page.on("response", weigh)
    page.goto("/")
    page.wait_for_selector("html[data-ready]")

    assert page.locator(".list tbody").count() == 50
    assert len([url for url in sizes if "/static/" in url]) > 10
    assert sum(sizes.values()) < 100_000, sizes
