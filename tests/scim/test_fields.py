"""How the attributes of users and groups become accounts and memberships, and how filters find them."""

from typing import Any

import pytest

from tests.scim.directory import GROUP, USER, Directory
from tests.world import World


@pytest.fixture
def directory(world: World) -> Directory:
    return Directory(world)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_account_has_the_preferred_address_and_name(directory: Directory) -> None:
    home, work, primary = (
        {"value": "home@x.example", "type": "home"},
        {"value": "work@x.example", "type": "Work"},
        {"value": "first@x.example", "primary": True},
    )
    ann = {"givenName": "Ann", "familyName": "Lee"}

    def made(**more: Any) -> tuple[str, str]:
        user = directory.call("POST", "/Users", 201, {"schemas": [USER], **more})
        directory.call("DELETE", f"/Users/{user['id']}", 204)
        return user["emails"][0]["value"], user["displayName"]

    assert made(userName="a", emails=[home, work, primary], name=ann) == ("first@x.example", "Ann Lee")
    assert made(userName="b", emails=[home, work], displayName="Bea", name=ann) == ("work@x.example", "Bea")
    assert made(userName="c", emails=[{"type": "work"}, home], name={}) == ("home@x.example", "c")
    assert made(userName="d@x.example") == ("d@x.example", "d@x.example")
    refused = directory.call("POST", "/Users", 400, {"userName": "ni\u200bna@x.example", "emails": [work]})
    assert refused["detail"].startswith("userName: ")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_replacement_keeps_what_it_does_not_mention(directory: Directory) -> None:
    body: dict[str, Any] = {"schemas": [USER], "userName": "ann@x.example"}
    ann = {"givenName": "Ann", "familyName": "Lee"}
    made = directory.call("POST", "/Users", 201, body | {"name": ann, "active": False})
    path = f"/Users/{made['id']}"
    # The provider sends the display name that it was given, with a changed part of the name.
    renamed = body | {"name": ann | {"familyName": "Low"}, "displayName": "Ann Lee"}
    changed = directory.call("PUT", path, 200, renamed)
    assert (changed["displayName"], changed["active"]) == ("Ann Low", False)
    assert "externalId" not in directory.call("PUT", path, 200, body | {"externalId": " "})
    # An address of its own does not follow the user name.
    mail = [{"value": "ann.lee@x.example", "type": "work"}]
    directory.call("PUT", path, 200, body | {"emails": mail})
    changed = directory.call("PUT", path, 200, body | {"userName": "al@x.example", "emails": mail})
    assert (changed["userName"], changed["emails"][0]["value"]) == ("al@x.example", "ann.lee@x.example")
    # A version that is no longer present is not overwritten.
    stale = {"Content-Type": "application/scim+json", "If-Match": made["meta"]["version"]}
    assert directory.client.request("PUT", f"/scim/v2{path}", json=body, headers=stale).status_code == 412
    assert directory.call("GET", path, 200) == changed


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_filters_find_users_and_groups_by_any_attribute(directory: Directory) -> None:
    nina, omar = directory.create("nina@x.example"), directory.find("Users", 'userName sw "omar"')[0]
    either = f'userName eq "{nina["userName"]}" or userName eq "{omar["userName"]}"'
    assert directory.find("Users", either) == [omar, nina]
    group = directory.group("Helpdesk", nina["id"])
    for member, expected in ((nina, [group["id"]]), (omar, [])):
        wanted = {"filter": f'members.value eq "{member["id"]}"', "excludedAttributes": "members"}
        found = directory.call("GET", "/Groups", 200, params=wanted)["Resources"]
        assert [one["id"] for one in found] == expected and not [one for one in found if "members" in one]
    for member_type, status in (("Group", 400), ("User", 200)):
        members = [{"value": omar["id"], "type": member_type}]
        body = {"schemas": [GROUP], "displayName": "Helpdesk", "members": members}
        directory.call("PUT", f"/Groups/{group['id']}", status, body)
