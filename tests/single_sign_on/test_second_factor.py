"""Whether a sign-in at a provider counts as the second factor, and the second step if it does not."""

from typing import Any

import pytest
from sqlalchemy import select

from issue_tracker.auth.single_sign_on import refresh_tokens
from issue_tracker.auth.single_sign_on.binding import end_provider_sessions
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.tables import provider_sessions
from issue_tracker.encryption import Keyring, generate_key
from tests.auth.factors import enrol
from tests.auth.test_second_factor_pages import SECOND, answer
from tests.company_access.limits import user_id
from tests.engines import decided_in_python
from tests.locks import during
from tests.single_sign_on.browser import begin, come_back, sign_in, who
from tests.single_sign_on.fake import LOGOUT, REFRESH_TOKEN, FakeProvider, sign
from tests.single_sign_on.provider import authorization_address
from tests.world import PASSWORD, World


@decided_in_python
def test_the_second_step_is_required_unless_the_provider_reports_one(world: World, fake: FakeProvider) -> None:
    app, client = enrol(world), world.anonymous()
    address = begin(client, "fake", next="/matrix")
    page = come_back(client, address, fake.grant(address, auth_time=1_700_000_000))
    assert page.status_code == 200 and "<h1>Second step</h1>" in page.text and who(client) is None

    done = client.post(SECOND, data=answer(page, app.code(world)))

    assert (done.status_code, done.headers["Location"]) == (303, "/matrix")
    assert who(client) == "tess@helpdesk.example"
    # The code is fresh proof, although the sign-in at the provider is not.
    client.headers["X-CSRF-Token"] = client.call("GET", "/api/auth/session", 200)["csrf_token"]
    client.call("POST", "/api/auth/tokens", 201, json={"name": "nightly", "scopes": ["read"]})
    # It is still a session of the provider.
    world.clock.advance(minutes=60)
    assert who(client) is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_trusted_provider_counts_as_a_second_factor(world: World, fake: FakeProvider) -> None:
    enrol(world)
    for said in (["mfa"], ["pwd", "otp"]):
        client, response = sign_in(world, fake, amr=said)
        assert response.status_code == 303 and who(client) == "tess@helpdesk.example", said
    others: list[Any] = [["pwd"], ["otp"], ["fido", "face"], "mfa!", None]
    for said in others:
        client, response = sign_in(world, fake, amr=said)
        assert response.status_code in (200, 403) and who(client) is None, said
    created = [row.note for row in world.history(audit=True) if row.type == "session.created"]
    assert created[-1].endswith("with Fake (second factor at Fake)")


def test_a_sign_in_that_waits_survives_a_replaced_server_key(world: World, fake: FakeProvider) -> None:
    app, client = enrol(world), world.anonymous()
    address = begin(client, "fake")
    page = come_back(client, address, fake.grant(address))
    present, new = ServerKey(world.database, world.server.settings).keyring(), Keyring([generate_key()])
    with world.database.read() as tx:
        assert refresh_tokens.has_secrets(tx)
    tess = user_id(world, "tess")
    for keyring, done in ((new, (0, [tess])), (new.followed_by(present), (1, [])), (new, (0, []))):
        with world.database.write() as tx:
            assert refresh_tokens.reencrypt(tx, keyring) == done
    assert client.post(SECOND, data=answer(page, app.code(world))).status_code == 303
    with world.database.read() as tx:
        stored = tx.execute(select(provider_sessions.c.refresh_token)).scalar_one()
    assert new.decrypt(stored) == REFRESH_TOKEN
    with world.database.write() as tx:
        assert refresh_tokens.reencrypt(tx, new.followed_by(present)) == (0, [])


def test_a_sign_out_at_the_provider_ends_a_sign_in_that_waits(world: World, fake: FakeProvider) -> None:
    app, waiting = enrol(world), []
    for sid in ("here", "there"):
        client = world.anonymous()
        address = begin(client, "fake")
        waiting.append((client, come_back(client, address, fake.grant(address, sid=sid))))
    # One that began with the password is not about the provider.
    login = {"email": "tess@helpdesk.example", "password": PASSWORD}
    own = world.anonymous().call("POST", "/api/auth/login", 401, json=login)["challenge"]
    at = int(world.clock.now().timestamp())
    said = {"iss": fake.issuer, "aud": "issue-tracker", "iat": at, "exp": at + 120, "jti": "1", "events": {LOGOUT: {}}}

    def sign_out(**about: str) -> int:
        token = sign({**said, **about}, typ="logout+jwt")
        return world.anonymous().post("/login/with/fake/sign-out", data={"logout_token": token}).status_code

    assert sign_out(sid="there") == sign_out(sub="another") == 200
    statuses = []
    for client, page in waiting:
        statuses.append(client.post(SECOND, data=answer(page, app.code(world))).status_code)
        world.clock.advance(seconds=30)
    assert statuses == [303, 401]
    body = {"challenge": own, "method": "totp", "code": app.code(world)}
    world.anonymous().call("POST", "/api/auth/login/second-factor", 200, json=body)


def test_a_sign_out_of_a_person_at_the_provider_ends_all_of_their_sign_ins(world: World, fake: FakeProvider) -> None:
    """Also one whose second step is taken at the same moment."""
    app, client = enrol(world), world.anonymous()
    address = begin(client, "fake")
    page = come_back(client, address, fake.grant(address, sub="s9"))
    until = world.clock.now()
    refused = during(
        world,
        lambda tx: end_provider_sessions(tx, fake.issuer, subject="s9", session=None, until=until),
        lambda: client.post(SECOND, data=answer(page, app.code(world))),
    )
    assert refused.status_code == 401 and who(client) is None


@decided_in_python
def test_a_sign_out_concerns_its_provider_and_what_began_before_it(
    world: World, fake: FakeProvider, strict: FakeProvider
) -> None:
    sign_in(world, fake)
    tess, running, there, late = world.client("tess"), *(world.anonymous() for _ in range(3))
    app = enrol(world, client=tess)
    linking = tess.post("/account/identities/strict", data={"_csrf": tess.headers.pop("X-CSRF-Token")})
    address = authorization_address(linking.text)
    assert come_back(tess, address, strict.grant(address), "strict").status_code == 303
    address = begin(running, "strict")
    assert come_back(running, address, strict.grant(address, amr=["mfa"]), "strict").status_code == 303
    address = begin(there, "strict")
    page = come_back(there, address, strict.grant(address), "strict")
    at = int(world.clock.now().timestamp())
    said = {"iss": fake.issuer, "aud": "issue-tracker", "iat": at, "exp": at + 900, "jti": "1", "events": {LOGOUT: {}}}
    token = sign({**said, "sub": "someone"}, typ="logout+jwt")  # who has the same subject at both
    assert tess.post("/login/with/fake/sign-out", data={"logout_token": token}).status_code == 200
    assert who(running) == "tess@helpdesk.example"
    assert there.post(SECOND, data=answer(page, app.code(world))).status_code == 303
    world.clock.advance(minutes=2)
    address = begin(late, "fake")
    page = come_back(late, address, fake.grant(address))
    assert tess.post("/login/with/fake/sign-out", data={"logout_token": token}).status_code == 200
    assert late.post(SECOND, data=answer(page, app.code(world))).status_code == 303
