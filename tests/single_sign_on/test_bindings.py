"""What a session takes from its provider, and which session and browser a return belongs to."""

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from issue_tracker.auth.single_sign_on import flows
from tests.auth.factors import enrol
from tests.clients import Client
from tests.engines import decided_in_python
from tests.server import Server, serving
from tests.single_sign_on.browser import SESSION, begin, come_back, sign_in, who
from tests.single_sign_on.fake import FakeProvider
from tests.single_sign_on.provider import SECRET, authorization_address
from tests.world import World

pytestmark = decided_in_python

BASIC = f"Basic {b64encode(f'issue-tracker:{SECRET}'.encode()).decode()}"

TOKENS, BODY = "/api/auth/tokens", {"name": "nightly", "scopes": ["read"]}


def test_a_session_is_no_longer_and_no_fresher_than_permitted(world: World, fake: FakeProvider) -> None:
    at = int(world.clock.now().timestamp())
    client, _ = sign_in(world, fake, auth_time=at + 1800)  # the clock there is half an hour fast
    client.call("POST", TOKENS, 201, json=BODY)
    world.clock.advance(minutes=25)
    assert client.call("POST", TOKENS, 403, json=BODY)["reason"] == "confirmation_required"
    short = msgspec.structs.replace(world.server.settings, session_lifetime_days=0.02)
    with serving(short) as server:
        client.base_url = server.url
        sign_in(world, fake, client)
        world.clock.advance(minutes=29)
        assert who(client) is None


def test_a_confirmation_and_a_link_belong_to_the_session_that_began_them(world: World, fake: FakeProvider) -> None:
    sign_in(world, fake, sub="n", email="nina@helpdesk.example")
    (here, _), (there, _) = sign_in(world, fake), sign_in(world, fake)
    world.clock.advance(minutes=10)
    own, other = (str(client.cookies[SESSION]) for client in (here, there))

    def return_to(session: str, path: str, subject: str) -> int:
        """Begins in this browser, and returns with a session of the same user."""
        use(here, own)
        address = authorization_address(here.post(path, data={"_csrf": here.headers["X-CSRF-Token"]}).text)
        use(here, session)
        return come_back(here, address, fake.grant(address, sub=subject)).status_code

    assert return_to(other, "/confirm/fake", "someone") == 403
    assert return_to(own, "/confirm/fake", "n") == 403, "another user confirmed"
    there.call("POST", TOKENS, 403, json=BODY)
    assert return_to(own, "/confirm/fake", "someone") == 303
    here.call("POST", TOKENS, 201, json=BODY)
    there.call("POST", TOKENS, 403, json=BODY)
    assert return_to(other, "/account/identities/fake", "new") == 403
    assert return_to(own, "/account/identities/fake", "new") == 303


def use(client: Client, session: str) -> None:
    """Replaces the session of a browser."""
    client.cookies.delete(SESSION)
    client.cookies.set(SESSION, session, domain="127.0.0.1")


def test_only_a_browser_that_had_a_session_carries_a_form(world: World, fake: FakeProvider) -> None:
    """Anybody can begin a sign-in, and what it carries is stored."""
    carried = msgspec.json.encode({"path": "/issues/new", "fields": [["name", "VPN is down"]]}).decode()
    ended, _ = sign_in(world, fake)
    world.clock.advance(hours=1)
    for client, shown in ((world.anonymous(), False), (ended, True)):
        address = begin(client, "fake", carried=carried)
        response = come_back(client, address, fake.grant(address))
        assert ("VPN is down" in response.text) is shown, client
        assert who(client) == "tess@helpdesk.example"


def test_the_sign_ins_in_progress_are_limited(
    world: World, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows, "MOST_FROM_ADDRESS", 1)
    client = world.anonymous()
    begin(client, "fake")
    refused = client.post("/login/with/fake", data={})
    assert refused.status_code == 429 and refused.headers["Retry-After"] == "600"
    monkeypatch.setattr(flows, "MOST_FROM_ADDRESS", 100)
    monkeypatch.setattr(flows, "MOST", 1)
    assert client.post("/login/with/fake", data={}).status_code == 429
    world.clock.advance(minutes=10)
    begin(client, "fake")
    world.clock.advance(days=20)  # the clock is wrong for a while
    begin(client, "fake")
    world.clock.advance(days=-20)
    begin(client, "fake")


OTHERS = """
[[provider]]
id = "{id}"
name = "{id}"
issuer = "{issuer}"
client_id = "issue-tracker"
client_secret_file = "{secret}"
link_by_email = true
create_accounts = true
{more}
"""


def test_a_provider_is_configured_to_attest_a_second_factor_or_an_address(
    world: World, fake: FakeProvider, providers_file: str
) -> None:
    secret = providers_file.partition('client_secret_file = "')[2].partition('"')[0]
    more = {
        "trusted": 'second_factor = "trusted"\ntrust_email = true',
        "none": 'second_factor = "none"',
        "gold": 'second_factor_acr = ["gold"]',
    }
    texts = [OTHERS.format(id=id_, issuer=fake.issuer, secret=secret, more=text) for id_, text in more.items()]
    settings = msgspec.structs.replace(world.server.settings, identity_providers="".join([providers_file, *texts]))
    enrol(world)
    with serving(settings) as server:
        for provider, claims, status in (
            ("trusted", {}, 303),
            ("none", {"amr": ["mfa"]}, 200),
            ("gold", {"acr": "gold"}, 303),
            ("gold", {"acr": "silver"}, 200),
        ):
            assert signed_in_at(world, server, fake, provider, **claims) == status, (provider, claims)
        unverified = {"email": "nina@helpdesk.example", "email_verified": False}
        assert signed_in_at(world, server, fake, "gold", sub="n", **unverified) == 403
        assert signed_in_at(world, server, fake, "trusted", sub="n", **unverified) == 303
        assert signed_in_at(world, server, fake, "gold", sub="o", email="otto@x.example", email_verified="true") == 303


def signed_in_at(world: World, server: Server, fake: FakeProvider, provider: str, **claims: Any) -> int:
    """Returns the status of the return: 303 for a session, 200 for the second step."""
    client = world.anonymous()
    client.base_url = server.url
    address = begin(client, provider)
    return come_back(client, address, fake.grant(address, **claims), provider).status_code


def test_claims_that_cannot_be_used_are_ignored(world: World, fake: FakeProvider) -> None:
    for claims in ({"auth_time": 1_700_000_000_000}, {"auth_time": True}, {"sid": 7}):
        client, response = sign_in(world, fake, **claims)
        assert response.status_code == 303 and who(client) == "tess@helpdesk.example", claims


def test_the_secret_is_sent_as_the_provider_requires(
    world: World, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, str]] = []

    def answer(path: str, body: str, authorization: str) -> tuple[int, Any]:
        if path == "/token":
            sent.append((body, authorization))
            authorization = BASIC
        return FakeProvider.answer(fake, path, body, authorization)

    monkeypatch.setattr(fake, "answer", answer)
    for methods in (["private_key_jwt", "client_secret_post"], ["client_secret_post", "client_secret_basic"]):
        fake.metadata["token_endpoint_auth_methods_supported"] = methods
        assert sign_in(world, fake)[1].status_code == 303
    assert [("client_secret=" in body, authorization) for body, authorization in sent] == [(True, ""), (False, BASIC)]
