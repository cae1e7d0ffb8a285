"""Sessions that were started through a provider: their lifetime, their end, and fresh proof."""

import html
import re
import time
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from issue_tracker.actor import command_line
from issue_tracker.auth.group_mappings.applying import apply_groups
from issue_tracker.auth.single_sign_on import checks as checks_module
from issue_tracker.auth.single_sign_on.checks import SessionChecks
from issue_tracker.auth.single_sign_on.exchange import IdentityProviders
from issue_tracker.clock import now
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.tables import provider_sessions, sessions, sign_in_flows
from tests.cases import cases
from tests.engines import decided_in_python
from tests.single_sign_on.browser import begin, come_back, failures, sign_in, signed_in_there, who
from tests.single_sign_on.fake import REFRESH_TOKEN, FakeProvider
from tests.single_sign_on.provider import RealProvider, authorization_address, parameters
from tests.single_sign_on.test_group_mappings import account, given_mapping
from tests.world import PASSWORD, World

HOOK = {"url": "https://hooks.helpdesk.example/issues"}


@pytest.fixture
def checks(world: World) -> SessionChecks:
    """The checks of the server, which the test starts itself."""
    return checks_of(world)


def checks_of(world: World, **changes: Any) -> SessionChecks:
    """Returns the checks of a server with these settings."""
    settings, database = msgspec.structs.replace(world.server.settings, **changes), world.database
    return SessionChecks(database, settings, IdentityProviders(settings), ServerKey(database, settings))


def test_a_session_lasts_as_long_as_the_provider_confirms_it(
    world: World, real: RealProvider, checks: SessionChecks
) -> None:
    real.set(s1={"email": "tess@helpdesk.example", "email_verified": True})
    client = signed_in_there(world, real, "s1")
    for _ in range(6):
        world.clock.advance(minutes=15)
        checks.check_due(now())
        assert who(client) == "tess@helpdesk.example"
    # The user is removed there: the next check ends the session here, before the hour is over.
    real.set(s1=None)
    world.clock.advance(minutes=15)
    checks.check_due(now())
    assert who(client) is None
    ended = [row for row in world.history(audit=True) if row.type == "session.ended"]
    assert ended[-1].note == "Real & Co does not confirm it any longer" and ended[-1].actor_name == "Tess Ngo"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_session_without_a_check_ends_within_the_hour(
    world: World, fake: FakeProvider, checks: SessionChecks
) -> None:
    client, _ = sign_in(world, fake)
    fake.status = 500
    for _ in range(3):
        world.clock.advance(minutes=15)
        assert checks.check_due(now()) == 1
        assert who(client) == "tess@helpdesk.example", "a provider that is down is no reason"
    world.clock.advance(minutes=15)
    assert who(client) is None
    fake.status = 200
    client, _ = sign_in(world, fake)
    world.clock.advance(minutes=15)
    fake.refresh_error = "invalid_grant"
    checks.check_due(now())
    assert who(client) is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_check_applies_the_present_groups_of_the_same_person(
    world: World, fake: FakeProvider, checks: SessionChecks
) -> None:
    for group, source in (("staff", "fake"), ("/helpdesk", "real")):
        given_mapping(world, group, "technician", source=source)
    client, _ = sign_in(world, fake, groups=["staff"])
    tess = account(world, "tess@helpdesk.example")["user_id"]

    def role_after(**claims: Any) -> str:
        fake.refreshed = claims
        world.clock.advance(minutes=15)
        assert checks.check_due(now()) == 1
        return str(account(world, "tess@helpdesk.example")["role"])

    assert role_after(groups=["staff"]) == role_after() == "technician"
    assert role_after(groups=[]) == "member"
    with world.database.write() as tx:  # a later sign-in at another provider
        apply_groups(tx, command_line("real"), world.server.settings, tess, "real", ["/helpdesk"])
    assert role_after(groups=[]) == "technician" and who(client) is not None
    assert role_after(groups=[], sub="another") == "technician" and who(client) is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_no_check_extends_a_session_without_end(world: World, fake: FakeProvider, checks: SessionChecks) -> None:
    client, _ = sign_in(world, fake)
    # A provider that is no longer configured confirms nothing, and does not stop the checks at the others.
    world.clock.advance(minutes=15)
    assert checks_of(world, identity_providers="").check_due(now()) == 1
    world.clock.advance(minutes=10)
    began = now() - timedelta(days=world.server.settings.session_lifetime_days) + timedelta(minutes=30)
    with world.database.write() as tx:
        tx.execute(
            update(sessions).where(sessions.c.id.in_(select(provider_sessions.c.session_id))).values(created_at=began)
        )
    assert checks.check_due(now()) == 1 and who(client) == "tess@helpdesk.example"
    world.clock.advance(minutes=31)
    assert who(client) is None


