"""Company groups, and their use instead of companies (contract, section 12)."""

from typing import Any

import pytest

from tests.cases import cases
from tests.company_access.limits import set_access
from tests.engines import decided_in_python
from tests.world import PASSWORD, World


def given_group(world: World, name: str = "North", *companies: str) -> dict[str, Any]:
    body = {"name": name, "company_names": list(companies or ("Contoso", "Fabrikam"))}
    created: dict[str, Any] = world.client("ada").call("POST", "/api/company-groups", 201, json=body)
    return created


def audit(world: World) -> list[tuple[str, str | None, str | None, str | None]]:
    """Returns the events about groups."""
    found = world.history(audit=True)
    return [(e.type, e.from_value, e.to_value, e.note) for e in found if e.type.startswith("company_group.")]


def assigned(issue: dict[str, Any]) -> dict[str, str]:
    return {member["company_name"]: member["status"] for member in issue["assignments"]}


def test_a_group_is_created_changed_and_deleted(world: World) -> None:
    ada, tess = world.client("ada"), world.client("tess")
    other, body = given_group(world, "Other"), {"name": "  North ", "company_names": ["fabrikam", "CONTOSO"]}
    group = ada.call("POST", "/api/company-groups", 201, json=body)
    path = f"/api/company-groups/{group['group_id']}"
    assert group == {"group_id": group["group_id"], "name": "North", "company_names": ["Contoso", "Fabrikam"]}
    assert tess.call("GET", "/api/company-groups", 200) == {"items": [group, other], "total": 2}

    changed = ada.call("PUT", path, 200, json={"name": "South", "company_names": ["Contoso", "Acme Manufacturing"]})
    assert changed == group | {"name": "South", "company_names": ["Acme Manufacturing", "Contoso"]}
    assert ada.call("PUT", path, 200, json={"company_names": []}) == changed | {"company_names": []}
    ada.call("DELETE", path, 204)
    assert tess.call("GET", "/api/company-groups", 200) == {"items": [other], "total": 1}
    for method in ("PUT", "DELETE"):
        ada.call(method, path, 404, **({"json": {}} if method == "PUT" else {}))
    assert audit(world)[1:] == [
        ("company_group.created", None, "North", "Fabrikam, Contoso"),
        ("company_group.updated", "North", "South", "added: Acme Manufacturing; removed: Fabrikam"),
        ("company_group.updated", None, "South", "removed: Acme Manufacturing, Contoso"),
        ("company_group.deleted", None, "South", None),
    ]


def test_changing_nothing_writes_no_event(world: World) -> None:
    group = given_group(world)
    for body in ({}, {"name": "North"}, {"company_names": ["fabrikam", "contoso"]}, {"name": None}):
        path = f"/api/company-groups/{group['group_id']}"
        assert world.client("ada").call("PUT", path, 200, json=body) == group
    assert len(audit(world)) == 1


@pytest.fixture
def north(world: World) -> None:
    given_group(world)


@decided_in_python
@cases(
    ("body", "status", "said"),
    [
        ({"name": "NORTH"}, 400, "a company group called “NORTH” already exists"),
        ({"name": " "}, 400, "must not be blank"),
        ({"name": "x" * 256}, 400, "at most 255"),
        ({}, 400, "is required"),
        ({"name": "A", "company_names": ["Contoso", "contoso"]}, 400, "company_names[1]"),
        ({"name": "A", "companies": []}, 400, "is not a field"),
        ({"name": "A", "company_names": ["Nobody", "Contoso", "No one"]}, 404, "“Nobody”, “No one”"),
    ],
)
@pytest.mark.usefixtures("north")
def test_an_invalid_group_is_rejected(world: World, body: dict[str, Any], status: int, said: str) -> None:
    assert said in world.client("ada").call("POST", "/api/company-groups", status, json=body)["detail"]
    assert world.client().call("GET", "/api/company-groups", 200)["total"] == 1


