"""Fixtures for webhook tests: a receiver, and a worker that delivers due messages when a test calls it."""

from collections.abc import Iterator

import pytest

from issue_tracker.events.delivery import Deliverer
from issue_tracker.settings import Settings
from tests.events.receiver import Receiver
from tests.world import World


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def deliverer(world: World) -> Deliverer:
    """A worker that may connect to loopback, with short timeouts."""
    settings = Settings(
        webhook_allowed_networks="127.0.0.0/8", webhook_timeout_seconds=1, public_url="https://tracker.example"
    )
    return Deliverer(world.database, settings)
