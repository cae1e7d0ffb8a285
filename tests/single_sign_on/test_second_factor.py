"""Whether a sign-in at a provider counts as the second factor, and the second step if it does not."""

from typing import Any

import pytest

from tests.auth.factors import enrol
from tests.auth.test_second_factor_pages import SECOND, answer
from tests.engines import decided_in_python
from tests.single_sign_on.browser import begin, come_back, sign_in, who
from tests.single_sign_on.fake import FakeProvider
from tests.world import World


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