def test_a_group_cannot_be_renamed_to_a_taken_name(world: World) -> None:
    given_group(world)
    path = f"/api/company-groups/{given_group(world, 'Straße')['group_id']}"
    assert world.client("ada").call("PUT", path, 200, json={"name": "STRASSE"})["name"] == "STRASSE"
    assert "already exists" in world.client("ada").call("PUT", path, 400, json={"name": "north"})["detail"]


def test_changing_the_companies_of_a_granted_group_needs_fresh_proof(world: World) -> None:
    """They change what users see (contract, sections 11 and 12)."""
    path = f"/api/company-groups/{given_group(world)['group_id']}"
    stale, program = world.client("ada"), world.bearer("ada")
    world.clock.advance(minutes=10)
    other, renamed = {"company_names": ["Contoso"]}, {"name": "South"}
    for client in (stale, program):
        client.call("PUT", path, 200, json=other)
        client.call("PUT", path, 200, json={"company_names": ["Contoso", "Fabrikam"]})
    set_access(world, {"company_groups": ["North"]})
    assert stale.call("PUT", path, 403, json=other)["reason"] == "confirmation_required"
    assert "a token is not enough" in program.call("PUT", path, 403, json=other)["detail"]
    csrf = {"_csrf": stale.headers["X-CSRF-Token"]}
    form = {"name": "North", "company_names": "Contoso"} | csrf
    page = path.replace("/api/", "/admin/")
    asked = stale.post(page, data=form)
    assert asked.status_code == 403 and "Confirm that it is you" in asked.text
    rows = {"csv": "company_name,group\nContoso,North", "replace": "true"} | csrf
    assert stale.post("/admin/company-groups/import", data=rows).status_code == 403
    assert len(world.client("tess").call("GET", "/api/companies", 200)["items"]) == 2
    assert stale.post(page, data=form | {"_confirm": PASSWORD}).status_code == 303
    assert len(world.client("tess").call("GET", "/api/companies", 200)["items"]) == 1
    for client in (stale, program):
        world.clock.advance(minutes=10)
        client.call("PUT", path, 200, json=renamed)
        renamed = {"name": "North"}


def test_a_company_in_a_group_can_be_archived_but_not_deleted(world: World) -> None:
    given_group(world)
    ids = world.given_companies("Contoso")
    refused = world.client("ada").call("DELETE", f"/api/companies/{ids['Contoso']}", 400)
    assert "is in a company group" in refused["detail"]


def test_a_new_issue_has_the_companies_of_its_groups(world: World) -> None:
    given_group(world)
    given_group(world, "Everyone", "Contoso", "Acme Manufacturing")
    body = {
        "name": "VPN",
        "companies": [{"company_name": "Contoso", "status": "resolved"}],
        "company_groups": ["north", "EVERYONE"],
    }
    issue = world.client().call("POST", "/api/issues", 201, json=body)
    assert assigned(issue) == {"Contoso": "resolved", "Fabrikam": "new", "Acme Manufacturing": "new"}


def test_companies_of_a_group_are_added_and_keep_their_status(world: World) -> None:
    given_group(world)
    world.given_issue("VPN", {"Contoso": "monitoring"})
    body = {"company_groups": ["North"], "add_companies": [{"company_name": "Acme Manufacturing"}]}
    issue = world.client().call("PUT", "/api/issues/vpn", 200, json=body)
    assert assigned(issue) == {"Contoso": "monitoring", "Fabrikam": "new", "Acme Manufacturing": "new"}


