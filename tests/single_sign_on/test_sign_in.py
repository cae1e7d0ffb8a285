"""Signing in with an identity provider: matching the account, and the browser that may return."""

from typing import Any

import pytest

from tests.engines import decided_in_python
from tests.single_sign_on.browser import SESSION, begin, come_back, failures, sign_in, who
from tests.single_sign_on.fake import FakeProvider
from tests.single_sign_on.provider import RealProvider, parameters
from tests.world import World

TESS = {"email": "tess@helpdesk.example", "email_verified": True, "name": "Tess Ngo"}


@decided_in_python
def test_a_certified_provider_signs_in_and_links_by_verified_address(world: World, real: RealProvider) -> None:
    real.set(t1=TESS)
    browser = world.anonymous()
    address = begin(browser, "real", next="/companies?search=x")
    query = parameters(address)
    assert query["code_challenge_method"] == "S256" and len(query["nonce"]) == len(query["state"]) == 43
    assert query["response_type"] == "code" and query["redirect_uri"] == f"{world.server.url}/login/with/real/callback"

    response = browser.get(real.sign_in(address, "t1"))

    assert (response.status_code, response.headers["Location"]) == (303, "/companies?search=x")
    assert who(browser) == "tess@helpdesk.example"
    created = [row for row in world.history(audit=True) if row.type == "session.created"]
    assert created[-1].note.endswith("with Real & Co") and created[-1].actor_name == "Tess Ngo"
    # From now on only the subject counts, even if the address changes there.
    real.set(t1={"email": "new@elsewhere.example", "email_verified": False})
    again = world.anonymous()
    again.get(real.sign_in(begin(again, "real"), "t1"))
    assert who(again) == "tess@helpdesk.example"
    linked = [row.note for row in world.history(audit=True) if row.type == "identity.linked"]
    assert linked == [f"tess@helpdesk.example (t1 at {real.issuer})"]


def test_a_created_account_is_a_member_without_helpdesk_access(world: World, real: RealProvider) -> None:
    real.set(n1={"email": "nina@helpdesk.example", "email_verified": True, "name": "Nina Vogt"})
    browser = world.anonymous()
    browser.get(real.sign_in(begin(browser, "real"), "n1"))
    user = browser.call("GET", "/api/auth/session", 200)["user"]
    assert (user["email"], user["name"], user["role"]) == ("nina@helpdesk.example", "Nina Vogt", "member")
    browser.call("GET", "/api/issues", 403)
    wrong = {"email": "nina@helpdesk.example", "password": ""}
    world.anonymous().call("POST", "/api/auth/login", 401, json=wrong)


@decided_in_python
def test_a_name_that_imitates_another_user_is_not_adopted(world: World, fake: FakeProvider) -> None:
    browser, _ = sign_in(world, fake, sub="e", email="eve@helpdesk.example", name="Tеss Ngo")
    assert browser.call("GET", "/api/auth/session", 200)["user"]["name"] == "eve@helpdesk.example"


