"""Passkeys as a second step and as the only step, for one site, one user and one use (contract, section 11)."""

from typing import Any

import msgspec
import pytest

from issue_tracker.actor import command_line
from issue_tracker.auth.factors.passkeys import site_of
from issue_tracker.auth.factors.stored import reset_factors
from issue_tracker.names import parse_note
from issue_tracker.settings import load
from tests.auth.authenticator import Authenticator
from tests.auth.factors import FACTORS, LOGIN, SECOND, credentials, first_step
from tests.auth.passkeys import BEGIN, MAKE, ORIGIN, SIGN_IN, client_of, registered, stranger
from tests.company_access.limits import user_id
from tests.engines import decided_in_python
from tests.locks import during
from tests.server import Server, serving
from tests.world import World


def events(world: World, type_: str) -> list[Any]:
    return [event for event in world.history(audit=True) if event.type == type_]


@decided_in_python
def test_the_algorithms_of_new_passkeys_can_be_limited(world: World, site: Server) -> None:
    """A browser creates a key with the first algorithm that its authenticator supports."""

    def offered(server: Server) -> list[int]:
        options = client_of(world, server, "tess").call("POST", f"{MAKE}/options", 200)["options"]
        return [one["alg"] for one in options["pubKeyCredParams"]]

    assert offered(site) == [-8, -7, -257]
    with serving(msgspec.structs.replace(site.settings, rsa_passkeys=False), public_url=ORIGIN) as strict:
        assert offered(strict) == [-8, -7]
        tess, key = client_of(world, strict, "tess"), Authenticator(ORIGIN)
        key.algorithm = -257
        assert registered(tess, key, status=400)["errors"][0]["field"] == "credential"
        key.algorithm = -7
        registered(tess, key)


def test_a_passkey_works_as_the_second_step(world: World, site: Server) -> None:
    tess, key = client_of(world, site, "tess"), Authenticator(ORIGIN, verifies=False)
    begun = tess.call("POST", f"{MAKE}/options", 200)["options"]
    assert begun["rp"]["id"] == "issues.helpdesk.example" and begun["excludeCredentials"] == []
    assert begun["authenticatorSelection"]["residentKey"] == "required"
    made = registered(tess, key)
    assert len(made["recovery_codes"]) == 10
    listed = tess.call("GET", FACTORS, 200)["items"]
    assert [(one["id"], one["method"], one["name"]) for one in listed] == [(made["id"], "passkey", "Laptop")]
    excluded = tess.call("POST", f"{MAKE}/options", 200)["options"]["excludeCredentials"]
    assert [(one["id"], one["transports"]) for one in excluded] == [(key.make(begun)["id"], ["hybrid", "internal"])]
    registered(tess, key, "Twice", status=400)
    registered(tess, Authenticator(ORIGIN), "Laptop", status=400)
    assert registered(tess, Authenticator(ORIGIN), "Tablet")["recovery_codes"] == []

    visitor = stranger(world, site)
    refused = visitor.call("POST", LOGIN, 401, json=credentials())
    assert refused["methods"] == ["passkey", "recovery"]
    challenge = refused["challenge"]
    begun = visitor.call("POST", BEGIN, 200, json={"challenge": challenge})
    assert begun["challenge"] == challenge and len(begun["options"]["allowCredentials"]) == 2
    body = {"challenge": challenge, "method": "passkey", "credential": key.use(begun["options"])}
    visitor.call("POST", SECOND, 400, json={"challenge": challenge, "method": "passkey", "code": "1"})
    assert visitor.call("POST", SECOND, 200, json=body)["user"]["name"] == "Tess Ngo"
    visitor.call("POST", SECOND, 401, json=body)
    assert events(world, "session.created")[-1].note == "from 127.0.0.1 (passkey)"
    visitor.call("POST", BEGIN, 401, json={"challenge": challenge})


def test_a_passkey_that_verifies_its_user_works_as_the_only_step(world: World, site: Server) -> None:
    tess, key, careless = client_of(world, site, "tess"), Authenticator(ORIGIN), Authenticator(ORIGIN, verifies=False)
    registered(tess, key)
    registered(tess, careless, "Key without PIN")
    visitor = stranger(world, site)
    begun = visitor.call("POST", BEGIN, 200)
    assert "allowCredentials" not in begun["options"] or begun["options"]["allowCredentials"] == []
    assert begun["options"]["userVerification"] == "required"

    def attempt(credential: dict[str, Any], status: int, challenge: str = begun["challenge"]) -> Any:
        return visitor.call("POST", SIGN_IN, status, json={"challenge": challenge, "credential": credential})

    unknown = attempt(Authenticator(ORIGIN).use(begun["options"]), 401)
    assert attempt(careless.use(begun["options"]), 401) == unknown
    right = key.use(begun["options"])
    assert attempt(right, 200)["user"]["name"] == "Tess Ngo"
    assert attempt(key.use(begun["options"]), 401)["reason"] == "sign_in_expired"
    assert events(world, "session.created")[-1].note == "from 127.0.0.1 (passkey alone)"
    assert {event.actor_name for event in events(world, "session.failed")} == {
        "an unknown address",
        "tess@helpdesk.example",
    }
    forged = begun["challenge"][:-2] + "xx"
    assert attempt(right, 401, forged)["reason"] == "sign_in_expired"
    world.clock.advance(minutes=5)
    assert attempt(right, 401)["reason"] == "sign_in_expired"

    ada = client_of(world, site, "ada")
    user_id = next(user["user_id"] for user in ada.call("GET", "/api/users", 200)["items"] if "Tess" in user["name"])
    ada.call("PUT", f"/api/users/{user_id}", 200, json={"active": False})
    begun = visitor.call("POST", BEGIN, 200, json={})
    assert attempt(key.use(begun["options"]), 401, begun["challenge"]) == unknown


