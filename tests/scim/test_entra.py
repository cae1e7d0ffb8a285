"""Provisioning by Entra ID: its requests, with its deviations from the standard."""

from typing import Any

import pytest

from tests.auth.factors import enrol
from tests.cases import cases
from tests.company_access.limits import limit
from tests.engines import decided_in_python
from tests.issues.test_views import names, save
from tests.scim.directory import ERROR, Directory
from tests.single_sign_on.test_group_mappings import account, given_mapping
from tests.world import World

BRIEF = "?excludedAttributes=members"


@pytest.fixture
def directory(world: World) -> Directory:
    return Directory(world)


@pytest.fixture
def nina(directory: Directory) -> dict[str, Any]:
    return directory.create("nina@helpdesk.example")


@decided_in_python
def test_the_connection_test_of_entra_id_succeeds(world: World) -> None:
    """Entra ID searches for a user who does not exist, and expects an empty list."""
    directory = Directory(world)
    nobody = 'userName eq "1d2ab0c4-0f6e-4a4c-9f8f-0a8e0e0d2b11"'
    found = directory.call("GET", "/Users", 200, params={"filter": nobody})
    assert (found["totalResults"], found["Resources"]) == (0, [])


def test_a_user_is_created_renamed_disabled_and_enabled(world: World) -> None:
    directory = Directory(world)
    assert directory.find("Users", 'userName eq "Nina@helpdesk.example"') == []
    nina = directory.create("nina@helpdesk.example")
    assert (nina["externalId"], nina["displayName"], nina["active"]) == ("nina", "Nina", True)
    assert nina["meta"]["location"].endswith(f"/scim/v2/Users/{nina['id']}") and "password" not in nina
    made = account(world, "nina@helpdesk.example")
    assert (made["role"], made["active"], made["name"]) == ("member", True, "Nina")
    assert directory.find("Users", 'username EQ "NINA@HELPDESK.EXAMPLE"') == [nina]
    assert directory.find("Users", 'externalId eq "nina" and userName eq "nina@helpdesk.example"') == [nina]
    assert directory.find("Users", 'externalId eq "nina" and active eq false') == []
    assert directory.find("Users", 'emails[type eq "work"].value eq "nina@helpdesk.example"') == [nina]

    path = f"/Users/{nina['id']}"
    changed = directory.patch(
        path,
        {"op": "Replace", "path": "displayName", "value": "Nina Vogt"},
        {"op": "Add", "path": "name.familyName", "value": "Vogt"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "nina.vogt@helpdesk.example"},
        {"op": "Replace", "path": "userName", "value": "nina.vogt@helpdesk.example"},
        {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "B"},
    )
    assert changed["displayName"] == "Nina Vogt" and changed["name"]["familyName"] == "Vogt"
    assert changed["emails"] == [{"value": "nina.vogt@helpdesk.example", "type": "work", "primary": True}]
    assert account(world, "nina.vogt@helpdesk.example")["name"] == "Nina Vogt"

    assert directory.patch(path, {"op": "Replace", "path": "active", "value": "False"})["active"] is False
    assert account(world, "nina.vogt@helpdesk.example")["active"] is False
    assert directory.patch(path, {"op": "Replace", "value": {"active": "True"}})["active"] is True
    # The same request again changes and records nothing.
    before = len(world.history(audit=True))
    directory.patch(
        path,
        {"op": "replace", "path": "active", "value": True},
        {"op": "Add", "value": {"userName": changed["userName"]}},
    )
    assert len(world.history(audit=True)) == before

    # Another spelling is not the name or the address of another user. Both follow each other until one has its own.
    spelled = directory.patch(path, {"op": "Replace", "path": "userName", "value": "Nina.Vogt@helpdesk.example"})
    assert spelled["userName"] == spelled["emails"][0]["value"] == "Nina.Vogt@helpdesk.example"
    own = {"op": "Replace", "path": "userName", "value": "nv"}
    found = directory.patch(path, own, {"op": "Replace", "path": "externalId", "value": "n-2"})
    assert found["meta"]["lastModified"] > spelled["meta"]["lastModified"]
    assert world.history(audit=True)[-1].note == "Nina.Vogt@helpdesk.example (SCIM: userName, externalId)"
    taken = {"op": "Replace", "path": "userName", "value": "OMAR@helpdesk.example"}
    assert directory.patch(path, taken, expected=409)["scimType"] == "uniqueness"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_new_user_enables_no_account_but_one_that_scim_deleted(world: World, directory: Directory) -> None:
    ada = world.client("ada")
    assert directory.create("nina@helpdesk.example", active=False)["active"] is False
    assert account(world, "nina@helpdesk.example")["active"] is False
    tess = account(world, "tess@helpdesk.example")["user_id"]
    ada.call("PUT", f"/api/users/{tess}", 200, json={"active": False})
    body = {"userName": "tess", "emails": [{"value": "tess@helpdesk.example"}]}
    directory.call("POST", "/Users", 409, body)
    assert account(world, "tess@helpdesk.example")["active"] is False, "a super admin disabled it"
    directory.call("DELETE", f"/Users/{tess}", 204)
    ada.call("PUT", f"/api/users/{tess}", 200, json={"active": True})
    directory.call("POST", "/Users", 409, body)
    directory.call("GET", f"/Users/{tess}", 200)
    ada.call("PUT", f"/api/users/{tess}", 200, json={"active": False})
    # Once restored, the provider sees it whether it is active or not.
    assert directory.call("POST", "/Users", 201, body)["id"] == str(tess)
    for value in ("False", "True"):
        directory.patch(f"/Users/{tess}", {"op": "Replace", "path": "active", "value": value})


