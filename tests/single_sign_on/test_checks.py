"""Which sessions a check concerns, and what it takes from the provider's response."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from issue_tracker.actor import command_line
from issue_tracker.auth.single_sign_on.identities import link_identity
from issue_tracker.cli.stored_secrets import has_secrets
from issue_tracker.clock import now
from issue_tracker.database.tables import sessions
from tests.engines import decided_in_python
from tests.single_sign_on.browser import begin, come_back, sign_in, who
from tests.single_sign_on.fake import FakeProvider, sign
from tests.single_sign_on.test_group_mappings import account
from tests.single_sign_on.test_sessions import checks_of
from tests.world import World

pytestmark = decided_in_python


def test_a_check_extends_its_own_session_and_confirms_its_identity(world: World, fake: FakeProvider) -> None:
    client, _ = sign_in(world, fake)
    with world.database.read() as tx:
        assert has_secrets(tx), "the refresh token"
    omar, ada, checks = world.client("omar"), world.client("ada"), checks_of(world)
    path = f"/api/users/{account(world, 'tess@helpdesk.example')['user_id']}/identities"
    before, state = ada.call("GET", path, 200)["items"][0], omar.call("GET", "/api/auth/session", 200)
    # A provider may send no new refresh token: then the present one remains valid (RFC 6749, section 6).
    fake.token_answer = (200, {"access_token": "a", "token_type": "Bearer"})
    for _ in range(5):
        world.clock.advance(minutes=15)
        assert checks.check_due(now()) == 1
        assert who(client) == "tess@helpdesk.example"
    assert omar.call("GET", "/api/auth/session", 200) == state
    assert ada.call("GET", path, 200)["items"][0]["confirmed_at"] > before["confirmed_at"]
    # A session that has expired or is not used, and one without a refresh token, are not checked.
    world.clock.advance(minutes=15)
    assert checks_of(world, session_idle_hours=0.1).check_due(now()) == 0
    world.clock.advance(minutes=45)
    assert checks.check_due(now()) == 0 and who(client) is None
    address = begin(client, "fake")
    fake.token_answer = (200, {"access_token": "a", "token_type": "Bearer", "id_token": sign(fake.claims(address))})
    come_back(client, address, "any")
    world.clock.advance(minutes=59)
    assert checks.check_due(now()) == 0 and who(client) == "tess@helpdesk.example"


def test_a_session_is_checked_by_one_process_and_not_after_it_was_closed(
    world: World, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        sign_in(world, fake)
    world.clock.advance(minutes=15)
    closed, here, elsewhere = (checks_of(world) for _ in range(3))
    closed.close()
    at, asked = now(), fake.requests.count("/token")
    closed.check_due(at)
    assert fake.requests.count("/token") == asked
    due_elsewhere: list[int] = []

    def answer(path: str, body: str, authorization: str) -> tuple[int, Any]:
        if path == "/token" and not due_elsewhere:
            due_elsewhere.append(0)
            due_elsewhere.append(elsewhere.check_due(at))
        return FakeProvider.answer(fake, path, body, authorization)

    monkeypatch.setattr(fake, "answer", answer)
    assert here.check_due(at) == 2 and due_elsewhere == [0, 1]
    assert fake.requests.count("/token") == asked + 2, "the other process has checked the second session"


def test_a_check_does_not_wait_because_the_clock_was_wrong(world: World, fake: FakeProvider) -> None:
    world.clock.advance(days=20)
    client, _ = sign_in(world, fake)
    world.clock.advance(days=-20)
    assert checks_of(world).check_due(now()) == 1 and who(client) == "tess@helpdesk.example"
    fake.refresh_error = "invalid_grant"
    assert checks_of(world).check_due(now()) == 0
    world.clock.advance(minutes=15)
    assert checks_of(world).check_due(now()) == 1 and who(client) is None


def test_a_session_that_ends_during_its_check_is_not_recorded_twice(
    world: World, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(world, fake)
    world.clock.advance(minutes=15)

    def answer(path: str, body: str, authorization: str) -> tuple[int, Any]:
        if path == "/token":
            with world.database.write() as tx:
                tx.execute(delete(sessions))
        return FakeProvider.answer(fake, path, body, authorization)

    fake.refresh_error = "invalid_grant"
    monkeypatch.setattr(fake, "answer", answer)
    assert checks_of(world).check_due(now()) == 1
    assert "session.ended" not in [event.type for event in world.history(audit=True)]


def test_tokens_remain_while_one_of_several_identities_is_confirmed(world: World, fake: FakeProvider) -> None:
    nina, _ = sign_in(world, fake, sub="n", email="nina@helpdesk.example")
    user = account(world, "nina@helpdesk.example")["user_id"]
    world.client("ada").call("PUT", f"/api/users/{user}", 200, json={"role": "technician"})
    nina.call("POST", "/api/auth/tokens", 201, json={"name": "nightly", "scopes": ["read"]})
    with world.database.write() as tx:
        long_ago = now() - timedelta(days=60)
        link_identity(tx, command_line("tests"), user, "https://former.example", "n", "", long_ago)
    checks_of(world).revoke_tokens_of_absent(now())
    assert nina.call("GET", "/api/auth/tokens", 200)["total"] == 1
