"""Super admins list and end a user's sessions and tokens, and disabling a user ends all of them."""

from typing import Any

import pytest
from sqlalchemy import select, update

from issue_tracker.database.tables import sign_in_addresses, users
from issue_tracker.errors import Invalid
from tests.world import CAST, PASSWORD, World

CHOSEN = "staple battery horse"


def user_id(world: World, who: str) -> int:
    found = world.client("ada").call("GET", "/api/users", 200)["items"]
    return next(int(user["user_id"]) for user in found if user["email"] == CAST[who][0])


def audit(world: World) -> list[tuple[str, str, str]]:
    return [(event.type, event.actor_name, event.note) for event in world.history(audit=True)]


def test_sessions_of_a_user_are_listed_and_ended(world: World) -> None:
    ada, here, there = world.client("ada"), world.client("tess"), world.client("tess")
    path = f"/api/users/{user_id(world, 'tess')}/sessions"
    response = ada.get(path)
    assert response.headers["cache-control"] == "no-store"
    listed = response.json()
    assert listed["total"] == 2 and not any(session["current"] for session in listed["items"])
    assert listed["items"] == [{**one, "current": False} for one in here.get("/api/auth/sessions").json()["items"]]
    assert here.cookies["issue_tracker_session"] not in response.text

    oldest = min(session["id"] for session in listed["items"])
    ada.call("DELETE", f"{path}/{oldest}", 204)

    here.call("GET", "/api/issues", 401)
    there.call("GET", "/api/issues", 200)
    assert ada.call("GET", path, 200)["total"] == 1
    ada.call("DELETE", f"{path}/{oldest}", 404)
    assert ("session.ended", "Ada Lund", "session of tess@helpdesk.example from 127.0.0.1") in audit(world)


def test_tokens_of_a_user_are_listed_and_revoked(world: World) -> None:
    ada = world.client("ada")
    keeping, going = world.bearer("tess", name="keeping"), world.bearer("tess", name="going")
    path = f"/api/users/{user_id(world, 'tess')}/tokens"
    response = ada.get(path)
    assert response.headers["cache-control"] == "no-store"
    assert [token["name"] for token in response.json()["items"]] == ["going", "keeping"]
    assert "token" not in response.json()["items"][0]

    ada.call("DELETE", f"{path}/{response.json()['items'][0]['id']}", 204)

    going.call("GET", "/api/issues", 401)
    keeping.call("GET", "/api/issues", 200)
    assert [token["name"] for token in ada.call("GET", path, 200)["items"]] == ["keeping"]
    assert ("token.deleted", "Ada Lund", "going (of tess@helpdesk.example)") in audit(world)


def test_a_credential_of_another_user_is_not_found(world: World) -> None:
    ada, tess = world.client("ada"), world.client("tess")
    world.token("tess")
    people = {who: f"/api/users/{user_id(world, who)}" for who in ("tess", "omar")}
    for kind in ("sessions", "tokens"):
        (one,) = ada.call("GET", f"{people['tess']}/{kind}", 200)["items"]
        ada.call("DELETE", f"{people['omar']}/{kind}/{one['id']}", 404)
        ada.call("DELETE", f"{people['tess']}/{kind}/{10**30}", 404)
        ada.call("GET", f"/api/users/999999999/{kind}", 404)
        assert ada.call("GET", f"{people['tess']}/{kind}", 200)["total"] == 1
    tess.call("GET", "/api/issues", 200)