def test_disabling_ends_all_credentials_of_the_user(world: World) -> None:
    directory = Directory(world)
    browser, program = world.client("tess"), world.bearer("tess")
    (tess,) = directory.find("Users", 'userName eq "tess@helpdesk.example"')
    directory.patch(f"/Users/{tess['id']}", {"op": "Replace", "path": "active", "value": "False"})
    browser.call("GET", "/api/issues", 401)
    program.call("GET", "/api/issues", 401)
    recorded = [row for row in world.history(audit=True) if row.actor_name == "Entra ID"]
    assert {row.channel for row in recorded} == {"scim:Entra ID"} and {row.actor_id for row in recorded} == {None}
    assert [(row.type, row.note) for row in recorded] == [
        ("user.updated", "tess@helpdesk.example (active: False)"),
        ("token.deleted", "tests"),
    ]
    directory.patch(f"/Users/{tess['id']}", {"op": "Replace", "path": "active", "value": "True"})
    program.call("GET", "/api/issues", 401)  # ended credentials are not restored
    assert account(world, "tess@helpdesk.example")["role"] == "technician"


def test_the_last_super_admin_cannot_be_disabled(world: World) -> None:
    directory = Directory(world)
    (ada,) = directory.find("Users", 'userName eq "ada@helpdesk.example"')
    path = f"/Users/{ada['id']}"
    refused = directory.patch(path, {"op": "Replace", "path": "active", "value": "False"}, expected=400)
    assert refused["schemas"] == [ERROR] and refused["status"] == "400" and "last active" in refused["detail"]
    assert "last active" in directory.call("DELETE", path, 400)["detail"]
    assert account(world, "ada@helpdesk.example")["active"] is True


