"""Provisioning by Okta, and reading lists in pages."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.scim.directory import GROUP, USER, Directory
from tests.single_sign_on.test_group_mappings import account, given_mapping
from tests.world import World


def test_a_user_is_imported_created_replaced_and_deactivated(world: World) -> None:
    directory = Directory(world, "Okta")
    listed = directory.call("GET", "/Users", 200, params={"startIndex": 1, "count": 100})
    assert listed["totalResults"] == 4 and listed["startIndex"] == 1
    body: dict[str, Any] = {
        "schemas": [USER],
        "userName": "isaac@helpdesk.example",
        "name": {"givenName": "Isaac", "familyName": "Brock"},
        "emails": [{"primary": True, "value": "isaac@helpdesk.example", "type": "work"}],
        "displayName": "Isaac Brock",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    made = directory.call("POST", "/Users", 201, body)
    assert "password" not in made and made["name"]["givenName"] == "Isaac"
    path = f"/Users/{made['id']}"
    assert directory.call("GET", path, 200) == made
    # The password that Okta generated is not accepted.
    pair = {"email": "isaac@helpdesk.example", "password": "1mz050nq"}
    world.anonymous().call("POST", "/api/auth/login", 401, json=pair)
    replaced = directory.call("PUT", path, 200, body | {"id": made["id"], "displayName": "Isaac B.", "active": True})
    assert replaced["displayName"] == account(world, "isaac@helpdesk.example")["name"] == "Isaac B."
    assert directory.patch(path, {"op": "replace", "value": {"active": False}})["active"] is False
    assert account(world, "isaac@helpdesk.example")["active"] is False


def test_a_group_is_pushed_renamed_and_its_members_replaced(world: World) -> None:
    given_mapping(world, "Helpdesk", "technician", source="scim")
    directory = Directory(world, "Okta")
    ids = [directory.create(f"{name}@helpdesk.example")["id"] for name in ("ann", "ben", "cleo")]

    def roles() -> list[str]:
        return [account(world, f"{name}@helpdesk.example")["role"] for name in ("ann", "ben", "cleo")]

    group = directory.group("Helpdesk", ids[0])
    path = f"/Groups/{group['id']}"
    assert roles() == ["technician", "member", "member"]
    directory.patch(path, {"op": "add", "path": "members", "value": [{"value": ids[1], "display": "ben"}]})
    assert roles() == ["technician", "technician", "member"]
    directory.patch(path, {"op": "replace", "path": "members", "value": [{"value": ids[2]}]})
    assert roles() == ["member", "member", "technician"]
    renamed = directory.patch(path, {"op": "replace", "value": {"id": group["id"], "displayName": "Service desk"}})
    assert renamed["displayName"] == "Service desk" and roles() == ["member", "member", "member"]
    body = {"schemas": [GROUP], "displayName": "Helpdesk", "members": [{"value": id_} for id_ in ids]}
    assert len(directory.call("PUT", path, 200, body)["members"]) == 3
    assert roles() == ["technician"] * 3
    directory.patch(path, {"op": "remove", "path": "members"})
    assert roles() == ["member"] * 3 and directory.call("GET", path, 200).get("members", []) == []
    assert directory.call("POST", "/Groups", 409, body)["scimType"] == "uniqueness"
    other = directory.group("Sales")
    renamed = {"op": "replace", "path": "displayName", "value": "HELPDESK"}
    assert directory.patch(f"/Groups/{other['id']}", renamed, expected=409)["scimType"] == "uniqueness"
    stranger = {"op": "add", "path": "members", "value": [{"value": "999999"}]}
    assert directory.patch(path, stranger, expected=400)["scimType"] == "invalidValue"


def test_simultaneous_changes_are_all_made(world: World) -> None:
    directory = Directory(world)
    ids = [directory.create(f"user{number}@helpdesk.example")["id"] for number in range(8)]
    path = f"/Groups/{directory.group('Helpdesk')['id']}"

    def add(id_: str) -> None:
        directory.patch(path, {"op": "add", "path": "members", "value": [{"value": id_}]})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, ids))
    assert [one["value"] for one in directory.call("GET", path, 200)["members"]] == ids


def test_lists_are_paged(world: World) -> None:
    directory = Directory(world)
    for number in range(5):
        directory.create(f"user{number}@helpdesk.example")
    seen = []
    for start in (1, 4, 7):
        page = directory.call("GET", "/Users", 200, params={"startIndex": start, "count": 3})
        assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (9, start, 3)
        seen += [one["id"] for one in page["Resources"]]
    assert len(set(seen)) == 9
    filtered = {"filter": 'userName sw "user" and not (userName eq "user0@helpdesk.example")', "count": 2}
    page = directory.call("GET", "/Users", 200, params=filtered)
    assert (page["totalResults"], page["itemsPerPage"]) == (4, 2)
    attributes = directory.call("GET", "/Users", 200, params={"attributes": "userName", "count": 1})["Resources"][0]
    assert set(attributes) == {"schemas", "id", "userName"}
    assert directory.call("GET", "/Users", 200, params={"startIndex": -5, "count": -1})["Resources"] == []
    for path in ("/Users", "/Groups"):
        beyond = directory.call("GET", path, 200, params={"startIndex": 10**30, "count": 10**30})
        assert (beyond["startIndex"], beyond.get("Resources", [])) == (10**30, [])
    assert directory.call("GET", "/Users", 400, params={"count": "many"})["scimType"] == "invalidValue"
    assert directory.call("GET", "/Users?count=1&count=2", 400)["scimType"] == "invalidValue"
    for wrong in (
        "userName",
        'userName is "x"',
        "userName eq",
        '(userName eq "x"',
        "userName eq x",
        "[" * 500,
        "a" * 9000,
    ):
        assert directory.call("GET", "/Users", 400, params={"filter": wrong})["scimType"] == "invalidFilter", wrong


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_service_accounts_and_unknown_ids_are_not_found(world: World) -> None:
    directory = Directory(world)
    body = {"email": "backups@helpdesk.example", "name": "Backups", "role": "technician", "service_account": True}
    program = world.client("ada").call("POST", "/api/users", 201, json=body)
    assert directory.find("Users", 'userName eq "backups@helpdesk.example"') == []
    for path in (f"/Users/{program['user_id']}", "/Users/999999", "/Users/none", "/Users/" + "9" * 60, "/Groups/1"):
        directory.call("GET", path, 404)
    refused = directory.call("POST", "/Users", 409, {"userName": "backups@helpdesk.example"})
    assert refused["scimType"] == "uniqueness"
    assert directory.call("GET", "/Users", 200, params={"count": 0})["totalResults"] == 4
    group = directory.group("Programs")
    member = {"op": "add", "path": "members", "value": [{"value": str(program["user_id"])}]}
    assert "no user" in directory.patch(f"/Groups/{group['id']}", member, expected=400)["detail"]
    body = {"displayName": "More", "members": member["value"]}
    assert "no user" in directory.call("POST", "/Groups", 400, body)["detail"]