@pytest.mark.parametrize("by", ["api", "page"])
def test_disabling_a_user_permanently_ends_all_credentials(world: World, by: str) -> None:
    ada, tess, token = world.client("ada"), world.client("tess"), world.bearer("tess", name="nightly")
    world.token("tess", name="weekly")
    other = world.bearer("omar")
    path = f"/api/users/{user_id(world, 'tess')}"
    if by == "api":
        ada.call("PUT", path, 200, json={"active": False})
    else:
        form = {"name": "Tess Ngo", "role": "technician", "_csrf": ada.headers["X-CSRF-Token"], "_sure": "1"}
        assert ada.post(path.replace("/api", "/admin"), data=form).status_code == 303
    tess.call("GET", "/api/issues", 401)
    token.call("GET", "/api/issues", 401)

    ada.call("PUT", path, 200, json={"active": True})

    tess.call("GET", "/api/issues", 401)
    token.call("GET", "/api/issues", 401)
    other.call("GET", "/api/issues", 200)
    empty: dict[str, Any] = {"items": [], "total": 0}
    assert ada.call("GET", f"{path}/tokens", 200) == ada.call("GET", f"{path}/sessions", 200) == empty
    world.client("tess").call("GET", "/api/issues", 200)
    recorded = audit(world)
    assert ("user.updated", "Ada Lund", "tess@helpdesk.example (active: False)") in recorded
    revoked = [note for type_, _, note in recorded if type_ == "token.deleted"]
    assert revoked == [f"{name} (of tess@helpdesk.example)" for name in ("nightly", "weekly")]


@pytest.mark.parametrize("by", ["administrator", "invitation", "user", "page"])
def test_a_password_set_for_a_user_revokes_tokens(world: World, by: str) -> None:
    """A thief of the account may have created a token. When users change their own password, this is optional."""
    world.token("tess", name="nightly")
    token, other = world.bearer("tess", name="weekly"), world.bearer("omar")
    ada, tess, path = world.client("ada"), world.client("tess"), f"/api/users/{user_id(world, 'tess')}"
    own = {"current_password": PASSWORD, "new_password": CHOSEN}
    if by == "administrator":
        ada.call("PUT", path, 200, json={"password": CHOSEN})
    elif by == "invitation":
        link = ada.call("POST", f"{path}/invitation", 201)["invitation_url"]
        form = {"token": link.partition("token=")[2], "password": CHOSEN}
        assert world.anonymous().post("/invitation", data=form).status_code == 303
    elif by == "user":
        tess.call("POST", "/api/auth/password", 204, json=own)
        token.call("GET", "/api/issues", 200)
        again = own | {"current_password": CHOSEN, "new_password": PASSWORD, "revoke_tokens": True}
        tess.call("POST", "/api/auth/password", 204, json=again)
    else:
        assert "checked> Also revoke my tokens" in tess.get("/account").text
        form = own | {"revoke_tokens": "true", "_csrf": tess.headers["X-CSRF-Token"]}
        assert tess.post("/account/password", data=form).status_code == 303
    token.call("GET", "/api/issues", 401)
    other.call("GET", "/api/issues", 200)
    assert ada.call("GET", f"{path}/tokens", 200)["total"] == 0
    revoked = [note for type_, _, note in audit(world) if type_ == "token.deleted"]
    assert [note.partition(" (of ")[0] for note in revoked] == ["nightly", "weekly"]


def test_a_token_of_a_disabled_user_is_not_reactivated(world: World) -> None:
    """Such as one that an earlier version of the command line created for it."""
    ada, path = world.client("ada"), f"/api/users/{user_id(world, 'tess')}"
    token = world.bearer("tess", name="of the command line")
    with world.database.write() as tx:
        tx.execute(update(users).where(users.c.email == "tess@helpdesk.example").values(active=False))
    ada.call("PUT", path, 200, json={"active": True})
    token.call("GET", "/api/issues", 401)
    assert ada.call("GET", f"{path}/tokens", 200)["total"] == 0


def test_a_disabled_account_gets_no_token(world: World) -> None:
    """It would be refused at once, and revoked when the account is enabled."""
    ada = world.client("ada")
    program = {"email": "backups@helpdesk.example", "name": "Backups", "role": "technician", "service_account": True}
    account = ada.call("POST", "/api/users", 201, json=program)["user_id"]
    for id_ in (account, user_id(world, "tess")):
        ada.call("PUT", f"/api/users/{id_}", 200, json={"active": False})
    body = {"name": "nightly", "scopes": ["read"]}
    assert "disabled" in ada.call("POST", f"/api/users/{account}/tokens", 400, json=body)["detail"]
    with pytest.raises(Invalid, match="disabled"):
        world.token("tess")
    assert "token.created" not in [type_ for type_, _, _ in audit(world)]