def test_groups_determine_roles_and_companies(world: World) -> None:
    given_mapping(world, "Helpdesk", "technician", {"companies": ["Contoso"]}, "scim")
    given_mapping(world, "5d4e-leads", "super_admin", "all", "scim")
    directory = Directory(world)
    nina, omar = (
        directory.create("nina@helpdesk.example"),
        directory.find("Users", 'userName eq "omar@helpdesk.example"')[0],
    )
    helpdesk = directory.group("Helpdesk", externalId="5d4e-helpdesk")
    leads = directory.group("Leads", externalId="5d4e-leads")
    found = directory.call(
        "GET", "/Groups", 200, params={"excludedAttributes": "members", "filter": 'displayName eq "helpdesk"'}
    )
    assert [(one["id"], "members" in one) for one in found["Resources"]] == [(helpdesk["id"], False)]

    path = f"/Groups/{helpdesk['id']}"
    added = [{"$ref": None, "value": nina["id"]}, {"$ref": None, "value": omar["id"]}]
    directory.patch(path, {"op": "Add", "path": "members", "value": added})
    for email in ("nina@helpdesk.example", "omar@helpdesk.example"):
        found = account(world, email)
        assert (found["role"], found["company_access"]["companies"]) == ("technician", ["Contoso"])
    assert [one["display"] for one in directory.call("GET", f"/Users/{nina['id']}", 200)["groups"]] == ["Helpdesk"]
    directory.patch(f"/Groups/{leads['id']}", {"op": "Add", "path": "members", "value": [{"value": nina["id"]}]})
    for external_id, role in (("another", "technician"), ("5d4e-leads", "super_admin")):
        directory.patch(f"/Groups/{leads['id']}", {"op": "Replace", "path": "externalId", "value": external_id})
        assert account(world, "nina@helpdesk.example")["role"] == role
    before = len(world.history(audit=True))
    directory.patch(f"/Groups/{leads['id']}", {"op": "Add", "path": "members", "value": [{"value": nina["id"]}]})
    assert len(world.history(audit=True)) == before

    directory.patch(f"/Groups/{leads['id']}", {"op": "Remove", "path": f'members[value eq "{nina["id"]}"]'})
    assert account(world, "nina@helpdesk.example")["role"] == "technician"
    # Entra ID also sends removed members as a value, and other providers send more about them. Only the id counts.
    shown = next(one for one in directory.call("GET", path, 200)["members"] if one["value"] == omar["id"])
    for more in ({}, {"$ref": None}, {"$ref": f"../Users/{omar['id']}", "display": "Omar"}, shown):
        directory.patch(path, {"op": "Add", "path": "members", "value": [{"value": omar["id"]}]})
        assert account(world, "omar@helpdesk.example")["role"] == "technician"
        directory.patch(path, {"op": "Remove", "path": "members", "value": [{"value": omar["id"], **more}]})
        assert account(world, "omar@helpdesk.example")["role"] == "member", more
        assert [one["value"] for one in directory.call("GET", path, 200)["members"]] == [nina["id"]]
    directory.call("DELETE", path, 204)
    directory.call("GET", path, 404)
    assert account(world, "nina@helpdesk.example")["role"] == "member"
    # A user who was never in a group keeps the role that was assigned here.
    assert account(world, "tess@helpdesk.example")["role"] == "technician"
    notes = [(row.type, row.note) for row in world.history(audit=True) if row.type.startswith("scim_group.")]
    assert ("scim_group.updated", "Leads (removed: nina@helpdesk.example)") in notes
    assert ("scim_group.deleted", "Helpdesk (removed: nina@helpdesk.example)") in notes


def test_a_changed_mapping_takes_effect_immediately(world: World) -> None:
    directory = Directory(world)
    nina = directory.create("nina@helpdesk.example")
    directory.group("Helpdesk", nina["id"])
    assert account(world, "nina@helpdesk.example")["role"] == "member"
    made = given_mapping(world, "Helpdesk", "technician", source="scim")
    given_mapping(world, "Other", "technician", source="scim")
    assert account(world, "nina@helpdesk.example")["role"] == "technician"
    world.client("ada").call("DELETE", f"/api/group-mappings/{made}", 204)
    assert account(world, "nina@helpdesk.example")["role"] == "member"


def test_a_deleted_user_is_restored_without_roles_and_credentials(world: World) -> None:
    directory = Directory(world)
    browser = world.client("tess")
    enrol(world, client=browser)
    (tess,) = directory.find("Users", 'userName eq "tess@helpdesk.example"')
    limits = {"company_access": {"companies": ["Contoso"]}}
    world.client("ada").call("PUT", f"/api/users/{tess['id']}", 200, json=limits)
    helpdesk = f"/Groups/{directory.group('Helpdesk', tess['id'])['id']}"
    (version,) = {directory.call("GET", f"{helpdesk}{brief}", 200)["meta"]["version"] for brief in ("", BRIEF)}
    directory.call("DELETE", f"/Users/{tess['id']}", 204)
    for brief in ("", BRIEF):
        directory.call("GET", f"{helpdesk}{brief}", 200, headers={"If-None-Match": version})
    for method, body in (("GET", None), ("DELETE", None), ("PUT", {"userName": "x@y.example"})):
        directory.call(method, f"/Users/{tess['id']}", 404, body)
    assert directory.find("Users", 'userName eq "tess@helpdesk.example"') == []
    assert directory.find("Groups", 'displayName eq "Helpdesk"')[0].get("members", []) == []
    browser.call("GET", "/api/issues", 401)
    kept = account(world, "tess@helpdesk.example")
    assert (kept["active"], kept["role"], str(kept["user_id"])) == (False, "member", tess["id"])

    again = directory.create("tess@helpdesk.example")
    restored = account(world, "tess@helpdesk.example")
    assert again["id"] == tess["id"] and restored["role"] == "member"
    assert restored["company_access"] == {"company_groups": [], "companies": []}
    assert world.client("ada").call("GET", f"/api/users/{tess['id']}/factors", 200)["total"] == 0
    pair = {"email": "tess@helpdesk.example", "password": "correct horse battery staple"}
    world.anonymous().call("POST", "/api/auth/login", 401, json=pair)

    # A name that imitates another user's is replaced by the address, for the restored account as for a new one.
    directory.call("DELETE", f"/Users/{tess['id']}", 204)
    for email in ("tess@helpdesk.example", "new@helpdesk.example"):
        assert directory.create(email, displayName="Omar Re\u0443es")["displayName"] == email
        assert account(world, email)["name"] == email