def test_a_return_works_once_and_in_one_browser(world: World, fake: FakeProvider) -> None:
    browser, other = world.anonymous(), world.anonymous()
    address = begin(browser, "fake")
    code = fake.grant(address)
    # Login cross-site request forgery: an attacker's return address in another browser.
    assert come_back(other, address, code).status_code == 403 and who(other) is None
    # Mix-up: the return of another provider, and one with another issuer (RFC 9207).
    begun = begin(other, "strict")
    mixed = come_back(other, begun, fake.grant(begun))
    assert mixed.status_code == 403 and "was started in another browser" in mixed.text and who(other) is None
    begun = begin(other, "fake")
    assert come_back(other, begun, fake.grant(begun), iss="https://elsewhere.example").status_code == 403
    begun = begin(other, "fake")
    assert come_back(other, begun, fake.grant(begun), error="access_denied").status_code == 403 and who(other) is None
    # An invented state, a missing one, and a repeated one.
    assert other.get("/login/with/fake/callback", params={"code": code, "state": "x" * 43}).status_code == 403
    assert other.get("/login/with/fake/callback").status_code == 403
    state = parameters(address)["state"]
    assert browser.get(f"/login/with/fake/callback?code={code}&state={state}&state={state}").status_code == 403

    cookies = dict(browser.cookies)
    assert come_back(browser, address, code).status_code == 303
    assert who(browser) == "tess@helpdesk.example"
    for name, value in cookies.items():
        browser.cookies.set(name, value)
    replayed = come_back(browser, address, fake.grant(address))
    assert replayed.status_code == 403 and "already been used" in replayed.text
    assert who(world.anonymous()) is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_return_is_too_late_after_ten_minutes(world: World, fake: FakeProvider) -> None:
    browser = world.anonymous()
    address = begin(browser, "fake")
    world.clock.advance(minutes=10)
    assert come_back(browser, address, fake.grant(address)).status_code == 403 and who(browser) is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_provider_that_supports_the_issuer_parameter_must_always_send_it(world: World, fake: FakeProvider) -> None:
    fake.metadata["authorization_response_iss_parameter_supported"] = True
    browser, response = sign_in(world, fake)
    assert response.status_code == 403 and "issuer" in failures(world)[0]
    address = begin(browser, "fake")
    assert come_back(browser, address, fake.grant(address), iss=fake.issuer).status_code == 303


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_no_return_address_leads_to_another_site(world: World, fake: FakeProvider) -> None:
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "x" * 2000):
        browser = world.anonymous()
        address = begin(browser, "fake", next=target)
        response = come_back(browser, address, fake.grant(address))
        assert response.headers["Location"] == "/start", target
    forged = world.anonymous().post(
        "/login/with/fake",
        data={"next": "/"},
        headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    )
    assert forged.status_code == 403


def test_every_sign_in_gets_a_new_session(world: World, fake: FakeProvider) -> None:
    """Session fixation: an earlier token is not valid after the sign-in."""
    browser = world.anonymous()
    browser.cookies.set(SESSION, "chosen-by-somebody-else", domain="127.0.0.1")
    sign_in(world, fake, browser, sid="not\0storable")
    first = browser.cookies.get(SESSION, domain="127.0.0.1")
    assert first and first != "chosen-by-somebody-else"
    browser.cookies.clear()
    browser.cookies.set(SESSION, first, domain="127.0.0.1")
    sign_in(world, fake, browser, sid="x" * 300)
    second = browser.cookies.get(SESSION, domain="127.0.0.1")
    assert second != first
    thief = world.anonymous()
    thief.cookies.set(SESSION, first)
    assert who(thief) is None and who(browser) == "tess@helpdesk.example"


@decided_in_python
def test_only_a_verified_address_finds_an_account(world: World, fake: FakeProvider) -> None:
    wrong: list[dict[str, Any]] = [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": 1},
        {"email": None},
        {"email": "x"},
        {"email": "tess@helpdesk.example.org"},
        {"email": "tess@sub.helpdesk.example"},
    ]
    for number, changes in enumerate(wrong):
        browser, response = sign_in(world, fake, sub=f"s{number}", **changes)
        assert response.status_code == 403 and "no account here" in response.text, changes
        assert who(browser) is None
    # A break-glass account is never linked to a provider.
    browser, response = sign_in(world, fake, sub="a", email="ada@helpdesk.example")
    assert response.status_code == 403 and "break-glass" in failures(world)[-1]


@decided_in_python
def test_a_required_claim_excludes_other_people(world: World, fake: FakeProvider) -> None:
    wrong: list[Any] = [{"id": "reseller"}, {"id": None}, {}, "helpdesk", None]
    for organization in wrong:
        browser, response = sign_in(world, fake, organization=organization)
        assert response.status_code == 403 and who(browser) is None, organization
        assert failures(world)[-1].count("organization.id")
    browser, _ = sign_in(world, fake)
    assert who(browser) == "tess@helpdesk.example"
    sign_in(world, fake, sub="n", email="nina@HELPDESK.example")
    assert "nina@helpdesk.example" in {
        user["email"].casefold() for user in world.client("ada").call("GET", "/api/users", 200)["items"]
    }


