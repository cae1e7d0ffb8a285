"""The limits of passkeys: throttling, counters, whose they are, and sign-in without passwords."""

import json
from typing import Any

import msgspec

from tests.auth.authenticator import Authenticator
from tests.auth.factors import FACTORS, SECOND, enrol, first_step
from tests.auth.passkeys import BEGIN, MAKE, ORIGIN, SIGN_IN, client_of, registered, stranger
from tests.clients import Client
from tests.engines import decided_in_python
from tests.server import Server, serving
from tests.world import World

pytestmark = decided_in_python

CONFIRM, CONFIRM_BEGIN = "/api/auth/confirm", "/api/auth/confirm/passkey/options"


def answer(client: Client, key: Authenticator, begin: str = BEGIN, *, wrong: bool = False) -> dict[str, Any]:
    """Returns the answer of a passkey to a new challenge; a wrong one is signed on another site."""
    begun = client.call("POST", begin, 200)
    key.origin = "https://elsewhere.example" if wrong else ORIGIN
    return {"challenge": begun["challenge"], "credential": key.use(begun["options"])}


def test_attempts_with_passkeys_are_limited_like_those_with_passwords(world: World, site: Server) -> None:
    tess, key, limit = client_of(world, site, "tess"), Authenticator(ORIGIN), site.settings.sign_in_account_limit
    registered(tess, key)
    visitor = stranger(world, site)
    assert tess.call("GET", FACTORS, 200)["items"][0]["last_used_at"] is None
    visitor.call("POST", SIGN_IN, 200, json=answer(visitor, key))
    assert tess.call("GET", FACTORS, 200)["items"][0]["last_used_at"] is not None
    # A correct one resets the count of this place, which is known from now on.
    for status in (*[401] * (limit - 1), 200, *[401] * limit, 429):
        visitor.call("POST", SIGN_IN, status, json=answer(visitor, key, wrong=status == 401))
    world.clock.advance(minutes=site.settings.sign_in_window_minutes)
    form = answer(visitor, key)
    done = visitor.post("/login/passkey", data=form | {"credential": json.dumps(form["credential"])})
    assert done.status_code == 303 and "__Host-issue_tracker_device=" in done.headers["Set-Cookie"]


def test_confirmations_with_passkeys_are_limited_for_their_user(world: World, site: Server) -> None:
    tess, omar = client_of(world, site, "tess"), client_of(world, site, "omar")
    mine, other, limit = Authenticator(ORIGIN), Authenticator(ORIGIN), site.settings.sign_in_account_limit
    registered(tess, mine)
    registered(omar, other)
    for status in (*[400] * (limit - 1), 204, *[400] * limit, 429):
        tess.call("POST", CONFIRM, status, json=answer(tess, mine, CONFIRM_BEGIN, wrong=status == 400))
    omar.call("POST", CONFIRM, 204, json=answer(omar, other, CONFIRM_BEGIN))


def test_a_counter_that_does_not_grow_is_reported_at_every_use(world: World, site: Server) -> None:
    tess, visitor, key = client_of(world, site, "tess"), stranger(world, site), Authenticator(ORIGIN)
    key.counter = 7
    registered(tess, key)
    for before, status in ((6, 401), (7, 200), (7, 401), (-1, 401)):  # the next signature counts one more
        key.counter = before
        visitor.call("POST", SIGN_IN, status, json=answer(visitor, key))
    challenge = first_step(visitor)
    key.counter = 7
    credential = key.use(visitor.call("POST", BEGIN, 200, json={"challenge": challenge})["options"])
    body = {"challenge": challenge, "method": "passkey", "credential": credential}
    visitor.call("POST", SECOND, 401, json=body)
    key.counter = 7
    tess.call("POST", CONFIRM, 400, json=answer(tess, key, CONFIRM_BEGIN))
    copied = [event.type for event in world.history(audit=True) if "may have been copied" in (event.note or "")]
    assert copied == ["session.failed"] * 3 + ["session.second_factor_failed", "session.proof_failed"]


def test_a_browser_gets_the_passkeys_of_its_user(world: World, site: Server) -> None:
    tess, omar, key = client_of(world, site, "tess"), client_of(world, site, "omar"), Authenticator(ORIGIN)
    enrol(world, client=tess)
    registered(tess, key)
    registered(omar, Authenticator(ORIGIN))
    excluded = tess.call("POST", f"{MAKE}/options", 200)["options"]["excludeCredentials"]
    used = tess.call("POST", CONFIRM_BEGIN, 200)["options"]
    assert [one["id"] for one in excluded] == [one["id"] for one in used["allowCredentials"]]
    assert [one["id"] for one in excluded] == [key.use(used)["id"]]


def test_without_passwords_only_a_break_glass_account_signs_in_with_a_passkey_alone(world: World, site: Server) -> None:
    """Others could go on after the identity provider has removed them."""
    keys = {}
    for who in ("ada", "tess"):
        keys[who] = Authenticator(ORIGIN)
        registered(client_of(world, site, who), keys[who])
    settings = msgspec.structs.replace(
        site.settings, password_sign_in=False, break_glass_accounts="ada@helpdesk.example"
    )
    with serving(settings, public_url=ORIGIN) as server:
        visitor = stranger(world, server)
        visitor.call("POST", SIGN_IN, 401, json=answer(visitor, keys["tess"]))
        assert visitor.call("POST", SIGN_IN, 200, json=answer(visitor, keys["ada"]))["user"]["name"] == "Ada Lund"
