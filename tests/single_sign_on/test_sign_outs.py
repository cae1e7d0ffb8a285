"""Signing out at a provider ends the sessions here, and signing out here continues there."""

import re
from typing import Any

import pytest

from tests.clients import Client
from tests.engines import decided_in_python
from tests.single_sign_on.browser import sign_in, signed_in_there, who
from tests.single_sign_on.fake import LOGOUT, FakeProvider, other_key, sign, unsigned
from tests.single_sign_on.provider import RealProvider, authorization_address, parameters
from tests.waiting import eventually
from tests.world import World


@decided_in_python
def test_a_sign_out_at_a_certified_provider_ends_the_session_here(world: World, real: RealProvider) -> None:
    real.set(o1={"email": "tess@helpdesk.example", "email_verified": True})
    real.send_sign_outs_to(f"{world.server.url}/login/with/real/sign-out")
    browser = Client()
    client, elsewhere = signed_in_there(world, real, "o1", browser), signed_in_there(world, real, "o1")
    page = browser.get(f"{real.issuer}/session/end", params={"client_id": "issue-tracker"}).text
    xsrf = re.search('name="xsrf" value="([^"]+)"', page)
    assert xsrf
    browser.post(f"{real.issuer}/session/end/confirm", data={"xsrf": xsrf[1], "logout": "yes"})
    eventually(lambda: who(client) is None)
    assert who(elsewhere) == "tess@helpdesk.example", "that is another session there"
    browser.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_only_a_valid_logout_token_ends_sessions(world: World, fake: FakeProvider) -> None:
    client, _ = sign_in(world, fake, sid="there")
    at = int(world.clock.now().timestamp())
    right: dict[str, Any] = {
        "iss": fake.issuer,
        "aud": "issue-tracker",
        "iat": at,
        "exp": at + 120,
        "jti": "1",
        "sid": "there",
        "events": {LOGOUT: {}},
    }

    def send(token: str) -> int:
        return world.anonymous().post("/login/with/fake/sign-out", data={"logout_token": token}).status_code

    def message(**changes: Any) -> str:
        return sign({k: v for k, v in (right | changes).items() if v is not None}, typ="logout+jwt")

    wrong = [
        "",
        "nonsense",
        unsigned(right),
        sign(right, other_key(), typ="logout+jwt"),
        sign(right),
        message(aud="another"),
        message(iss="https://elsewhere.example"),
        message(events={}),
        message(nonce="n"),
        message(sid=None),
        message(exp=at - 100),
        message(exp=None),
        message(jti=None),
        message(iat=at - 1000),
    ]
    assert [send(token) for token in wrong] == [400] * len(wrong)
    assert who(client) == "tess@helpdesk.example"
    assert send(message(sid="another")) == 200 and who(client) == "tess@helpdesk.example"
    assert send(message()) == 200 and who(client) is None
    [ended] = [event.note for event in world.history(audit=True) if event.type == "session.ended"]
    assert ended == "session of tess@helpdesk.example, who signed out at Fake"
    # Sent again, the message does not end sessions that were started since.
    world.clock.advance(minutes=2)
    client, _ = sign_in(world, fake, sid="there")
    assert send(message(exp=at + 900)) == 200 and who(client) == "tess@helpdesk.example"
    # One that names a person ends no sessions of others.
    nina, _ = sign_in(world, fake, sub="n", email="nina@helpdesk.example", sid="hers")
    at += 120
    assert send(message(sub="n", sid="there", exp=at + 120)) == 200 and who(nina) == "nina@helpdesk.example"
    assert send(message(sub="n", sid=None, iat=at, exp=at + 120)) == 200
    assert who(nina) is None and who(client) == "tess@helpdesk.example"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_signing_out_continues_at_the_provider_if_configured(world: World, fake: FakeProvider) -> None:
    client, _ = sign_in(world, fake)
    csrf = client.call("GET", "/api/auth/session", 200)["csrf_token"]
    page = client.post("/logout", data={"_csrf": csrf})
    address = authorization_address(page.text)
    assert address.startswith(f"{fake.issuer}/end?") and parameters(address)["client_id"] == "issue-tracker"
    assert parameters(address)["post_logout_redirect_uri"] == f"{world.server.url}/login"
    assert "Clear-Site-Data" in page.headers and who(client) is None