def test_a_passkey_confirms_its_user(world: World, site: Server) -> None:
    begin, confirm = "/api/auth/confirm/passkey/options", "/api/auth/confirm"
    ada, key, careless = client_of(world, site, "ada"), Authenticator(ORIGIN), Authenticator(ORIGIN, verifies=False)
    ada.call("POST", begin, 400)
    registered(ada, key)
    registered(ada, careless, "Key without PIN")
    other, tess = client_of(world, site, "ada"), client_of(world, site, "tess")
    world.clock.advance(minutes=10)
    hook = {"url": "https://hooks.helpdesk.example"}
    ada.call("POST", "/api/webhooks", 403, json=hook)
    begun = ada.call("POST", begin, 200)
    assert begun["options"]["userVerification"] == "required" and len(begun["options"]["allowCredentials"]) == 2
    right = {"challenge": begun["challenge"], "credential": key.use(begun["options"])}
    ada.call("POST", confirm, 400, json=right | {"password": "x"})
    for who in (other, tess):
        who.call("POST", confirm, 400, json=right)
    ada.call("POST", confirm, 400, json=right | {"credential": careless.use(begun["options"])})
    assert "a passkey, from 127.0.0.1" in [event.note for event in events(world, "session.proof_failed")]
    ada.call("POST", "/api/webhooks", 403, json=hook)
    ada.call("POST", confirm, 204, json=right)
    ada.call("POST", "/api/webhooks", 201, json=hook)
    other.call("POST", "/api/webhooks", 403, json=hook)
    again = {"challenge": begun["challenge"], "credential": key.use(begun["options"])}
    ada.call("POST", confirm, 400, json=again)  # the challenge has been used
    begun = ada.call("POST", begin, 200)
    world.clock.advance(minutes=5)
    late = {"challenge": begun["challenge"], "credential": key.use(begun["options"])}
    assert ada.call("POST", confirm, 400, json=late)["errors"][0]["field"] == "challenge"


@decided_in_python
def test_a_signature_for_another_site_is_rejected(world: World, site: Server) -> None:
    tess, omar, key = client_of(world, site, "tess"), client_of(world, site, "omar"), Authenticator(ORIGIN)
    registered(tess, key)
    other = Authenticator(ORIGIN)
    registered(omar, other)
    for number, wrong in enumerate(("origin", "challenge", "user", "signature", "shape", "kind"), 1):
        visitor = stranger(world, site)
        challenge = first_step(visitor)
        begun = visitor.call("POST", BEGIN, 200, json={"challenge": challenge})
        options, credential = begun["options"], key.use(begun["options"])
        if wrong == "origin":
            key.origin = "https://issues.helpdesk.example.evil.example"
            credential = key.use(options)
            key.origin = ORIGIN
        elif wrong == "challenge":
            credential = key.use(visitor.call("POST", BEGIN, 200)["options"])
        elif wrong == "user":
            credential = other.use(options)
        elif wrong == "signature":
            credential["response"]["signature"] = other.use(options)["response"]["signature"]
        elif wrong == "shape":
            credential = {"id": "x", "rawId": credential["rawId"], "response": {"clientDataJSON": 1}}
        else:
            credential = key.make({"rp": {"id": options["rpId"]}, "challenge": options["challenge"]})
        for sent in (credential, {"rawId": ["x"]}):
            body = {"challenge": challenge, "method": "passkey", "credential": sent}
            visitor.call("POST", SECOND, 401, json=body)
        assert len(events(world, "session.second_factor_failed")) == 2 * number, wrong
        world.clock.advance(minutes=site.settings.sign_in_window_minutes)


