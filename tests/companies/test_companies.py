"""Companies (contract, section 6)."""

from typing import Any
from urllib.parse import quote

from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import COMPANIES, World


def listed(world: World, query: str = "") -> list[str]:
    response = world.client().call("GET", f"/api/companies?{query}", 200)
    assert response["total"] == len(response["items"])
    return [company["name"] for company in response["items"]]


def test_companies_are_listed_by_name_with_their_open_issues(world: World) -> None:
    world.given_issue("One", {"Contoso": "new", "Fabrikam": "closed"})
    world.given_issue("Two", {"Contoso": "monitoring", "Fabrikam": "resolved"})
    items = world.client().call("GET", "/api/companies", 200)["items"]
    assert [item["name"] for item in items] == sorted(COMPANIES, key=str.casefold)
    counts = {item["name"]: item["open_issues"] for item in items}
    assert (counts["Contoso"], counts["Fabrikam"], counts["Acme Manufacturing"]) == (2, 0, 0)
    assert set(items[0]) == {"company_id", "name", "archived", "open_issues"}


def test_companies_are_searched_literally_regardless_of_case(world: World) -> None:
    world.given_companies("100% Green", "under_score")
    assert listed(world, "search=M%C3%9CLLER") == ["Müller & Söhne"]
    assert listed(world, "search=%25") == ["100% Green"]
    assert listed(world, "search=_") == ["under_score"]
    assert listed(world, "search=") == listed(world)


def test_the_name_of_a_company_is_taken_regardless_of_case(world: World) -> None:
    admin = world.client("ada")
    made = admin.call("POST", "/api/companies", 201, json={"name": "  Straßenbau "})
    assert made == {"company_id": made["company_id"], "name": "Straßenbau", "archived": False, "open_issues": 0}
    assert "Straßenbau" in listed(world)
    refused = admin.call("POST", "/api/companies", 400, json={"name": "STRASSENBAU"})
    assert refused["errors"][0]["field"] == "name"
    assert [event.type for event in world.history(audit=True)].count("company.created") == len(COMPANIES) + 1


def test_a_company_is_renamed_and_found_by_its_new_name(world: World) -> None:
    admin, ids = world.client("ada"), world.given_companies("Contoso", "Fabrikam")
    for issue, company in (("Slow mail", "Contoso"), ("Broken phones", "Fabrikam")):
        world.given_issue(issue, {company: "new"})

    def etags() -> list[str]:
        return [admin.get(f"/api/issues/{issue}").headers["ETag"] for issue in ("Slow mail", "Broken phones")]

    before = etags()
    path = f"/api/companies/{ids['Contoso']}"
    assert admin.call("PUT", path, 200, json={"name": "CONTOSO"})["name"] == "CONTOSO"
    assert admin.call("PUT", path, 200, json={"name": "Contoso Ltd."})["name"] == "Contoso Ltd."
    assert admin.call("PUT", path, 400, json={"name": "fabrikam"})["errors"][0]["field"] == "name"
    assert [old == new for old, new in zip(before, etags(), strict=True)] == [False, True]
    world.client().call("GET", "/api/issues?companyName=contoso", 404)
    world.client().call("GET", "/api/issues?companyName=contoso%20ltd.", 200)


def test_changing_nothing_writes_no_event(world: World) -> None:
    path = f"/api/companies/{world.given_companies('Contoso')['Contoso']}"
    events = len(world.history(audit=True))
    for body in ({}, {"name": "Contoso"}, {"archived": False}, {"name": None, "archived": None}):
        world.client("ada").call("PUT", path, 200, json=body)
    assert len(world.history(audit=True)) == events


def test_an_archived_company_is_listed_only_on_request(world: World) -> None:
    path = f"/api/companies/{world.given_companies('Contoso')['Contoso']}"
    world.given_issue("Fault", {"Contoso": "new"})
    assert world.client("ada").call("PUT", path, 200, json={"archived": True})["archived"] is True
    assert "Contoso" not in listed(world)
    assert "Contoso" in listed(world, "includeArchived=true")
    assert world.client().call("GET", "/api/issues?companyName=contoso", 200)["total"] == 1
    assert world.client("ada").call("PUT", path, 200, json={"archived": False})["open_issues"] == 1
    assert "Contoso" in listed(world)


def test_only_a_company_without_history_is_deleted(world: World) -> None:
    admin, ids = world.client("ada"), world.given_companies("Contoso", "Fabrikam")
    world.given_issue("Fault", {"Contoso": "new"})
    assert "archive" in admin.call("DELETE", f"/api/companies/{ids['Contoso']}", 400)["detail"]
    admin.call("DELETE", f"/api/issues/{quote('Fault')}", 204)
    admin.call("DELETE", f"/api/companies/{ids['Contoso']}", 400)
    hook = {"url": "https://hooks.example.com/", "company_ids": [ids["Fabrikam"]], "active": False}
    webhook_id = admin.call("POST", "/api/webhooks", 201, json=hook)["id"]
    assert "webhook" in admin.call("DELETE", f"/api/companies/{ids['Fabrikam']}", 400)["detail"]
    admin.call("DELETE", f"/api/webhooks/{webhook_id}", 204)
    admin.call("DELETE", f"/api/companies/{ids['Fabrikam']}", 204)
    admin.call("DELETE", f"/api/companies/{ids['Fabrikam']}", 404)
    assert "Fabrikam" not in listed(world, "includeArchived=true") and "Contoso" in listed(world)


@decided_in_python
@cases(
    ("body", "field"),
    [({}, "name"), ({"name": ""}, "name"), ({"name": "x" * 256}, "name"), ({"name": "x", "colour": 1}, "colour")],
)
def test_an_invalid_company_is_rejected(world: World, body: dict[str, Any], field: str) -> None:
    assert world.client("ada").call("POST", "/api/companies", 400, json=body)["errors"][0]["field"] == field
    assert len(listed(world)) == len(COMPANIES)


@cases("number", ["999999999", "0", "-1", "9223372036854775808", "x", "1.0"])
def test_a_company_that_does_not_exist_is_not_found(world: World, number: str) -> None:
    for method in ("PUT", "DELETE"):
        response = world.client("ada").request(method, f"/api/companies/{number}", json={} if method == "PUT" else None)
        assert response.status_code == 404


def test_a_company_may_have_a_name_that_is_reserved_for_issues(world: World) -> None:
    assert world.client("ada").call("POST", "/api/companies", 201, json={"name": "status"})["name"] == "status"
