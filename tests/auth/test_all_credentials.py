"""Service accounts, and the credentials of all users in one place (docs/decisions/0029)."""

from datetime import timedelta
from typing import Any

import pytest

from issue_tracker.database.tables import sign_in_devices
from tests.world import PASSWORD, World

ACCOUNT: dict[str, Any] = {
    "email": "backups@helpdesk.example",
    "name": "Backups",
    "role": "technician",
    "service_account": True,
}
TOKEN: dict[str, Any] = {"name": "nightly", "scopes": ["read", "write"]}
ALL = "/api/credentials"


def test_a_service_account_cannot_sign_in(world: World) -> None:
    ada = world.client("ada")
    refused = ada.call("POST", "/api/users", 400, json=ACCOUNT | {"password": "a long enough one"})
    assert refused["errors"][0]["field"] == "password"
    made = ada.call("POST", "/api/users", 201, json=ACCOUNT)
    assert made["service_account"] is True and made["invitation_url"] is None
    path = f"/api/users/{made['user_id']}"
    assert ada.call("PUT", path, 400, json={"password": "a long enough one"})["errors"][0]["field"] == "password"
    assert "service account" in ada.call("POST", f"{path}/invitation", 400)["detail"]
    for password in ("", "a long enough one", PASSWORD):
        pair = {"email": ACCOUNT["email"], "password": password}
        world.anonymous().call("POST", "/api/auth/login", 401, json=pair)
    assert ada.call("GET", f"{path}/sessions", 200)["total"] == 0
    recorded = [(event.type, event.to_value, event.note) for event in world.history(audit=True)]
    assert ("user.created", "technician", f"{ACCOUNT['email']} (service account)") in recorded


def test_super_admins_create_the_tokens_of_service_accounts(world: World) -> None:
    ada = world.client("ada")
    people = {user["email"]: user["user_id"] for user in ada.call("GET", "/api/users", 200)["items"]}
    account = ada.call("POST", "/api/users", 201, json=ACCOUNT)["user_id"]
    path = f"/api/users/{account}/tokens"
    made = ada.call("POST", path, 201, json=TOKEN | {"networks": ["127.0.0.0/8"]})
    program = world.anonymous()
    program.headers["Authorization"] = f"Bearer {made['token']}"
    program.call("POST", "/api/issues", 201, json={"name": "Fault"})
    (event,) = world.history()
    assert (event.actor_name, event.channel) == ("Backups", "token:nightly")
    notes = [event.note for event in world.history(audit=True) if event.type == "token.created"]
    assert notes == ["nightly (of backups@helpdesk.example; networks: 127.0.0.0/8)"]

    tess = f"/api/users/{people['tess@helpdesk.example']}/tokens"
    assert "create their own tokens" in ada.call("POST", tess, 400, json=TOKEN)["detail"]
    ada.call("POST", "/api/users/999999999/tokens", 404, json=TOKEN)
    ada.call("POST", path, 400, json=TOKEN)
    world.client("tess").call("POST", path, 403, json=TOKEN | {"name": "mine"})
    assert ada.call("GET", path, 200)["total"] == 1

    ada.call("PUT", f"/api/users/{account}", 200, json={"company_access": {"companies": ["Contoso"]}})
    assert program.call("GET", "/api/issues", 200)["total"] == 0
    ada.call("PUT", f"/api/users/{account}", 200, json={"active": False})
    program.call("GET", "/api/issues", 401)


def test_a_service_account_is_not_the_last_super_admin(world: World) -> None:
    ada = world.client("ada")
    account = ada.call("POST", "/api/users", 201, json=ACCOUNT | {"role": "super_admin"})
    own = next(user for user in ada.call("GET", "/api/users", 200)["items"] if user["name"] == "Ada Lund")
    path = f"/api/users/{own['user_id']}"
    for change in ({"role": "member"}, {"active": False}, {"company_access": {"companies": ["Contoso"]}}):
        assert "last active super admin" in ada.call("PUT", path, 400, json=change)["detail"]
    ada.call("PUT", f"/api/users/{account['user_id']}", 200, json={"role": "customer", "active": False})


def test_all_credentials_are_listed_and_revoked_in_one_place(world: World) -> None:
    ada, tess = world.client("ada"), world.client("tess")
    first, second = world.bearer("tess", "read", name="first"), world.bearer("omar", name="second")
    second.call("GET", "/api/issues", 200)
    response = ada.get(ALL)
    assert response.headers["cache-control"] == "no-store"
    found = response.json()
    assert found["total"] == len(found["items"]) == 4
    assert [one["name"] or one["user"]["name"] for one in found["items"]] == ["second", "first", "Tess Ngo", "Ada Lund"]
    assert [one["current"] for one in found["items"]] == [False, False, False, True]
    token, session = found["items"][1], found["items"][2]
    assert token["scopes"] == ["read"] and token["user"]["email"] == "tess@helpdesk.example"
    assert session["address"] == "127.0.0.1" and session["name"] is None
    assert tess.cookies["issue_tracker_session"] not in response.text
    of_tess = {"userId": token["user"]["user_id"]}
    assert ada.call("GET", ALL, 200, params=of_tess)["items"] == [token, session]
    assert ada.call("GET", ALL, 200, params=of_tess | {"kind": "session"})["items"] == [session]
    ada.call("GET", ALL, 422, params={"kind": "password"})

    chosen = [{"kind": one["kind"], "id": one["id"]} for one in (token, session)]
    body = {"credentials": [*chosen, chosen[0], {"kind": "token", "id": 10**12}]}
    assert ada.call("POST", f"{ALL}/revoke", 200, json=body) == {"revoked": 2}
    assert ada.call("POST", f"{ALL}/revoke", 200, json=body) == {"revoked": 0}
    tess.call("GET", "/api/issues", 401)
    world.client("omar")
    world.clock.advance(hours=13)
    ada = world.client("ada")
    left = ada.call("GET", ALL, 200, params={"kind": "session"})["items"]
    assert [session["user"]["name"] for session in left] == ["Ada Lund"], "the others have expired"
    first.call("GET", "/api/issues", 401)
    second.call("GET", "/api/issues", 200)
    recorded = [(event.type, event.note) for event in world.history(audit=True)]
    assert ("token.deleted", "first (of tess@helpdesk.example)") in recorded
    assert any(type_ == "session.ended" for type_, _ in recorded)