def test_a_deleted_user_leaves_no_private_views_to_the_next_one(world: World) -> None:
    directory, ada, omar = Directory(world), world.client("ada"), world.client("omar")
    (tess,) = directory.find("Users", 'userName eq "tess@helpdesk.example"')
    limit(world, "Contoso", who="tess")
    limit(world, "Fabrikam", who="omar")
    save(world.client("tess"), "My Contoso", start=True)
    save(world.client("tess"), "Contoso outages", shared=True)
    assert names(omar) == []

    directory.call("DELETE", f"/Users/{tess['id']}", 204)

    assert names(omar) == [], "the companies of the author were taken away, but the name still contains one"
    assert [event.to_value for event in world.history(audit=True) if event.type == "view.deleted"] == ["My Contoso"]
    directory.create("tess@helpdesk.example")
    ada.call("PUT", f"/api/users/{tess['id']}", 200, json={"role": "technician", "company_access": "all"})
    assert names(world.client("tess")) == names(ada) == ["Contoso outages"]
    assert world.client("tess").get("/start").headers["location"] == "/?open=true"


@decided_in_python
@cases(
    ("body", "status", "kind"),
    [
        ({"userName": "OMAR@helpdesk.example"}, 409, "uniqueness"),
        ({"userName": "OMAR@helpdesk.example", "emails": [{"value": "new@x.example"}]}, 409, "uniqueness"),
        ({"userName": "new", "emails": [{"value": "omar@helpdesk.example"}]}, 409, "uniqueness"),
        ({"userName": "new"}, 400, "invalidValue"),
        ({"userName": "new\u0000@x.example"}, 400, "invalidValue"),
        ({"displayName": "Nobody"}, 400, "invalidValue"),
        ({"userName": ["new@x.example"]}, 400, "invalidValue"),
        ({"userName": "new@x.example", "emails": "new@x.example"}, 400, "invalidValue"),
        ({"userName": "new@x.example", "active": "perhaps"}, 400, "invalidValue"),
        ([], 400, "invalidSyntax"),
    ],
)
def test_an_invalid_user_is_rejected(directory: Directory, body: Any, status: int, kind: str) -> None:
    total = directory.call("GET", "/Users", 200, params={"count": 0})["totalResults"]
    refused = directory.call("POST", "/Users", status, body)
    assert (refused["schemas"], refused["status"], refused["scimType"]) == ([ERROR], str(status), kind)
    assert directory.call("GET", "/Users", 200, params={"count": 0})["totalResults"] == total


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@cases(
    ("operation", "kind"),
    [
        ({"op": "move", "path": "active", "value": True}, "invalidValue"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "path": "emails[", "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "replace", "path": "userName", "value": ""}, "invalidValue"),
        ({"op": "replace", "path": "id", "value": "7"}, "mutability"),
        ({"op": "replace", "path": "displayName", "value": {"a": []}}, "invalidValue"),
        ("active", "invalidValue"),
    ],
)
def test_an_invalid_change_is_rejected(directory: Directory, nina: dict[str, Any], operation: Any, kind: str) -> None:
    first = {"op": "replace", "path": "displayName", "value": "Changed"}
    refused = directory.patch(f"/Users/{nina['id']}", first, operation, expected=400)
    assert refused["scimType"] == kind, refused
    assert directory.call("GET", f"/Users/{nina['id']}", 200) == nina