@decided_in_python
def test_a_slow_provider_does_not_outlast_the_claim_of_a_later_check(
    world: World, fake: FakeProvider, checks: SessionChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks_module, "CLAIMED", timedelta(seconds=1))
    for _ in range(2):
        sign_in(world, fake)
    world.clock.advance(minutes=15)
    at, began = now(), time.monotonic()
    asked: list[str] = []
    due_elsewhere: list[int] = []

    def answer(path: str, body: str, authorization: str) -> tuple[int, Any]:
        if path == "/token":
            asked.append(body)
            if len(asked) == 1:
                time.sleep(1.1)
            elif len(asked) == 2:
                present = at + timedelta(seconds=time.monotonic() - began)
                due_elsewhere.append(checks.check_due(present))
        return FakeProvider.answer(fake, path, body, authorization)

    monkeypatch.setattr(fake, "answer", answer)
    assert checks.check_due(at) == 2
    assert due_elsewhere == [0], "a refresh token that is used twice ends the session at many providers"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@cases(
    "answer",
    [
        (403, {"message": "Forbidden"}),
        (401, {}),
        (200, {"token_type": "Bearer"}),
        (429, {"error": "too_many_requests"}),
        (429, {"errorCode": "E0000047"}),
        (401, {"error": "invalid_client"}),
        (400, {"error": "unauthorized_client"}),
        (503, {"error": "temporarily_unavailable"}),
    ],
)
def test_a_response_without_tokens_neither_confirms_nor_ends_a_session(
    world: World, fake: FakeProvider, checks: SessionChecks, answer: tuple[int, Any]
) -> None:
    """Such as that of a gateway in front of the provider, of its limit of requests, or after our secret has expired."""
    fake.token_answer = None
    client, _ = sign_in(world, fake)
    fake.token_answer = answer
    for _ in range(3):
        world.clock.advance(minutes=15)
        checks.check_due(now())
        assert who(client) == "tess@helpdesk.example", "nobody was refused"
    world.clock.advance(minutes=15)
    assert who(client) is None, "nobody was confirmed"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_sign_in_says_that_the_provider_refuses_this_server(world: World, fake: FakeProvider) -> None:
    fake.token_answer = (401, {"error": "invalid_client"})
    _, response = sign_in(world, fake)
    assert response.status_code == 503 and "does not work at the moment" in response.text
    assert "its token endpoint refuses this server: invalid_client" in failures(world)[-1]


def test_no_token_of_a_provider_is_stored_in_plain_text(world: World, fake: FakeProvider) -> None:
    client = world.anonymous()
    address = begin(client, "fake")
    query = parameters(address)
    code = fake.grant(address)
    with world.database.read() as tx:
        flows = repr(tx.execute(select(sign_in_flows)).all())
    assert query["state"] not in flows and query["nonce"] not in flows
    come_back(client, address, code)
    with world.database.read() as tx:
        (stored,) = tx.execute(select(provider_sessions.c.refresh_token)).scalars()
        assert tx.execute(select(sign_in_flows)).all() == []
    assert REFRESH_TOKEN not in stored
    assert ServerKey(world.database, world.server.settings).keyring().decrypt(stored) == REFRESH_TOKEN
    assert not [cookie for cookie in client.cookies.jar if "sign_in" in cookie.name]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_tokens_of_a_removed_user_are_revoked(world: World, fake: FakeProvider, checks: SessionChecks) -> None:
    nina, _ = sign_in(world, fake, sub="n", email="nina@helpdesk.example")
    sign_in(world, fake)  # Tess, who also has a password
    user = account(world, "nina@helpdesk.example")["user_id"]
    world.client("ada").call("PUT", f"/api/users/{user}", 200, json={"role": "technician"})
    nina.headers["X-CSRF-Token"] = nina.call("GET", "/api/auth/session", 200)["csrf_token"]
    body = {"name": "nightly", "scopes": ["read"]}
    text = nina.call("POST", "/api/auth/tokens", 201, json=body)["token"]
    bearer = world.anonymous(headers={"Authorization": f"Bearer {text}"})
    tess = world.bearer("tess")
    for _ in range(2):  # each sign-in confirms the user
        sign_in(world, fake, sub="n", email="nina@helpdesk.example")
        world.clock.advance(days=29)
        checks.revoke_tokens_of_absent(now())
        bearer.call("GET", "/api/issues", 200)
    world.clock.advance(days=1)
    checks_of(world, absent_user_token_days=0).revoke_tokens_of_absent(now())
    bearer.call("GET", "/api/issues", 200)
    checks.revoke_tokens_of_absent(now())
    bearer.call("GET", "/api/issues", 401)
    deleted = [row.note for row in world.history(audit=True) if row.type == "token.deleted"]
    assert deleted == ["nightly"]
    checks_of(world, password_sign_in=False).revoke_tokens_of_absent(now())
    tess.call("GET", "/api/issues", 401)