def test_an_account_is_linked_by_address_once(world: World, fake: FakeProvider, real: RealProvider) -> None:
    """A second provider with the same address, and a later owner of the address, do not get the account."""
    sign_in(world, fake)
    _, response = sign_in(world, fake, sub="the next owner of the address")
    assert response.status_code == 403 and "linked to another identity" in failures(world)[-1]
    real.set(other=TESS)
    browser = world.anonymous()
    assert browser.get(real.sign_in(begin(browser, "real"), "other")).status_code == 403
    assert who(browser) is None
    assert len([row for row in world.history(audit=True) if row.type == "identity.linked"]) == 1


@decided_in_python
def test_by_default_no_account_is_linked_or_created(world: World, strict: FakeProvider) -> None:
    for email in ("tess@helpdesk.example", "nina@helpdesk.example"):
        browser = world.anonymous()
        address = begin(browser, "strict")
        response = come_back(browser, address, strict.grant(address, email=email), "strict")
        assert response.status_code == 403 and "Ask a super admin" in response.text and who(browser) is None
    assert len(world.client("ada").call("GET", "/api/users", 200)["items"]) == 4


def test_a_disabled_account_and_a_service_account_are_refused(world: World, fake: FakeProvider) -> None:
    sign_in(world, fake)
    ada = world.client("ada")
    tess = next(one for one in ada.call("GET", "/api/users", 200)["items"] if one["email"].startswith("tess"))
    ada.call("PUT", f"/api/users/{tess['user_id']}", 200, json={"active": False})
    browser, response = sign_in(world, fake)
    assert response.status_code == 403 and who(browser) is None and "disabled" in failures(world)[-1]
    program = {"email": "backups@helpdesk.example", "name": "Backups", "role": "technician", "service_account": True}
    account = ada.call("POST", "/api/users", 201, json=program)["user_id"]
    browser, response = sign_in(world, fake, sub="b", email=program["email"])
    assert response.status_code == 403 and who(browser) is None and "service account" in failures(world)[-1]
    assert ada.call("GET", f"/api/users/{account}/identities", 200)["total"] == 0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_given_password_is_deleted_at_the_first_sign_in(world: World, fake: FakeProvider) -> None:
    nina = {"email": "nina@helpdesk.example", "password": "what Ada said"}
    world.client("ada").call("POST", "/api/users", 201, json={**nina, "name": "Nina Vogt", "role": "technician"})
    browser, _ = sign_in(world, fake, sub="n", email=nina["email"])
    browser.call("GET", "/api/issues", 200)
    world.anonymous().call("POST", "/api/auth/login", 401, json=nina)


@decided_in_python
def test_the_user_info_supplements_the_token_of_the_same_person(world: World, fake: FakeProvider) -> None:
    verified = {"email": "tess@helpdesk.example", "email_verified": True}
    # Neither that of another person counts, nor one that overrides the token or verifies the address in it.
    for number, (user, email) in enumerate(((verified | {"sub": "x"}, None), (verified, "omar@helpdesk.example"))):
        fake.user = user
        browser, response = sign_in(world, fake, sub=f"s{number}", email=email, email_verified=None)
        assert response.status_code == 403 and who(browser) is None, user
    fake.user = {"organization": {"id": "helpdesk"}}
    assert sign_in(world, fake, organization={"id": "reseller"})[1].status_code == 403
    fake.user = verified | {"sub": "someone"}
    browser, _ = sign_in(world, fake, email=None, email_verified=None)
    assert who(browser) == "tess@helpdesk.example"
