"""Invalid responses of a provider: tokens with wrong claims or signatures, and a provider that fails."""

import base64
import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey, RSAKey

from issue_tracker.auth.single_sign_on import client as client_module
from tests.cases import cases
from tests.engines import decided_in_python
from tests.server import serving
from tests.single_sign_on.browser import SESSION, begin, come_back, failures, sign_in, who
from tests.single_sign_on.fake import FakeProvider, other_key, our_key, short_key, sign, unsigned
from tests.world import PASSWORD, World


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@cases(
    ("changes", "reason"),
    [
        ({"aud": "another-client"}, "aud"),
        ({"aud": ["issue-tracker", "another-client"]}, "azp"),
        ({"azp": "another-client"}, "azp"),
        ({"iss": "https://elsewhere.example"}, "iss"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"exp": 1_700_000_000}, "Expired"),
        ({"exp": None}, "exp"),
        ({"iat": 4_000_000_000}, "issued in the future"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": 7}, "sub"),
        ({"at_hash": "AAAA"}, "at_hash"),
    ],
)
def test_an_id_token_with_a_wrong_claim_is_rejected(
    world: World, fake: FakeProvider, changes: dict[str, Any], reason: str
) -> None:
    failed = len(failures(world))
    browser, response = sign_in(world, fake, **changes)
    assert response.status_code == 403 and "Signing in with Fake did not work" in response.text
    assert who(browser) is None and SESSION not in browser.cookies
    assert reason in failures(world)[failed]
    assert [row for row in world.history(audit=True) if row.type.startswith(("identity.", "session.created"))] == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_invalid_signature_is_rejected(world: World, fake: FakeProvider) -> None:
    shared = our_key().as_pem(private=False)
    for make in (
        lambda claims: sign(claims, short_key()),
        lambda claims: sign(claims, other_key()),
        lambda claims: sign(claims, other_key(), kid="ours"),
        lambda claims: sign(claims, other_key(), jwk=other_key().as_dict(private=False)),
        lambda claims: sign(claims, other_key(), jku=f"{fake.issuer}/others"),
        unsigned,
        lambda claims: f"{sign(claims).rpartition('.')[0]}.",
        lambda claims: _hs256(claims, shared),
        lambda claims: sign(claims, typ="logout+jwt"),
        lambda _: "nonsense",
        lambda _: "",
    ):
        browser = world.anonymous()
        address = begin(browser, "fake")
        code = fake.grant(address, make(fake.claims(address)))
        assert come_back(browser, address, code).status_code == 403
        assert who(browser) is None
    assert len(failures(world)) == 11


