"""Passwords that only their users know: invitations, and the restrictions until a given password is replaced."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from issue_tracker.actor import command_line
from issue_tracker.auth.users import lock_user, update_user
from issue_tracker.database.tables import invitations
from tests.clients import Client
from tests.engines import decided_in_python
from tests.locks import during
from tests.world import CAST, PASSWORD, World

NEW = {"email": "nina@helpdesk.example", "name": "Nina Vogt", "role": "technician"}
CHOSEN = "nobody else knows this"
GIVEN = "what the administrator said"


def invite(world: World, **changes: str) -> tuple[dict[str, Any], str]:
    """Creates an account and returns the token of its link."""
    made = world.client("ada").call("POST", "/api/users", 201, json=NEW | changes)
    assert made["invitation_url"].startswith(f"{world.server.settings.public_url}/invitation?token=")
    return made, made["invitation_url"].partition("token=")[2]


def again(world: World, user_id: int) -> str:
    """Creates another link for a user and returns its token."""
    made = world.client("ada").call("POST", f"/api/users/{user_id}/invitation", 201)
    assert set(made) == {"invitation_url", "expires_at"}
    return str(made["invitation_url"].partition("token=")[2])


def accept(world: World, token: str, password: str = CHOSEN, **headers: str) -> httpx.Response:
    form = {"token": token, "password": password}
    return world.anonymous().post("/invitation", data=form, headers={"Sec-Fetch-Site": "same-origin"} | headers)


def sign_in(world: World, email: str, password: str, expected: int = 200) -> Client:
    client = world.anonymous()
    answer = client.call("POST", "/api/auth/login", expected, json={"email": email, "password": password})
    if expected == 200:
        client.headers["X-CSRF-Token"] = answer["csrf_token"]
    return client


def user_id(world: World, who: str) -> int:
    found = world.client("ada").call("GET", "/api/users", 200)["items"]
    return next(int(user["user_id"]) for user in found if user["email"] == CAST[who][0])


def test_an_invited_user_chooses_a_password_and_is_signed_in(world: World) -> None:
    made, token = invite(world)
    for guess in ("", GIVEN, token):
        sign_in(world, NEW["email"], guess, 401)
    shown = world.anonymous().get("/invitation", params={"token": token})
    assert shown.status_code == 200 and "Nina Vogt" in shown.text and shown.headers["cache-control"] == "no-store"

    accepted = accept(world, token)

    assert accepted.status_code == 303
    client = world.anonymous(cookies={"issue_tracker_session": accepted.cookies["issue_tracker_session"]})
    assert client.call("GET", "/api/auth/session", 200)["user"]["user_id"] == made["user_id"]
    client.call("GET", "/api/issues", 200)
    sign_in(world, NEW["email"], CHOSEN).call("POST", "/api/issues", 201, json={"name": "VPN"})
    notes = [(event.type, event.actor_name, event.note) for event in world.history(audit=True)]
    assert ("user.invited", "Ada Lund", NEW["email"]) in notes
    assert ("user.updated", "Nina Vogt", f"{NEW['email']} (password: by invitation)") in notes


def test_parameters_that_track_links_are_ignored_and_repeated_ones_rejected(world: World) -> None:
    _, token = invite(world)
    visitor = world.anonymous()
    assert "Nina Vogt" in visitor.get("/invitation", params={"utm_source": "mail", "token": token}).text
    assert 'value="/matrix"' in visitor.get("/login?next=/matrix&fbclid=abc").text
    assert visitor.get("/login?next=/matrix&next=//elsewhere.example").status_code == 422


def test_only_a_hash_of_a_link_is_stored(world: World) -> None:
    _, token = invite(world)
    with world.database.read() as tx:
        (row,) = tx.execute(select(invitations))
    assert token not in str(tuple(row)) and len(row.token_hash) == 32
    assert token not in str([tuple(event) for event in world.history(audit=True)])


@pytest.mark.parametrize("end", ["used", "replaced", "expired", "disabled", "given", "unknown"])
def test_the_response_does_not_reveal_why_a_link_is_invalid(world: World, end: str) -> None:
    made, token = invite(world)
    _, other = invite(world, email="otto@helpdesk.example", name="Otto Berg")
    path = f"/api/users/{made['user_id']}"
    match end:
        case "used":
            assert accept(world, token).status_code == 303
        case "replaced":
            again(world, made["user_id"])
        case "expired":
            world.clock.advance(hours=72)
        case "disabled":
            world.client("ada").call("PUT", path, 200, json={"active": False})
            world.client("ada").call("PUT", path, 200, json={"active": True})
        case "given":
            world.client("ada").call("PUT", path, 200, json={"password": GIVEN})
        case "unknown":
            token = "x" * 43
    shown = world.anonymous().get("/invitation", params={"token": token})
    nonsense = world.anonymous().get("/invitation", params={"token": "nonsense"})
    assert shown.status_code == nonsense.status_code == 403 and shown.text == nonsense.text
    assert "Nina" not in shown.text
    refused = accept(world, token, "a different password")
    assert refused.status_code == 403 and "set-cookie" not in refused.headers
    sign_in(world, NEW["email"], "a different password", 401)
    # The link of another user remains valid until it expires, and changes the password of this user only.
    assert accept(world, other).status_code == (403 if end == "expired" else 303)
    sign_in(world, CAST["omar"][0], PASSWORD)


def test_a_link_is_valid_until_it_expires(world: World) -> None:
    _, token = invite(world)
    world.clock.advance(hours=71, minutes=59)
    assert accept(world, token).status_code == 303
    sign_in(world, NEW["email"], CHOSEN)


@decided_in_python
def test_a_rejected_password_leaves_the_link_valid(world: World) -> None:
    _, token = invite(world)
    refused = accept(world, token, "short")
    assert refused.status_code == 400 and "at least 8 characters" in refused.text.lower()
    assert accept(world, token).status_code == 303


@decided_in_python
def test_another_site_cannot_send_the_form(world: World) -> None:
    _, token = invite(world)
    assert accept(world, token, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert accept(world, token).status_code == 303


def test_a_link_that_is_used_simultaneously_works_once(world: World) -> None:
    _, token = invite(world)
    passwords = [f"the password number {number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda password: accept(world, token, password).status_code, passwords))
    assert sorted(statuses) == [303, 403, 403, 403]
    sign_in(world, NEW["email"], passwords[statuses.index(303)])


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # on SQLite, writers take turns
def test_a_link_is_refused_while_the_account_is_being_disabled(world: World) -> None:
    made, token = invite(world)
    refused = during(
        world,
        lambda tx: lock_user(tx, made["user_id"]),
        lambda: accept(world, token),
        lambda tx: update_user(tx, command_line("tests"), made["user_id"], active=False),
    )
    assert refused.status_code == 403


def test_a_forgotten_password_is_replaced_by_a_link(world: World) -> None:
    tess, omar = world.client("tess"), world.client("omar")
    first = again(world, user_id(world, "tess"))
    token = again(world, user_id(world, "tess"))
    form = {"email": CAST["tess"][0], "password": PASSWORD}
    assert world.anonymous().post("/login", data=form).status_code == 303
    tess.call("GET", "/api/issues", 200)
    assert accept(world, first).status_code == 403
    assert accept(world, token).status_code == 303
    known = world.client("ada").call("GET", f"/api/users/{user_id(world, 'tess')}/devices", 200)
    assert known["total"] == 1, "only the browser in which the link was opened"
    tess.call("GET", "/api/issues", 401)
    omar.call("GET", "/api/issues", 200)
    sign_in(world, CAST["tess"][0], PASSWORD, 401)
    sign_in(world, CAST["tess"][0], CHOSEN)


def test_changing_ones_own_password_invalidates_a_link(world: World) -> None:
    token = again(world, user_id(world, "tess"))
    change = {"current_password": PASSWORD, "new_password": CHOSEN}
    world.client("tess").call("POST", "/api/auth/password", 204, json=change)
    assert accept(world, token, "a different password").status_code == 403
    sign_in(world, CAST["tess"][0], CHOSEN)


def test_some_users_cannot_be_invited(world: World) -> None:
    ada = world.client("ada")
    own, tess = user_id(world, "ada"), user_id(world, "tess")
    ada.call("POST", f"/api/users/{own}/invitation", 400)
    ada.call("PUT", f"/api/users/{tess}", 200, json={"active": False})
    ada.call("POST", f"/api/users/{tess}/invitation", 400)
    ada.call("POST", "/api/users/999999999/invitation", 404)
    with world.database.read() as tx:
        assert tx.execute(select(invitations)).all() == []


@decided_in_python
def test_ones_own_password_cannot_be_set_without_the_current_one(world: World) -> None:
    ada = world.client("ada")
    refused = ada.call("PUT", f"/api/users/{user_id(world, 'ada')}", 400, json={"password": CHOSEN, "name": "A"})
    assert [error["field"] for error in refused["errors"]] == ["password"]
    assert ada.call("GET", "/api/auth/session", 200)["user"]["name"] == "Ada Lund"
    sign_in(world, CAST["ada"][0], PASSWORD)


@pytest.fixture(params=["created", "changed"])
def given(request: pytest.FixtureRequest, world: World) -> str:
    """The address of a technician whose password a super admin has set."""
    ada = world.client("ada")
    if request.param == "created":
        ada.call("POST", "/api/users", 201, json=NEW | {"password": GIVEN})
        return NEW["email"]
    ada.call("PUT", f"/api/users/{user_id(world, 'tess')}", 200, json={"password": GIVEN})
    return CAST["tess"][0]


def test_a_given_password_has_to_be_changed_first(world: World, given: str) -> None:
    client = sign_in(world, given, GIVEN)
    for method, path in (
        ("GET", "/api/issues"),
        ("POST", "/api/issues"),
        ("GET", "/api/auth/sessions"),
        ("GET", "/api/auth/tokens"),
        ("POST", "/api/auth/confirm"),
        ("GET", "/api/users"),
        ("GET", "/api/nothing"),
        ("GET", "/api/events/stream"),
    ):
        assert client.call(method, path, 403)["reason"] == "password_change_required", path
    client.call("GET", "/api/auth/session", 200)
    change = {"current_password": GIVEN, "new_password": GIVEN}
    refused = client.call("POST", "/api/auth/password", 400, json=change)
    assert [error["field"] for error in refused["errors"]] == ["new_password"]
    client.call("GET", "/api/issues", 403)

    client.call("POST", "/api/auth/password", 204, json=change | {"new_password": CHOSEN})

    client.call("POST", "/api/issues", 201, json={"name": "VPN"})
    sign_in(world, given, CHOSEN).call("GET", "/api/issues/VPN", 200)


def test_a_user_who_has_to_change_the_password_can_sign_out(world: World, given: str) -> None:
    client = sign_in(world, given, GIVEN)
    client.call("POST", "/api/auth/logout", 204)
    client.call("GET", "/api/auth/session", 401)


@decided_in_python
def test_pages_lead_to_the_form_and_back(world: World, given: str) -> None:
    client = sign_in(world, given, GIVEN)
    csrf = client.headers["X-CSRF-Token"]
    led = client.get("/matrix?status=new")
    assert (led.status_code, led.headers["Location"]) == (303, "/password?next=%2Fmatrix%3Fstatus%3Dnew")
    assert client.get("/matrix", headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/password?next=%2Fmatrix"
    shown = client.get(led.headers["Location"])
    assert shown.status_code == 200 and given in shown.text
    form = {"_csrf": csrf, "current_password": "wrong", "new_password": CHOSEN, "next": "/matrix?status=new"}
    refused = client.post("/password", data=form)
    assert refused.status_code == 400 and "/matrix?status=new" in refused.text
    assert client.get("/matrix").status_code == 303
    changed = client.post("/password", data=form | {"current_password": GIVEN})
    assert (changed.status_code, changed.headers["Location"]) == (303, "/matrix?status=new")
    assert client.get("/matrix?status=new").status_code == 200
    form |= {"current_password": CHOSEN, "new_password": f"{CHOSEN}, again", "next": "//elsewhere.example"}
    assert client.post("/password", data=form).headers["Location"] == "/start"
    again = client.get("/password")
    assert (again.status_code, again.headers["Location"]) == (303, "/account")