def test_a_user_without_a_password_confirms_at_the_provider(world: World, fake: FakeProvider) -> None:
    client, _ = sign_in(world, fake, sub="n", email="nina@helpdesk.example", auth_time=1_700_000_000)
    ada = world.client("ada")
    user = next(one for one in ada.call("GET", "/api/users", 200)["items"] if one["email"].startswith("nina"))
    ada.call("PUT", f"/api/users/{user['user_id']}", 200, json={"role": "super_admin"})
    csrf = client.call("GET", "/api/auth/session", 200)["csrf_token"]
    # An old sign-in at the provider is not fresh proof here.
    page = client.post("/admin/webhooks", data={**HOOK, "active": "true", "_csrf": csrf, "_here": "/admin/webhooks"})
    assert page.status_code == 403 and "Sign in again with Fake" in page.text and "Your password" not in page.text
    carried = re.search('name="carried" value="([^"]+)"', page.text)
    assert carried

    def confirm() -> str:
        form = {"_csrf": csrf, "carried": html.unescape(str(carried and carried[1])), "next": "/admin/webhooks"}
        return authorization_address(client.post("/confirm/fake", data=form).text)

    address = confirm()
    assert (parameters(address)["prompt"], parameters(address)["max_age"]) == ("login", "0")
    for changes in ({"auth_time": None}, {"auth_time": int(world.clock.now().timestamp()) - 120}, {"sub": "else"}):
        address = confirm()
        refused = come_back(client, address, fake.grant(address, **{"sub": "n", **changes}))
        assert refused.status_code == 403, changes
        client.headers["X-CSRF-Token"] = csrf
        assert client.call("POST", "/api/webhooks", 403, json=HOOK)["reason"] == "confirmation_required"
        del client.headers["X-CSRF-Token"]
    # Neither is one in another browser or another session.
    address = confirm()
    assert come_back(world.client("ada"), address, fake.grant(address, sub="n")).status_code == 403

    address = confirm()
    back = come_back(client, address, fake.grant(address, sub="n"))
    assert back.status_code == 200 and "Send it now" in back.text and HOOK["url"] in back.text
    client.headers["X-CSRF-Token"] = csrf
    client.call("POST", "/api/webhooks", 201, json=HOOK)


def test_a_user_links_an_account_with_fresh_proof(world: World, strict: FakeProvider) -> None:
    tess = world.client("tess")
    csrf = tess.headers.pop("X-CSRF-Token")
    form = {"_csrf": csrf, "_here": "/account"}
    address = authorization_address(tess.post("/account/identities/strict", data=form).text)
    # Only the session that started the linking can complete it.
    assert come_back(world.client("omar"), address, strict.grant(address), "strict").status_code == 403
    linked = come_back(tess, address, strict.grant(address, email="other@elsewhere.example"), "strict")
    assert (linked.status_code, linked.headers["Location"]) == (303, "/account")
    assert "Strict" in tess.get("/account").text

    browser = world.anonymous()
    address = begin(browser, "strict")
    come_back(browser, address, strict.grant(address), "strict")
    assert who(browser) == "tess@helpdesk.example"
    # The identity cannot be linked to another user, and super admins can unlink it.
    omar = world.client("omar")
    form = {"_csrf": omar.headers.pop("X-CSRF-Token")}
    address = authorization_address(omar.post("/account/identities/strict", data=form).text)
    assert come_back(omar, address, strict.grant(address), "strict").status_code == 403
    assert "another user" in failures(world)[-1]
    ada = world.client("ada")
    user = next(one for one in ada.call("GET", "/api/users", 200)["items"] if one["email"].startswith("tess"))
    (identity,) = ada.call("GET", f"/api/users/{user['user_id']}/identities", 200)["items"]
    assert (identity["issuer"], identity["subject"]) == (strict.issuer, "someone")
    other = ada.call("GET", "/api/auth/session", 200)["user"]["user_id"]
    ada.call("DELETE", f"/api/users/{other}/identities/{identity['id']}", 404)
    ada.call("DELETE", f"/api/users/{user['user_id']}/identities/{identity['id']}", 204)
    assert who(browser) is None and who(tess) == "tess@helpdesk.example"

    world.clock.advance(minutes=10)
    refused = tess.post("/account/identities/strict", data={"_csrf": csrf, "_here": "/account"})
    assert refused.status_code == 403 and "Confirm that it is you" in refused.text
    confirmed = {"_csrf": csrf, "_here": "/account", "_confirm": PASSWORD}
    assert "Continue with Strict" in tess.post("/account/identities/strict", data=confirmed).text