def test_archived_companies_of_a_group_are_skipped(world: World) -> None:
    ids = world.given_companies("Contoso")
    given_group(world)
    world.given_issue("Old", {"Contoso": "new"})
    world.client("ada").call("PUT", f"/api/companies/{ids['Contoso']}", 200, json={"archived": True})
    tess = world.client()
    issue = tess.call("POST", "/api/issues", 201, json={"name": "VPN", "company_groups": ["North"]})
    assert assigned(issue) == {"Fabrikam": "new"}
    for name, changed in (("VPN", {"Fabrikam"}), ("Old", {"Contoso", "Fabrikam"})):
        body = {"issue_name": name, "status": "resolved", "company_groups": ["North"]}
        found = tess.call("POST", "/api/issues/status/bulk", 200, json=body)
        assert {each["company_name"] for each in found["results"] if each["outcome"] == "changed"} == changed


def test_a_bulk_change_accepts_groups_and_exclusions(world: World) -> None:
    given_group(world)
    world.given_issue("VPN", {"Contoso": "new", "Müller & Söhne": "new"})
    body = {
        "issue_name": "VPN",
        "status": "resolved",
        "companies": ["Acme Manufacturing"],
        "company_groups": ["North"],
        "exclude": ["Fabrikam"],
    }
    found = world.client().call("POST", "/api/issues/status/bulk", 200, json=body)
    outcomes = {each["company_name"]: each["outcome"] for each in found["results"]}
    assert outcomes == {"Acme Manufacturing": "changed", "Contoso": "changed", "Fabrikam": "skipped"}
    issue = world.client().call("GET", "/api/issues/VPN", 200)
    assert assigned(issue) == {"Acme Manufacturing": "resolved", "Contoso": "resolved", "Müller & Söhne": "new"}


def test_an_unknown_group_changes_nothing(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    tess, events = world.client(), len(world.history())
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/api/issues", {"name": "New", "company_groups": ["Nobody"]}),
        ("PUT", "/api/issues/VPN", {"description": "x", "company_groups": ["Nobody"]}),
        ("POST", "/api/issues/status/bulk", {"issue_name": "VPN", "status": "closed", "company_groups": ["Nobody"]}),
    ]
    for method, path, body in requests:
        refused = tess.call(method, path, 404, json=body)
        assert refused["detail"] == "There is no company group called “Nobody”."
    tess.call("GET", "/api/issues?companyGroup=Nobody", 404)
    assert len(world.history()) == events


def test_the_list_is_filtered_by_group(world: World) -> None:
    ids = world.given_companies("Contoso", "Acme Manufacturing")
    given_group(world)
    world.client("ada").call("POST", "/api/company-groups", 201, json={"name": "Empty"})
    world.given_issue("One", {"Contoso": "new", "Acme Manufacturing": "new"})
    world.given_issue("Two", {"Acme Manufacturing": "new"})
    world.given_issue("Three", {"Fabrikam": "resolved"})

    def listed(query: str) -> dict[str, list[str]]:
        found = world.client().call("GET", f"/api/issues?{query}", 200)
        assert found["total"] == len(found["items"])
        return {issue["name"]: list(assigned(issue)) for issue in found["items"]}

    assert listed("companyGroup=NORTH") == {"One": ["Contoso"], "Three": ["Fabrikam"]}
    assert listed("companyGroup=north&status=resolved") == {"Three": ["Fabrikam"]}
    assert listed("companyGroup=north&companyName=contoso") == {"One": ["Contoso"]}
    assert listed(f"companyGroup=north&companyId={ids['Acme Manufacturing']}") == {}
    assert listed("companyGroup=Empty") == {}
    assert listed("companyGroup=") == listed("")
    csv = world.client().get("/api/issues?companyGroup=north&format=csv").text
    assert "Contoso" in csv and "Acme" not in csv


