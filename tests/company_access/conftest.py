"""Data of which a user with limited access sees only a part."""

import pytest

from tests.world import World


@pytest.fixture
def scene(world: World) -> World:
    """An issue of a visible and a hidden company, one of each alone, and one without companies."""
    world.given_issue("Shared", {"Contoso": "new", "Fabrikam": "new"})
    world.given_issue("Own", {"Contoso": "resolved"})
    world.given_issue("Hidden", {"Fabrikam": "new"})
    world.given_issue("Idle")
    return world
