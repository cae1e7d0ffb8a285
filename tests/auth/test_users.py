"""Accounts and the first set-up (contract, section 6; issue 2: the set-up link)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete

from issue_tracker.auth.first_start import offer_setup
from issue_tracker.database.tables import users
from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import World

NEW = {"email": "new@helpdesk.example", "name": "New Person", "role": "technician"}


def ids(world: World) -> dict[str, int]:
    listed = world.client("ada").call("GET", "/api/users", 200)["items"]
    return {user["email"].partition("@")[0]: user["user_id"] for user in listed}


def test_accounts_are_listed_by_name_without_credentials(world: World) -> None:
    response = world.client("ada").call("GET", "/api/users", 200)
    assert [user["name"] for user in response["items"]] == ["Ada Lund", "Mia Member", "Omar Reyes", "Tess Ngo"]
    assert response["total"] == 4
    shown = {"user_id", "email", "name", "role", "active", "service_account", "created_at", "updated_at"}
    assert set(response["items"][0]) == shown | {"company_access", "access_source"}
    for user in response["items"]:
        assert world.client("ada").call("GET", f"/api/users/{user['user_id']}", 200) == user
    for unknown in (999, 2**63, -1):
        world.client("ada").call("GET", f"/api/users/{unknown}", 404)


def test_an_account_is_created(world: World) -> None:
    made = world.client("ada").call("POST", "/api/users", 201, json=NEW)
    assert made["role"] == "technician" and made["active"] is True and made["invitation_url"]
    given = NEW | {"email": "other@helpdesk.example", "password": "my own password"}
    other = world.client("ada").call("POST", "/api/users", 201, json=given)
    assert other["invitation_url"] is None
    pair = {"email": "OTHER@helpdesk.example", "password": "my own password"}
    assert world.anonymous().call("POST", "/api/auth/login", 200, json=pair)["user"]["user_id"] == other["user_id"]


def test_an_account_is_created_with_its_company_access(world: World) -> None:
    """Both are set in one transaction, so the user never sees more."""
    world.given_companies("Contoso", "Initech")
    ada, limited = world.client("ada"), {"company_groups": [], "companies": ["Contoso"]}
    made = ada.call("POST", "/api/users", 201, json=NEW | {"company_access": limited, "password": "my own password"})
    assert made["company_access"] == limited
    for role, access, shown in (
        ("technician", "all", "all"),
        ("customer", None, {"company_groups": [], "companies": []}),
        ("customer", limited, limited),
    ):
        body = NEW | {"email": f"{role}{len(ids(world))}@helpdesk.example", "role": role, "company_access": access}
        other = ada.call("POST", "/api/users", 201, json=body | {"name": f"User {len(ids(world))}"})
        assert other["company_access"] == shown
    unknown = NEW | {"email": "x@helpdesk.example", "name": "Xenia", "company_access": {"companies": ["Nobody"]}}
    assert "Nobody" in ada.call("POST", "/api/users", 404, json=unknown)["detail"]
    assert "x@helpdesk.example" not in str(ada.call("GET", "/api/users", 200))
    form = {"email": "page@helpdesk.example", "name": "Paige", "role": "technician", "companies": "Contoso"}
    added = ada.post("/admin/users", data=form | {"access": "", "_csrf": ada.headers["X-CSRF-Token"]})
    assert added.status_code == 303
    found = next(user for user in ada.call("GET", "/api/users", 200)["items"] if user["name"] == "Paige")
    assert found["company_access"] == limited


@decided_in_python
@cases(
    ("body", "field"),
    [
        (NEW | {"email": "TESS@helpdesk.example"}, "email"),
        (NEW | {"email": "nowhere"}, "email"),
        (NEW | {"email": "a b@c.example"}, "email"),
        (NEW | {"role": "king"}, "role"),
        (NEW | {"name": ""}, "name"),
        (NEW | {"password": "short"}, "password"),
        (NEW | {"active": False}, "active"),
        ({"name": "x", "role": "member"}, "email"),
    ],
)
def test_an_invalid_account_is_rejected(world: World, body: dict[str, Any], field: str) -> None:
    assert world.client("ada").call("POST", "/api/users", 400, json=body)["errors"][0]["field"] == field
    assert len(ids(world)) == 4


def test_an_account_is_changed(world: World) -> None:
    path = f"/api/users/{ids(world)['omar']}"
    changed = world.client("ada").call("PUT", path, 200, json={"name": "Omar R.", "role": "member"})
    assert (changed["name"], changed["role"], changed["active"]) == ("Omar R.", "member", True)
    assert changed in world.client("ada").call("GET", "/api/users", 200)["items"]
    again = world.client("ada").call("PUT", path, 200, json={"name": "Omar R."})
    assert again == changed
    world.client("ada").call("PUT", "/api/users/999999999", 404, json={})


@pytest.mark.parametrize("change", [{"active": False}, {"role": "technician"}, {"role": "member", "active": False}])
def test_the_last_active_super_admin_cannot_be_demoted_or_disabled(world: World, change: dict[str, Any]) -> None:
    admin, people = world.client("ada"), ids(world)
    assert "last active super admin" in admin.call("PUT", f"/api/users/{people['ada']}", 400, json=change)["detail"]
    admin.call("PUT", f"/api/users/{people['tess']}", 200, json={"role": "super_admin"})
    limited = {"company_access": {"companies": ["Contoso"]}}
    admin.call("PUT", f"/api/users/{people['tess']}", 200, json=limited)
    refused = admin.call("PUT", f"/api/users/{people['ada']}", 400, json=change)["detail"]
    assert "super admin who sees all companies" in refused, "there is another super admin"
    admin.call("PUT", f"/api/users/{people['tess']}", 200, json={"company_access": "all", "active": False})
    admin.call("PUT", f"/api/users/{people['ada']}", 400, json=change)
    admin.call("PUT", f"/api/users/{people['tess']}", 200, json={"active": True})
    admin.call("PUT", f"/api/users/{people['ada']}", 200, json=change)
    assert world.client("tess").call("GET", "/api/users", 200)["total"] == 4


def test_two_super_admins_cannot_demote_each_other_simultaneously(world: World) -> None:
    people = ids(world)
    world.client("ada").call("PUT", f"/api/users/{people['tess']}", 200, json={"role": "super_admin"})
    pairs = [(world.client("ada"), people["tess"]), (world.client("tess"), people["ada"])]
    with ThreadPoolExecutor(2) as pool:
        responses = list(pool.map(lambda p: p[0].put(f"/api/users/{p[1]}", json={"role": "member"}).status_code, pairs))
    assert sorted(responses) in ([200, 400], [200, 403])


@pytest.fixture
def untouched(world: World) -> World:
    """A tracker without users, with the token of a printed link."""
    with world.database.write() as tx:
        tx.execute(delete(users))
        offer_setup(tx, "printed", datetime.now(UTC))
    return world


SETUP = {"token": "printed", "email": "ada@helpdesk.example", "name": "Ada Lund", "password": "a long password"}


def test_the_set_up_works_once(untouched: World) -> None:
    client = untouched.anonymous()
    assert client.call("POST", "/api/setup", 201, json=SETUP)["role"] == "super_admin"
    again = client.call("POST", "/api/setup", 403, json=SETUP | {"email": "eve@x.example"})
    assert "already been used" in again["detail"]
    pair = {"email": "ada@helpdesk.example", "password": "a long password"}
    client.headers["X-CSRF-Token"] = client.call("POST", "/api/auth/login", 200, json=pair)["csrf_token"]
    assert client.call("GET", "/api/users", 200)["total"] == 1


def test_a_wrong_token_sets_nothing_up(untouched: World) -> None:
    untouched.anonymous().call("POST", "/api/setup", 403, json=SETUP | {"token": "guessed"})
    untouched.anonymous().call("POST", "/api/setup", 400, json=SETUP | {"password": "short"})
    assert (
        untouched.anonymous().post("/api/setup", json=SETUP, headers={"Origin": "https://evil.example"}).status_code
        == 403
    )
    untouched.anonymous().call("POST", "/api/setup", 201, json=SETUP)


def test_a_set_up_link_that_is_used_simultaneously_works_once(untouched: World) -> None:
    bodies = [SETUP | {"email": f"admin{number}@helpdesk.example"} for number in range(4)]
    clients = [untouched.anonymous() for _ in bodies]
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda c, b: c.post("/api/setup", json=b).status_code, clients, bodies))
    assert sorted(responses) == [201, 403, 403, 403]


def test_a_printed_link_is_invalid_once_a_user_exists(world: World) -> None:
    with world.database.write() as tx:
        offer_setup(tx, "printed", datetime.now(UTC))
    world.anonymous().call("POST", "/api/setup", 403, json=SETUP)
    assert len(ids(world)) == 4
