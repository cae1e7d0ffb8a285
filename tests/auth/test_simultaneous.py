"""Requests that create a credential while a super admin takes away what the account has."""

import pytest

from issue_tracker.actor import command_line
from issue_tracker.auth.passwords import hash_password
from issue_tracker.auth.users import update_user
from tests.company_access.limits import user_id
from tests.locks import during
from tests.world import World

ACTOR = command_line("tests")

# On SQLite, nothing shows that the request waits.
pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


def test_a_session_that_has_just_ended_creates_no_token(world: World) -> None:
    """A new password revokes all tokens, and so none may follow it."""
    client, tess, hashed = world.client("tess"), user_id(world, "tess"), hash_password("a new and longer password")
    refused = during(
        world,
        lambda tx: update_user(tx, ACTOR, tess, password_hash=hashed),
        lambda: client.request("POST", "/api/auth/tokens", json={"name": "nightly", "scopes": ["read"]}),
    )
    assert refused.status_code == 401
    assert world.client("ada").call("GET", f"/api/users/{tess}/tokens", 200)["total"] == 0


def test_an_account_is_not_invited_while_it_is_disabled(world: World) -> None:
    """Disabling voids invitations, and so none may remain for when the account is enabled again."""
    ada, tess = world.client("ada"), user_id(world, "tess")
    refused = during(
        world,
        lambda tx: update_user(tx, ACTOR, tess, active=False),
        lambda: ada.request("POST", f"/api/users/{tess}/invitation"),
    )
    assert refused.status_code == 400 and "disabled" in refused.json()["detail"]