def test_browsers_are_listed_and_forgotten_in_the_same_place(world: World) -> None:
    browser = world.anonymous(headers={"User-Agent": "A browser"})
    form = {"email": "tess@helpdesk.example", "password": PASSWORD}
    assert browser.post("/login", data=form).status_code == 303
    ada = world.client("ada")
    (found,) = ada.call("GET", ALL, 200, params={"kind": "browser"})["items"]
    assert (found["user"]["name"], found["user_agent"], found["expires_at"]) == ("Tess Ngo", "A browser", None)
    with world.database.write() as tx:
        tx.execute(sign_in_devices.update().values(second_factor_until=world.clock.now() + timedelta(days=30)))
    (found,) = ada.call("GET", ALL, 200, params={"kind": "browser"})["items"]
    assert found["expires_at"] is not None and found["created_at"] is None
    with world.database.write() as tx:
        tx.execute(sign_in_devices.update().values(second_factor_until=world.clock.now()))
    (found,) = ada.call("GET", ALL, 200, params={"kind": "browser"})["items"]
    assert found["expires_at"] is None, "it was remembered until now"
    other = ada.call("GET", ALL, 200, params={"kind": "browser", "userId": found["user"]["user_id"] + 1})
    assert other["total"] == 0
    assert f'value="{found["id"]}"' in ada.get("/admin/credentials").text
    for wrong in ("1", "x-1", f"0{found['id']}", 0):
        ada.call("POST", f"{ALL}/revoke", 400, json={"credentials": [{"kind": "browser", "id": wrong}]})
    gone = [
        {"kind": "browser", "id": "9-0123456789abcdef"},
        {"kind": "browser", "id": 7},
        {"kind": "token", "id": found["id"]},
    ]
    assert ada.call("POST", f"{ALL}/revoke", 200, json={"credentials": gone}) == {"revoked": 0}
    form = {"browser": found["id"], "_csrf": ada.headers["X-CSRF-Token"]}
    assert ada.post("/admin/credentials/revoke", data=form).status_code == 303
    assert ada.call("GET", ALL, 200, params={"kind": "browser"})["total"] == 0
    assert "tess@helpdesk.example (browser forgotten)" in [row.note for row in world.history(audit=True)]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_pages_create_and_revoke_credentials(world: World) -> None:
    ada, tess = world.client("ada"), world.client("tess")
    csrf = {"_csrf": ada.headers["X-CSRF-Token"]}
    form = {"email": ACCOUNT["email"], "name": "Backups", "role": "technician", "service_account": "true"}
    location = ada.post("/admin/users", data=form | csrf).headers["location"]
    assert "Active (its tokens work)" in ada.get(location).text and "Create a link" not in ada.get(location).text
    fields = {"name": "nightly", "scope": "write", "days": "30", "networks": "somewhere\n", "companies": "Contoso"}
    refused = ada.post(f"{location}/tokens", data=fields | csrf)
    assert refused.status_code == 400 and "Must be a network" in refused.text and "somewhere" in refused.text
    fields |= {"networks": "192.0.2.0/24\n2001:db8::/32"}
    shown = ada.post(f"{location}/tokens", data=fields | csrf, follow_redirects=True)
    assert "itk_" in shown.text and "from 192.0.2.0/24, 2001:db8::/32; sees <bdi>Contoso</bdi>" in shown.text
    assert "(service account)" in ada.get("/admin/users").text

    only = ada.get("/admin/credentials", params={"userId": location.rpartition("/")[2]}).text
    assert "Token nightly of backups@helpdesk.example" in only and 'aria-label="Session ' not in only
    for wrong in ({"userId": "x"}, {"userId": "0"}, {"user": "1"}):
        assert ada.get("/admin/credentials", params=wrong).status_code == 422
    page = ada.get("/admin/credentials", params={"userId": ""}).text
    assert 'aria-label="Session ' in page
    assert "Token nightly of backups@helpdesk.example" in page and "soon:" not in page
    world.clock.advance(days=20)
    ada, csrf = world.client("ada"), {}
    csrf["_csrf"] = ada.headers["X-CSRF-Token"]
    assert "soon:" in ada.get("/admin/credentials").text
    (token,) = ada.call("GET", ALL, 200, params={"kind": "token"})["items"]
    assert ada.post("/admin/credentials/revoke", data={"token": token["id"]} | csrf).status_code == 303
    assert ada.call("GET", ALL, 200, params={"kind": "token"})["total"] == 0
    assert ada.post("/admin/credentials/revoke", data=csrf).status_code == 303
    tess.call("GET", "/api/issues", 401)
