"""Groups of a provider determine role and company access, at every sign-in."""

from typing import Any

import pytest

from issue_tracker.actor import command_line
from issue_tracker.auth.group_mappings.applying import apply_groups
from tests.clients import Client
from tests.engines import decided_in_python
from tests.scim.directory import Directory
from tests.single_sign_on.browser import begin, sign_in, who
from tests.single_sign_on.fake import FakeProvider
from tests.single_sign_on.provider import RealProvider
from tests.world import World

MAPPINGS = "/api/group-mappings"


def given_mapping(world: World, group: str, role: str, access: Any = "all", source: str = "fake") -> int:
    body = {"source": source, "group": group, "role": role, "company_access": access}
    return int(world.client("ada").call("POST", MAPPINGS, 201, json=body)["id"])


def account(world: World, email: str) -> dict[str, Any]:
    users = world.client("ada").call("GET", "/api/users", 200)["items"]
    return next(user for user in users if user["email"] == email)


def companies(client: Client) -> list[str]:
    return [item["name"] for item in client.call("GET", "/api/companies", 200)["items"]]


def test_mappings_can_be_created_changed_and_deleted(world: World) -> None:
    ada = world.client("ada")
    ada.call("POST", "/api/company-groups", 201, json={"name": "North", "company_names": ["Contoso"]})
    access = {"company_groups": ["North"], "companies": ["Fabrikam"]}
    body = {"source": "fake", "group": "Team A", "role": "technician", "company_access": access}
    made = ada.call("POST", MAPPINGS, 201, json=body)
    assert {name: made[name] for name in body} == body
    assert ada.call("GET", MAPPINGS, 200) == {"items": [made], "total": 1}
    ada.call("POST", MAPPINGS, 400, json=body)
    ada.call("POST", MAPPINGS, 201, json=body | {"group": "team a"})  # another group: for providers letter case matters
    wrong = ada.call("POST", MAPPINGS, 400, json=body | {"source": "nobody", "group": "a\u200bb"})
    assert [error["field"] for error in wrong["errors"]] == ["source", "group"]
    ada.call("POST", MAPPINGS, 400, json=body | {"role": "customer", "company_access": "all"})
    ada.call("POST", MAPPINGS, 404, json=body | {"group": "Team C", "company_access": {"companies": ["Nobody"]}})
    # Companies and groups in a mapping cannot be deleted.
    group = ada.call("GET", "/api/company-groups", 200)["items"][0]["group_id"]
    assert "a token or a group mapping" in ada.call("DELETE", f"/api/company-groups/{group}", 400)["detail"]

    changed = ada.call("PUT", f"{MAPPINGS}/{made['id']}", 200, json=body | {"role": "member", "company_access": "all"})
    assert (changed["role"], changed["company_access"]) == ("member", "all")
    ada.call("DELETE", f"{MAPPINGS}/{made['id']}", 204)
    ada.call("DELETE", f"{MAPPINGS}/{made['id']}", 404)
    assert ada.call("GET", MAPPINGS, 200)["total"] == 1
    types = [row.type for row in world.history(audit=True) if row.type.startswith("group_mapping.")]
    assert types == [f"group_mapping.{word}" for word in ("created", "created", "updated", "deleted")]


def test_a_mapping_needs_a_super_admin_with_fresh_proof(world: World) -> None:
    made = given_mapping(world, "a", "technician")
    body = {"source": "fake", "group": "b", "role": "super_admin", "company_access": "all"}
    stale, tess = world.client("ada"), world.client("tess")
    world.clock.advance(minutes=10)
    for method, path in (("POST", MAPPINGS), ("PUT", f"{MAPPINGS}/{made}"), ("DELETE", f"{MAPPINGS}/{made}")):
        json = None if method == "DELETE" else body
        assert stale.call(method, path, 403, json=json)["reason"] == "confirmation_required"
        assert "reason" not in tess.call(method, path, 403, json=json)
    tess.call("GET", MAPPINGS, 403)
    assert [one["group"] for one in stale.call("GET", MAPPINGS, 200)["items"]] == ["a"]