def test_a_copied_passkey_is_rejected_and_reported(world: World, site: Server) -> None:
    tess, key = client_of(world, site, "tess"), Authenticator(ORIGIN)
    registered(tess, key)

    def attempt(status: int) -> None:
        visitor = stranger(world, site)
        begun = visitor.call("POST", BEGIN, 200)
        visitor.call(
            "POST", SIGN_IN, status, json={"challenge": begun["challenge"], "credential": key.use(begun["options"])}
        )

    key.counter = 10
    attempt(200)
    key.counter = 5
    attempt(401)
    assert "may have been copied" in events(world, "session.failed")[-1].note
    # Many passkeys have no counter: theirs remains 0.
    plain = Authenticator(ORIGIN)
    registered(tess := client_of(world, site, "tess"), plain, "Phone")
    assert tess.call("GET", FACTORS, 200)["total"] == 2
    key = plain
    for _ in range(2):
        key.counter = -1
        attempt(200)


def test_a_registration_is_valid_once_for_its_user_and_for_five_minutes(world: World, site: Server) -> None:
    tess, omar, key = client_of(world, site, "tess"), client_of(world, site, "omar"), Authenticator(ORIGIN)
    begun = tess.call("POST", f"{MAKE}/options", 200)
    body = {"challenge": begun["challenge"], "credential": key.make(begun["options"])}
    made = tess.call("POST", MAKE, 201, json=body)
    tess.call("DELETE", f"{FACTORS}/{made['id']}", 204)
    assert "already been completed" in tess.call("POST", MAKE, 400, json=body)["detail"]
    begun = tess.call("POST", f"{MAKE}/options", 200)
    body = {"challenge": begun["challenge"], "credential": key.make(begun["options"])}
    omar.call("POST", MAKE, 400, json=body)
    key.origin = "https://elsewhere.example"
    tess.call("POST", MAKE, 400, json=body | {"credential": key.make(begun["options"])})
    tess.call("POST", MAKE, 400, json=body | {"credential": {"rawId": 1}})
    world.clock.advance(minutes=5)
    tess.call("POST", MAKE, 400, json=body)
    assert tess.call("GET", FACTORS, 200)["total"] == 0


def test_a_passkey_that_could_not_be_used_is_not_registered(world: World, site: Server) -> None:
    tess = client_of(world, site, "tess")
    off_the_curve = {1: 2, 3: -7, -1: 1, -2: bytes(32), -3: b"\1" * 32}
    for public_key in ([1, 2], off_the_curve, off_the_curve | {-2: b"\xff" * 5000}):
        key = Authenticator(ORIGIN)
        key.public_key = public_key
        assert registered(tess, key, status=400)["errors"][0]["field"] == "credential"
    for length, status in ((20_000, 400), (1024, 400), (1023, 201)):  # PostgreSQL cannot index the longest one
        key = Authenticator(ORIGIN)
        key.id = bytes(length)
        registered(tess, key, status=status)
    visitor = stranger(world, site)
    begun = visitor.call("POST", BEGIN, 200)
    body = {"challenge": begun["challenge"], "credential": key.use(begun["options"])}
    assert visitor.call("POST", SIGN_IN, 200, json=body)["user"]["name"] == "Tess Ngo"


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("https://issues.example.com", "https://issues.example.com", "issues.example.com"),
        ("https://issues.example.com:8443/", "https://issues.example.com:8443", "issues.example.com"),
        ("https://Issues.example.com:443", "https://issues.example.com", "issues.example.com"),
        ("HTTPS://bücher.example/", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("http://localhost:80", "http://localhost", "localhost"),
        ("http://localhost:443", "http://localhost:443", "localhost"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", None),
        ("https://[::1]:8443", "https://[::1]:8443", None),
        ("http://issues.example.com", "http://issues.example.com", None),
    ],
)
def test_passkeys_need_a_host_name_and_https(url: str, origin: str, host: str | None) -> None:
    """Browsers sign the origin without the default port."""
    settings = load({"ISSUE_TRACKER_PUBLIC_URL": url})
    site = site_of(settings)
    assert settings.public_url == origin and (site and site.host) == host
    assert site is None or site.origin == origin


@decided_in_python
def test_passkeys_are_not_offered_without_a_host_name(world: World) -> None:
    tess = world.client("tess")
    assert "Passkeys need" in tess.call("POST", f"{MAKE}/options", 400)["detail"]
    assert "Passkeys need" in world.anonymous().call("POST", BEGIN, 400)["detail"]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # on SQLite, nothing shows that the request waits
def test_a_session_that_has_just_ended_adds_no_passkey(world: World, site: Server) -> None:
    """A reset removes all factors of the user, and so none may follow it."""
    tess, key, user = client_of(world, site, "tess"), Authenticator(ORIGIN), user_id(world, "tess")
    refused = during(
        world,
        lambda tx: reset_factors(tx, command_line("tests"), user, parse_note("lost")),
        lambda: registered(tess, key, status=401),
    )
    assert "sign in" in refused["detail"].lower()
    assert world.client("tess").call("GET", FACTORS, 200)["total"] == 0
