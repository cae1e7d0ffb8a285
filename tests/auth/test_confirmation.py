"""Fresh proof: the requests for which a session that was left open is not sufficient (contract, section 11)."""

from typing import Any

from tests.cases import cases
from tests.clients import Client
from tests.engines import decided_in_python
from tests.world import PASSWORD, World

CONFIRM = "/api/auth/confirm"
HOOK = {"url": "https://hooks.helpdesk.example/"}
IMITATED = "\u0410da Lund"  # begins with a Cyrillic letter
NEW = {"email": "new@helpdesk.example", "name": "New Person", "role": "member"}


def left_open(world: World, who: str = "ada") -> Client:
    """Returns a session that signed in ten minutes ago."""
    client = world.client(who)
    world.clock.advance(minutes=10)
    return client


def refused(client: Client, method: str, path: str, body: dict[str, Any]) -> None:
    answer = client.call(method, path, 403, json=body)
    assert answer["reason"] == "confirmation_required" and "password" in answer["detail"]


def omar(client: Client) -> dict[str, Any]:
    users = client.call("GET", "/api/users", 200)["items"]
    return next(user for user in users if user["email"] == "omar@helpdesk.example")


def test_changes_to_credentials_need_a_confirmation_after_ten_minutes(world: World) -> None:
    company = world.given_companies("Contoso")["Contoso"]
    hook = world.client("ada").call("POST", "/api/webhooks", 201, json=HOOK)
    off = world.client("ada").call("POST", "/api/webhooks", 201, json=HOOK | {"active": False})
    ada = left_open(world)
    user, address, paused = omar(ada), f"/api/webhooks/{hook['id']}", f"/api/webhooks/{off['id']}"
    before = ada.call("GET", "/api/users", 200), ada.call("GET", address, 200)
    sensitive: list[tuple[str, str, dict[str, Any], int]] = [
        ("POST", "/api/users", NEW, 201),
        ("POST", "/api/users", NEW | {"email": "king@helpdesk.example", "role": "super_admin"}, 201),
        ("PUT", f"/api/users/{user['user_id']}", {"role": "super_admin"}, 200),
        ("PUT", f"/api/users/{user['user_id']}", {"password": "staple battery horse"}, 200),
        ("POST", "/api/auth/tokens", {"name": "nightly", "scopes": ["read"]}, 201),
        ("POST", "/api/webhooks", HOOK, 201),
        ("PUT", address, {"url": "https://elsewhere.example/"}, 200),
        ("PUT", address, {"event_types": ["session.created", "user.created"]}, 200),
        ("PUT", address, {"company_ids": [company]}, 200),
        ("PUT", paused, {"active": True}, 200),
        ("POST", f"{address}/rotate-secret", {}, 200),
    ]
    for method, path, body, _ in sensitive:
        refused(ada, method, path, body)
    assert (ada.call("GET", "/api/users", 200), ada.call("GET", address, 200)) == before
    assert ada.call("GET", "/api/auth/tokens", 200)["total"] == 0
    assert [each["active"] for each in ada.call("GET", "/api/webhooks", 200)["items"]] == [False, True]

    ada.call("POST", CONFIRM, 204, json={"password": PASSWORD})
    for method, path, body, status in sensitive:
        ada.call(method, path, status, json=body)
    assert omar(ada)["role"] == "super_admin"
    world.clock.advance(minutes=9)
    ada.call("POST", "/api/webhooks", 201, json=HOOK)
    world.clock.advance(minutes=1)
    refused(ada, "POST", "/api/webhooks", HOOK)


@decided_in_python
def test_requests_that_give_no_access_need_no_confirmation(world: World) -> None:
    hook = world.client("ada").call("POST", "/api/webhooks", 201, json=HOOK)
    ada = left_open(world)
    user, address = omar(ada), f"/api/webhooks/{hook['id']}"
    ada.call("PUT", f"/api/users/{user['user_id']}", 200, json={"name": "Omar R.", "role": "technician"})
    ada.call("PUT", f"/api/users/{user['user_id']}", 200, json={"active": False})
    ada.call("PUT", address, 200, json=HOOK | {"description": "Status page", "active": False})
    ada.call("DELETE", address, 204)
    ada.call("POST", "/api/issues", 201, json={"name": "VPN"})
    ada.call("POST", "/api/auth/password", 204, json={"current_password": PASSWORD, "new_password": "staple horse 77"})


def test_a_confirmation_applies_to_one_session(world: World) -> None:
    here, there = world.client("ada"), world.client("ada")
    world.clock.advance(minutes=10)
    here.call("POST", CONFIRM, 204, json={"password": PASSWORD})
    here.call("POST", "/api/webhooks", 201, json=HOOK)
    refused(there, "POST", "/api/webhooks", HOOK)


def test_a_wrong_password_confirms_nothing_and_is_recorded(world: World) -> None:
    ada = left_open(world)
    answer = ada.call("POST", CONFIRM, 400, json={"password": "wrong"})
    assert [error["field"] for error in answer["errors"]] == ["password"]
    refused(ada, "POST", "/api/webhooks", HOOK)
    failed = ada.call("GET", "/api/events", 200, params={"type": "session.proof_failed"})["items"]
    assert [event["actor"]["name"] for event in failed] == ["Ada Lund"]