def test_groups_determine_role_and_companies_at_every_sign_in(world: World, fake: FakeProvider) -> None:
    given_mapping(world, "north", "technician", {"companies": ["Contoso"]})
    given_mapping(world, "south", "technician", {"companies": ["Fabrikam"]})
    given_mapping(world, "visitors", "member")
    given_mapping(world, "leads", "super_admin")
    nina = {"sub": "n", "email": "nina@helpdesk.example"}

    client, _ = sign_in(world, fake, **nina, groups=["north", "visitors", "unknown"])
    assert companies(client) == ["Contoso"]
    other, _ = sign_in(world, fake, **nina, groups=["north", "south"])
    # The change applies to every session of the user from the next request on.
    assert companies(other) == companies(client) == ["Contoso", "Fabrikam"]
    sign_in(world, fake, **nina, groups=["leads", "south"])
    assert (account(world, nina["email"])["role"], account(world, nina["email"])["company_access"]) == (
        "super_admin",
        "all",
    )
    # Without any mapped group, or without the claim, the user has no access, even in earlier sessions.
    lost: tuple[list[str] | None, ...] = ([], None)
    for groups in lost:
        sign_in(world, fake, **nina, groups=["south"])
        sign_in(world, fake, **nina, groups=groups)
        assert account(world, nina["email"])["role"] == "member"
        client.call("GET", "/api/issues", 403)
    updated = [row for row in world.history(audit=True) if row.type == "user.updated"]
    assert {row.actor_name for row in updated} == {"Fake"}


def test_without_a_mapping_roles_are_unchanged(world: World, fake: FakeProvider) -> None:
    given_mapping(world, "leads", "super_admin", source="real")
    client, _ = sign_in(world, fake, groups=["leads"])
    assert client.call("GET", "/api/auth/session", 200)["user"]["role"] == "technician"


@decided_in_python
def test_users_keep_what_the_last_mapping_granted(world: World, fake: FakeProvider) -> None:
    mapping = given_mapping(world, "leads", "super_admin")
    sign_in(world, fake, groups=["leads"])
    ada = world.client("ada")
    assert "If this is the last mapping" in ada.get(f"/admin/group-mappings/{mapping}").text
    ada.call("DELETE", f"{MAPPINGS}/{mapping}", 204)
    client, _ = sign_in(world, fake, groups=[])
    assert client.call("GET", "/api/auth/session", 200)["user"]["role"] == "super_admin"


@decided_in_python
def test_the_groups_of_a_certified_provider_are_applied(world: World, real: RealProvider) -> None:
    given_mapping(world, "/helpdesk", "technician", source="real")
    real.set(g1={"email": "gus@helpdesk.example", "email_verified": True, "name": "Gus", "groups": ["/helpdesk"]})
    browser = world.anonymous()
    browser.get(real.sign_in(begin(browser, "real"), "g1"))
    browser.call("GET", "/api/issues", 200)


def test_groups_never_demote_the_last_super_admin(world: World, fake: FakeProvider) -> None:
    given_mapping(world, "leads", "super_admin")
    omar, _ = sign_in(world, fake, sub="o", email="omar@helpdesk.example", groups=["leads"])
    ada = account(world, "ada@helpdesk.example")
    # Omar disables the other super admin, and loses his groups.
    omar.call("PUT", f"/api/users/{ada['user_id']}", 200, json={"active": False})
    again, _ = sign_in(world, fake, sub="o", email="omar@helpdesk.example", groups=[])
    assert again.call("GET", "/api/auth/session", 200)["user"]["role"] == "super_admin"
    # Groups do not limit the last super admin either.
    mapping = again.call("GET", MAPPINGS, 200)["items"][0]
    body = {"source": "fake", "group": "leads", "role": "super_admin", "company_access": {"companies": ["Contoso"]}}
    again.call("PUT", f"{MAPPINGS}/{mapping['id']}", 200, json=body)
    limited, _ = sign_in(world, fake, sub="o", email="omar@helpdesk.example", groups=["leads"])
    assert len(companies(limited)) == 6


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_break_glass_account_keeps_its_role(world: World, fake: FakeProvider) -> None:
    """Whatever applies groups, including SCIM."""
    given_mapping(world, "visitors", "member")
    ada, omar = (account(world, f"{who}@helpdesk.example") for who in ("ada", "omar"))
    # The last super admin would remain one in any case.
    world.client("ada").call("PUT", f"/api/users/{omar['user_id']}", 200, json={"role": "super_admin"})
    with world.database.write() as tx:
        apply_groups(tx, command_line("scim"), world.server.settings, ada["user_id"], "fake", ["visitors"])
    assert account(world, "ada@helpdesk.example")["role"] == "super_admin"
    client, _ = sign_in(world, fake, groups=["visitors"])
    assert who(client) == "tess@helpdesk.example" and account(world, "tess@helpdesk.example")["role"] == "member"
    assert Directory(world).find("Users", 'userName eq "ada@helpdesk.example"') == []


