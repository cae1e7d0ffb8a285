"""A short soak; `make soak` runs the long one."""

import pytest

from tests.events.soak import soak

pytestmark = pytest.mark.long


def test_every_listener_gets_every_event_once_in_one_order(fresh_database_url: str) -> None:
    assert "events" in soak(fresh_database_url, writers=4, changes=60, listeners=8)