def test_guesses_are_limited_like_those_at_sign_in(world: World) -> None:
    ada = left_open(world)
    for _ in range(world.server.settings.sign_in_account_limit):
        ada.call("POST", CONFIRM, 400, json={"password": "wrong"})
    answer = ada.request("POST", CONFIRM, json={"password": PASSWORD})
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
    refused(ada, "POST", "/api/webhooks", HOOK)
    # The holder of the session cannot lock its user out elsewhere.
    credentials = {"email": "ada@helpdesk.example", "password": PASSWORD}
    world.anonymous().call("POST", "/api/auth/login", 200, json=credentials)
    world.clock.advance(minutes=world.server.settings.sign_in_window_minutes)
    ada.call("POST", CONFIRM, 204, json={"password": PASSWORD})
    ada.call("POST", "/api/webhooks", 201, json=HOOK)


@decided_in_python
@cases("body", [{}, {"code": "123456"}, {"password": 1}, {"password": PASSWORD, "code": "1"}])
def test_an_invalid_confirmation_is_rejected(world: World, body: dict[str, Any]) -> None:
    ada = left_open(world)
    ada.call("POST", CONFIRM, 400, json=body)
    refused(ada, "POST", "/api/webhooks", HOOK)


def test_a_retried_confirmation_is_performed_again(world: World) -> None:
    """A stored response would say that the session is confirmed without confirming it."""
    ada = left_open(world)
    key = {"Idempotency-Key": "k1"}
    ada.call("POST", CONFIRM, 204, json={"password": PASSWORD}, headers=key)
    world.clock.advance(minutes=10)
    ada.call("POST", CONFIRM, 204, json={"password": PASSWORD}, headers=key)
    ada.call("POST", "/api/webhooks", 201, json=HOOK)


@decided_in_python
def test_a_problem_document_contains_the_reason(world: World) -> None:
    ada = left_open(world)
    answer = ada.request("POST", "/api/webhooks", json=HOOK, headers={"Accept": "application/problem+json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["reason"] == "confirmation_required" and answer.json()["status"] == 403


@decided_in_python
def test_the_role_is_checked_before_the_confirmation(world: World) -> None:
    tess = left_open(world, "tess")
    assert "reason" not in tess.call("POST", "/api/webhooks", 403, json=HOOK)


def test_a_confirmation_is_required_before_the_content_is_checked(world: World) -> None:
    """Contract, section 2: 403 before 400 and 404, also where only some changes need fresh proof."""
    world.given_companies("Contoso")
    ada = world.client("ada")
    user, hook = omar(ada)["user_id"], ada.call("POST", "/api/webhooks", 201, json=HOOK)["id"]
    north = {"name": "North", "company_names": ["Contoso"]}
    group = ada.call("POST", "/api/company-groups", 201, json=north)["group_id"]
    access = {"company_access": {"company_groups": ["NORTH"], "companies": ["contoso"]}}
    ada.call("PUT", f"/api/users/{user}", 200, json=access)
    sensitive: list[tuple[str, dict[str, Any], int]] = [
        (f"/api/users/{user}", {"company_access": {"companies": ["Nowhere"]}}, 404),
        (f"/api/users/{user}", {"company_access": {"companies": ["Nowhere"]}, "name": IMITATED}, 400),
        (f"/api/users/{user}", {"role": "member", "name": IMITATED}, 400),
        (f"/api/users/{user}", {"password": "staple battery horse", "name": IMITATED}, 400),
        ("/api/users/999", {"password": "staple battery horse"}, 404),
        ("/api/users/999", {"role": "member"}, 404),
        ("/api/users/999", {"company_access": {"companies": []}}, 404),
        (f"/api/webhooks/{hook}", {"url": "ftp://elsewhere.example/"}, 400),
        (f"/api/webhooks/{hook}", {"event_types": ["no.such.type"]}, 400),
        (f"/api/webhooks/{hook}", {"company_ids": [999]}, 404),
        (f"/api/company-groups/{group}", {"company_names": ["Nowhere"]}, 404),
    ]
    forms = [
        (f"/admin/users/{user}", {"name": "Omar", "role": "technician", "active": "on", "company_groups": "Nobody"}),
        (f"/admin/webhooks/{hook}", {"url": "ftp://elsewhere.example/", "active": "on"}),
    ]
    world.clock.advance(minutes=10)
    for path, body, _ in sensitive:
        refused(ada, "PUT", path, body)
    for path, form in forms:
        answer = ada.post(path, data=form | {"_csrf": ada.headers["X-CSRF-Token"]})
        assert answer.status_code == 403 and "Confirm that it is you" in answer.text
    ada.call("PUT", f"/api/users/{user}", 200, json=access | {"name": "Omar R."})
    ada.call("PUT", "/api/users/999", 404, json={"name": "Nobody"})
    ada.call("POST", CONFIRM, 204, json={"password": PASSWORD})
    for path, body, status in sensitive:
        ada.call("PUT", path, status, json=body)