def test_scim_takes_precedence_over_sign_ins(world: World, fake: FakeProvider) -> None:
    """From the first group into which SCIM puts a user, until it deletes the user or has no mapping."""
    given_mapping(world, "north", "technician", {"companies": ["Contoso"]})
    mapping = given_mapping(world, "Helpdesk", "technician", {"companies": ["Fabrikam"]}, "scim")
    directory, ada = Directory(world), world.client("ada")
    nina = {"sub": "n", "email": "nina@helpdesk.example", "groups": ["north"]}

    def state() -> tuple[Any, ...]:
        found = account(world, "nina@helpdesk.example")
        return found["role"], found["company_access"]["companies"], found["access_source"]

    def page() -> str:
        return ada.get(f"/admin/users/{account(world, 'nina@helpdesk.example')['user_id']}").text

    made = directory.create("nina@helpdesk.example")
    assert "no group determines them" in page()
    sign_in(world, fake, **nina)
    assert state() == ("technician", ["Contoso"], "fake") and "groups at Fake" in page()
    group = directory.group("Helpdesk", made["id"])
    assert state() == ("technician", ["Fabrikam"], "scim") and "groups in SCIM" in page()
    sign_in(world, fake, **nina)
    assert state() == ("technician", ["Fabrikam"], "scim")
    # A right that SCIM withdraws does not come back with the next sign-in.
    directory.patch(f"/Groups/{group['id']}", {"op": "Remove", "path": "members", "value": [{"value": made["id"]}]})
    sign_in(world, fake, **nina)
    assert state() == ("member", ["Fabrikam"], "scim")
    # A change by a super admin lasts until the groups change.
    ada.call("PUT", f"/api/users/{made['id']}", 200, json={"role": "technician"})
    sign_in(world, fake, **nina)
    assert state() == ("technician", ["Fabrikam"], "scim")

    ada.call("DELETE", f"/api/group-mappings/{mapping}", 204)
    assert state() == ("technician", ["Fabrikam"], None)
    sign_in(world, fake, **nina)
    assert state() == ("technician", ["Contoso"], "fake")
    # Deleted by SCIM and restored, the account follows no source until one has groups for it again.
    given_mapping(world, "Helpdesk", "technician", {"companies": ["Fabrikam"]}, "scim")
    directory.patch(f"/Groups/{group['id']}", {"op": "Add", "path": "members", "value": [{"value": made["id"]}]})
    assert state() == ("technician", ["Fabrikam"], "scim")
    directory.call("DELETE", f"/Users/{made['id']}", 204)
    directory.create("nina@helpdesk.example")
    assert state() == ("member", [], None)
    assert ada.call("GET", f"/api/users/{made['id']}/identities", 200)["items"] == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_of_several_providers_the_last_sign_in_counts(world: World, fake: FakeProvider) -> None:
    given_mapping(world, "visitors", "member")
    given_mapping(world, "/helpdesk", "technician", source="real")
    sign_in(world, fake, groups=["visitors"])
    tess = account(world, "tess@helpdesk.example")
    assert (tess["role"], tess["access_source"]) == ("member", "fake")
    assert account(world, "omar@helpdesk.example")["access_source"] is None
    for of_running_session, role in ((True, "member"), (False, "technician")):
        with world.database.write() as tx:
            of_real = command_line("real"), world.server.settings, tess["user_id"], "real", ["/helpdesk"]
            apply_groups(tx, *of_real, of_running_session=of_running_session)
        assert account(world, "tess@helpdesk.example")["role"] == role
