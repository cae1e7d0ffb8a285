"""The first view of the list is small, and usable before any script has run."""

import re

import pytest

from issue_tracker.pages.assets import ROOT
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


def test_scripts_are_sent_without_their_comments(world: World) -> None:
    client = world.client()
    found = re.search(r"/static/[0-9a-f]+/js/", client.get("/").text)
    assert found is not None
    for name in ("api", "drafts", "quick-change"):
        sent = client.get(f"{found[0]}{name}.js").text
        source = (ROOT / "js" / f"{name}.js").read_text()
        assert len(sent) < 0.8 * len(source)
        # The lines keep their numbers, which browsers report with errors.
        assert [line for line in sent.splitlines() if line] == [
            line for line, copy in zip(source.splitlines(), sent.splitlines(), strict=True) if copy
        ]
        assert not [line for line in sent.splitlines() if line.strip().startswith(("//", "/** The", " * "))]
