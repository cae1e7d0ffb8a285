"""The first view of the list is small, and usable before any script has run."""

import pytest

from tests.jobs.figures import first_view, given_fifty_issues
from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_first_view_of_fifty_issues_is_under_100_kilobytes_and_30_requests(world: World, browse: Browse) -> None:
    given_fifty_issues(world)
    page = browse("tess", None)
    requests, size = first_view(page)
    assert page.locator(".list tbody").count() == 50
    assert requests <= 30
    assert size < 100_000