def _hs256(claims: dict[str, Any], secret: bytes) -> str:
    """Returns a token that is signed with the public key as if it were a shared secret."""
    parts = (json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "ours"}, claims))
    text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, text.encode(), hashlib.sha256)).decode().rstrip("=")
    return f"{text}.{signature}"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_only_the_algorithms_and_key_lengths_of_the_file_are_accepted(
    world: World, fake: FakeProvider, providers_file: str
) -> None:
    strict = 'id = "fake"\nalgorithms = ["ES256", "PS256"]\nshortest_rsa_key = 3072'
    settings = msgspec.structs.replace(
        world.server.settings, identity_providers=providers_file.replace('id = "fake"', strict)
    )
    long = RSAKey.generate_key(3072, {"kid": "long", "use": "sig"})
    curve = ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"})
    fake.keys = [our_key(), long, curve]
    cases: list[tuple[Any, str, int]] = [
        (our_key(), "RS256", 403),
        (our_key(), "PS256", 403),
        (long, "RS256", 403),
        (long, "PS256", 303),
        (curve, "ES256", 303),
    ]
    with serving(settings) as server:
        for key, algorithm, status in cases:
            browser = world.anonymous()
            browser.base_url = server.url
            address = begin(browser, "fake")
            code = fake.grant(address, sign(fake.claims(address), key, algorithm))
            assert come_back(browser, address, code).status_code == status, (algorithm, failures(world))
            assert who(browser) == ("tess@helpdesk.example" if status == 303 else None)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_clock_may_differ_by_a_minute(world: World, fake: FakeProvider) -> None:
    at = int(world.clock.now().timestamp())
    off: list[dict[str, Any]] = [{"iat": at + 50, "nbf": at + 50}, {"exp": at - 50, "iat": at - 350}]
    for changes in off:
        browser, response = sign_in(world, fake, **changes)
        assert response.status_code == 303 and who(browser) == "tess@helpdesk.example", failures(world)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_keys_that_cannot_be_used_are_ignored(world: World, fake: FakeProvider) -> None:
    fake.unusable_keys = [
        {"kty": "EC", "kid": "curve", "crv": "brainpoolP256r1", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "incomplete", "n": "AA"},
        {"kty": "OKP", "kid": "other", "crv": "X25519", "x": "!"},
        {"kty": "unknown", "kid": "type"},
        "no key",
    ]
    browser, response = sign_in(world, fake)
    assert response.status_code == 303 and who(browser) == "tess@helpdesk.example", failures(world)
    fake.keys = []
    fake.unusable_keys.append(our_key().as_dict(private=False) | {"use": "enc"})
    assert sign_in(world, fake)[1].status_code == 503 and "its keys cannot be read" in failures(world)[-1]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_replaced_keys_are_fetched_again_a_limited_number_of_times(
    world: World, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "METADATA_SECONDS", 3600.0)
    browser = world.anonymous()

    def signed_with(key: RSAKey) -> int:
        address = begin(browser, "fake")
        code = fake.grant(address, sign(fake.claims(address), key))
        return come_back(browser, address, code).status_code

    with serving(world.server.settings) as server:
        browser.base_url = server.url
        assert signed_with(our_key()) == 303
        fake.keys = [other_key()]
        fake.requests.clear()
        assert signed_with(other_key()) == 303, "a replacement is noticed at once"
        assert fake.requests.count("/keys") == 1
        fake.keys = [our_key()]
        assert [signed_with(our_key()) for _ in range(3)] == [403] * 3
        assert fake.requests.count("/keys") == 1, "they were fetched again a moment ago"
        monkeypatch.setattr(client_module, "KEYS_PAUSE_SECONDS", 0.0)
        assert signed_with(our_key()) == 303
        assert fake.requests.count("/keys") == 2 and who(browser) == "tess@helpdesk.example"


@decided_in_python
def test_known_metadata_is_used_without_waiting_for_a_provider_that_has_failed(
    world: World, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "STALE_SECONDS", 3600.0)
    monkeypatch.setattr(client_module, "FAILURE_PAUSE_SECONDS", 60.0)
    browser = world.anonymous()
    begin(browser, "fake")
    fake.status = 500
    fake.requests.clear()
    for _ in range(3):
        begin(browser, "fake")
    assert len(fake.requests) == 1, "each attempt may take until the timeout, and all sign-ins wait for it"
    monkeypatch.setattr(client_module, "FAILURE_PAUSE_SECONDS", 0.0)
    fake.status = 200
    begin(browser, "fake")
    assert len(fake.requests) > 1


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_failure_of_a_provider_is_one_sentence_with_a_request_id(world: World, fake: FakeProvider) -> None:
    browser = world.anonymous()

    def broken(path: str = "/login/with/fake") -> str:
        response = browser.post(path, data={})
        assert response.status_code == 503 and "does not work at the moment" in response.text
        assert response.headers["X-Request-ID"] in response.text and response.headers["Retry-After"]
        return response.text

    fresh = dict(fake.metadata)
    fake.status = 500
    broken()
    fake.status = 200
    for changes in (
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
    ):
        fake.metadata = fresh | changes
        broken()
    fake.metadata = fresh
    fake.padding = 2_000_000
    broken()
    fake.padding, fake.redirect = 0, True
    broken()
    fake.redirect = False
    address = begin(browser, "fake")
    code = fake.grant(address)
    fake.status = 502
    response = come_back(browser, address, code)
    assert response.status_code == 503 and response.headers["X-Request-ID"] in response.text
    assert who(browser) is None and "status 502" in failures(world)[-1]
    fake.status = 200
    assert browser.get("/login/with/nobody/callback").status_code == 404
    assert browser.post("/login/with/nobody", data={}).status_code == 404
    credentials = {"email": "tess@helpdesk.example", "password": PASSWORD}
    browser.call("POST", "/api/auth/login", 200, json=credentials)