def test_the_page_of_a_user_ends_sessions_and_tokens(world: World) -> None:
    ada, tess, token = world.client("ada"), world.client("tess"), world.bearer("tess", name="nightly")
    path = f"/admin/users/{user_id(world, 'tess')}"
    csrf = {"_csrf": ada.headers["X-CSRF-Token"]}
    shown = ada.get(path)
    assert shown.headers["cache-control"] == "no-store" and "nightly" in shown.text
    (session,) = ada.call("GET", f"/api{path.removeprefix('/admin')}/sessions", 200)["items"]
    (made,) = ada.call("GET", f"/api{path.removeprefix('/admin')}/tokens", 200)["items"]
    assert ada.post(f"{path}/sessions/{session['id']}/end", data=csrf).status_code == 303
    tess.call("GET", "/api/issues", 401)
    token.call("GET", "/api/issues", 200)
    assert ada.post(f"{path}/tokens/{made['id']}/revoke", data={**csrf, "_sure": "1"}).status_code == 303
    token.call("GET", "/api/issues", 401)
    assert "This user is not signed in." in ada.get(path).text


def test_browsers_are_listed_and_forgotten_by_their_users_and_by_super_admins(world: World) -> None:
    email, device = CAST["tess"][0], "issue_tracker_device"
    agents = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
    form = {"email": email, "password": PASSWORD}
    here, there, of_omar = (world.anonymous(headers=agents) for _ in range(3))
    assert of_omar.post("/login", data=form | {"email": CAST["omar"][0]}).status_code == 303
    for browser in (here, there):
        assert browser.post("/login", data=form).status_code == 303
    own = here.call("GET", "/api/auth/devices", 200)
    assert [each["current"] for each in own["items"]] == [False, True] and own["total"] == 2
    assert own["items"][0]["user_agent"] == agents["User-Agent"] and len(own["items"][0]["id"]) == 16
    page = here.get("/account/security").text
    assert "Firefox 128 on Linux" in page and f"/account/devices/{own['items'][0]['id']}/forget" in page

    ada, path = world.client("ada"), f"/api/users/{user_id(world, 'tess')}/devices"
    seen = ada.call("GET", path, 200)["items"]
    assert [each["id"] for each in seen] == [each["id"] for each in own["items"]] and not any(
        each["current"] for each in seen
    )
    world.client("omar").call("DELETE", f"/api/auth/devices/{seen[0]['id']}", 404)
    csrf = {"X-CSRF-Token": here.call("GET", "/api/auth/session", 200)["csrf_token"]}
    here.call("DELETE", f"/api/auth/devices/{seen[0]['id']}", 204, headers=csrf)
    ada.call("DELETE", f"{path}/{seen[1]['id']}", 204)
    ada.call("DELETE", f"{path}/{seen[1]['id']}", 404)
    assert ada.call("GET", path, 200)["total"] == 0
    assert [note for *_, note in audit(world)].count(f"{email} (browser forgotten)") == 2

    # A forgotten browser is unknown again, and gets another token.
    token = there.cookies[device]
    assert there.post("/login", data=form).status_code == 303 and there.cookies[device] != token
    form = {"_csrf": ada.headers["X-CSRF-Token"]}
    (known,) = ada.call("GET", path, 200)["items"]
    page = f"{path.replace('/api', '/admin')}/{known['id']}/forget"
    assert ada.post(page, data=form).status_code == 303 and ada.call("GET", path, 200)["total"] == 0
    assert there.post("/login", data={"email": email, "password": PASSWORD}).status_code == 303
    ada.call("PUT", path.removesuffix("/devices"), 200, json={"password": CHOSEN})
    assert ada.call("GET", path, 200)["total"] == 0, "a password that is set for a user leaves no known browser"
    assert of_omar.call("GET", "/api/auth/devices", 200)["total"] == 1, "the browser of another user remains known"
    with world.database.read() as tx:
        assert tx.execute(select(sign_in_addresses.c.user_id)).scalars().all() == [user_id(world, "omar")]