def test_exceptions_apply_to_names_and_groups(world: World) -> None:
    given_group(world)
    given_group(world, "Everyone", "Contoso", "Acme Manufacturing", "O’Neill’s Bar")
    tess = world.client()
    body = {
        "name": "VPN",
        "companies": [{"company_name": "Fabrikam", "status": "resolved"}, {"company_name": "Zürich (Nord)"}],
        "company_groups": ["North", "Everyone"],
        "exclude": ["CONTOSO", "fabrikam"],
    }
    issue = tess.call("POST", "/api/issues", 201, json=body)
    assert set(assigned(issue)) == {"Acme Manufacturing", "O’Neill’s Bar", "Zürich (Nord)"}

    changed = tess.call("PUT", "/api/issues/VPN", 200, json={"company_groups": ["North"], "exclude": ["Contoso"]})
    assert set(assigned(changed)) == {*assigned(issue), "Fabrikam"}
    for method, path in (("POST", "/api/issues"), ("PUT", "/api/issues/VPN")):
        wrong = {"name": "New"} if method == "POST" else {}
        refused = tess.call(method, path, 404, json=wrong | {"company_groups": ["North"], "exclude": ["Nobody"]})
        assert refused["detail"] == "There is no company called “Nobody”."
        twice = tess.call(method, path, 400, json=wrong | {"exclude": ["Contoso", "contoso"]})
        assert twice["errors"][0]["field"] == "exclude[1]"


def test_an_update_is_for_groups_without_exceptions(world: World) -> None:
    given_group(world)
    world.given_issue("VPN", {"Contoso": "new", "Acme Manufacturing": "new"})
    tess = world.client()

    def audience(**body: Any) -> Any:
        sent = {"issue_name": "VPN", "body": "On it"} | body
        return tess.call("POST", "/api/updates", 201, json=sent)["company_names"]

    # Fabrikam is in the group, but not affected.
    assert audience(company_groups=["North"]) == ["Contoso"]
    assert audience(exclude=["Contoso"]) == ["Acme Manufacturing"]
    assert audience(companies=["Acme Manufacturing"], company_groups=["North"]) == ["Acme Manufacturing", "Contoso"]
    assert audience(companies=["Acme Manufacturing", "Contoso"], exclude=["Contoso"]) == ["Acme Manufacturing"]
    nobody = {"issue_name": "VPN", "body": "x", "company_groups": ["North"], "exclude": ["Contoso"]}
    assert "leaves no company" in tess.call("POST", "/api/updates", 400, json=nobody)["detail"]


def test_lists_are_filtered_by_groups_and_exceptions(world: World) -> None:
    given_group(world)
    given_group(world, "Everyone", "Contoso", "Acme Manufacturing")
    world.given_issue("VPN", {"Contoso": "new", "Fabrikam": "new", "Acme Manufacturing": "closed"})
    world.given_issue("Mail", {"Fabrikam": "new"})
    world.given_issue("Nobody’s")
    tess = world.client()

    def found(**query: Any) -> dict[str, list[str]]:
        listed = tess.call("GET", "/api/issues", 200, params=query)
        assert listed["total"] == len(listed["items"])
        return {one["name"]: [each["company_name"] for each in one["assignments"]] for one in listed["items"]}

    assert found(companyGroup="north", exclude="FABRIKAM") == {"VPN": ["Contoso"]}
    assert found(companyGroup=["North", "Everyone"], exclude="Contoso") == {
        "Mail": ["Fabrikam"],
        "VPN": ["Acme Manufacturing", "Fabrikam"],
    }
    assert found(exclude=["Fabrikam", "Acme Manufacturing"]) == {"VPN": ["Contoso"]}
    assert found(companyGroup="North", companyName="Contoso", exclude="Contoso") == {}
    assert found(companyGroup="", exclude="") == found()
    rows = tess.get("/api/issues", params={"companyGroup": "North", "exclude": "Fabrikam", "format": "csv"}).text
    assert [line.split(",")[2] for line in rows.splitlines()[1:]] == ["Contoso"]
    for wrong, status in (
        ({"companyGroup": ["North", "None"]}, 404),
        ({"exclude": "None"}, 404),
        ({"exclude": "\0"}, 422),
    ):
        tess.call("GET", "/api/issues", status, params=wrong)
