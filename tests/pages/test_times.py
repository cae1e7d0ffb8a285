"""Times are shown in the user's time zone and language, across daylight-saving changes, with UTC on hover."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def at(time: datetime) -> Callable[[Page], None]:
    """Stops the clock of a page at this time."""
    return lambda page: page.clock.set_fixed_time(time)


@pytest.mark.parametrize(
    ("zone", "locale", "before", "after"),
    [
        ("Europe/Berlin", "de-DE", "28. März, 23:30", "29. März, 12:30"),
        ("Asia/Kolkata", "en-GB", "29 Mar, 4:00", "29 Mar, 16:00"),
    ],
)
def test_times_are_shown_in_the_users_time_zone(
    world: World, browse: Browse, zone: str, locale: str, before: str, after: str
) -> None:
    world.clock.freeze(datetime(2026, 3, 28, 22, 30, tzinfo=UTC))
    world.given_issue("Before the change", {"Contoso": "new"})
    world.clock.freeze(datetime(2026, 3, 29, 10, 30, tzinfo=UTC))
    world.given_issue("After the change", {"Contoso": "new"})
    world.clock.frozen = None
    path = f"/companies/{world.given_companies('Contoso')['Contoso']}"
    page = browse("tess", path, timezone_id=zone, locale=locale, before=at(datetime(2026, 4, 20, 12, 0, tzinfo=UTC)))

    moments = page.locator("#history li time")
    expect(moments.nth(1)).to_have_text(before)
    expect(moments.nth(0)).to_have_text(after)
    moments.nth(1).hover()
    title = moments.nth(1).get_attribute("title")
    assert title is not None and title.endswith("2026-03-28 22:30:00 UTC")


def test_times_of_the_last_day_are_relative(world: World, browse: Browse) -> None:
    world.clock.freeze(datetime(2026, 3, 28, 22, 30, tzinfo=UTC))
    world.given_issue("Fault", {"Contoso": "new"})
    world.clock.frozen = None
    page = browse("tess", "/", before=at(datetime(2026, 3, 28, 22, 35, tzinfo=UTC)))

    expect(page.locator(".list .when time")).to_have_text("for 5 min")
    page.goto(f"/companies/{world.given_companies('Contoso')['Contoso']}")
    expect(page.locator("#history li time")).to_have_text("5 min ago")
