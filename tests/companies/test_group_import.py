"""Company groups are imported from CSV, on the page and by the API."""

import pytest

from tests.companies.test_company_groups import audit, given_group
from tests.company_access.limits import set_access
from tests.world import PASSWORD, World


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_groups_are_imported_on_the_page(world: World) -> None:
    given_group(world)
    ada = world.client("ada")
    csrf = {"_csrf": ada.headers["X-CSRF-Token"]}

    def groups() -> dict[str, list[str]]:
        found = ada.call("GET", "/api/company-groups", 200)["items"]
        return {group["name"]: group["company_names"] for group in found}

    bad = "Company name;Group;Note\nContoso;South;x\nNobody;South;\n;South;\nContoso;\u0007;"
    refused = ada.post("/admin/company-groups/import", data={"csv": bad} | csrf)
    assert refused.status_code == 400 and "there is no company called “Nobody”" in refused.text
    assert "line 4: company_name must not be blank" in refused.text and "line 5: group" in refused.text
    assert "are missing" in ada.post("/admin/company-groups/import", data={"csv": "x"} | csrf).text
    assert groups() == {"North": ["Contoso", "Fabrikam"]}
    rows = "company_name\tgroup\r\nACME manufacturing\tnorth\r\nContoso\tSouth\r\nContoso\tSouth\r\n"
    done = ada.post("/admin/company-groups/import", data={"csv": rows} | csrf, follow_redirects=True)
    assert "1 group created, 1 changed, 0 unchanged." in done.text
    assert groups() == {"North": ["Acme Manufacturing", "Contoso", "Fabrikam"], "South": ["Contoso"]}
    ada.post("/admin/company-groups/import", data={"csv": rows, "replace": "true"} | csrf)
    assert groups() == {"North": ["Acme Manufacturing"], "South": ["Contoso"]}


def test_groups_are_imported_by_the_api(world: World) -> None:
    given_group(world)
    ada, path = world.client("ada"), "/api/company-groups/import"

    def groups() -> dict[str, list[str]]:
        found = ada.call("GET", "/api/company-groups", 200)["items"]
        return {group["name"]: group["company_names"] for group in found}

    # As Excel writes it: a byte order mark, semicolons, an additional column.
    csv = "\ufeffCompany Name;Group;Note\r\nACME manufacturing;north;x\r\nContoso;South;\r\nFabrikam;North;\r\n"
    counted = {"created": 1, "changed": 1, "unchanged": 0}
    assert ada.call("POST", path, 200, json={"csv": csv, "dry_run": True}) == counted
    assert groups() == {"North": ["Contoso", "Fabrikam"]} and len(audit(world)) == 1
    assert ada.call("POST", path, 200, json={"csv": csv}) == counted
    after = {"North": ["Acme Manufacturing", "Contoso", "Fabrikam"], "South": ["Contoso"]}
    assert groups() == after
    assert ada.call("POST", path, 200, json={"csv": csv}) == {"created": 0, "changed": 0, "unchanged": 2}
    assert len(audit(world)) == 3

    bad = "company_name,group\nNobody,South\n,South\nContoso,a\u200bb\nContoso,New\n"
    for more in ({"dry_run": True}, {}):
        refused = ada.call("POST", path, 400, json={"csv": bad} | more)
        assert [(one["field"], one["message"].partition(":")[0]) for one in refused["errors"]] == [
            ("csv", "line 2"),
            ("csv", "line 3"),
            ("csv", "line 4"),
        ]
    many = ada.call("POST", path, 400, json={"csv": "company_name,group\n" + "Nobody,South\n" * 150})
    assert len(many["errors"]) == 101 and many["errors"][-1]["message"] == "50 more lines are invalid"
    for wrong in ("", "x", "company_name,group,group\na,b,c\n", 'company_name,group\n"Contoso'):
        assert ada.call("POST", path, 400, json={"csv": wrong})["errors"][0]["field"] == "csv"
    ada.call("POST", path, 400, json={"csv": csv, "dryrun": True})
    world.client("tess").call("POST", path, 403, json={"csv": csv})
    assert groups() == after
    # Only a session with fresh proof changes a group that gives access.
    stale, program = world.client("ada"), world.bearer("ada")
    replacing = {"csv": "company_name,group\nContoso,North\n", "replace": True}
    assert program.call("POST", path, 200, json=replacing)["changed"] == 1
    set_access(world, {"company_groups": ["South"]})
    replacing["csv"] = "company_name,group\nFabrikam,South\n"
    world.clock.advance(minutes=10)
    retried = {"Idempotency-Key": "import"}
    assert stale.call("POST", path, 403, json=replacing, headers=retried)["reason"] == "confirmation_required"
    assert "a token is not enough" in program.call("POST", path, 403, json=replacing)["detail"]
    assert groups() == {"North": ["Contoso"], "South": ["Contoso"]}
    stale.call("POST", "/api/auth/confirm", 204, json={"password": PASSWORD})
    assert stale.call("POST", path, 200, json=replacing, headers=retried)["changed"] == 1
    assert groups() == {"North": ["Contoso"], "South": ["Fabrikam"]}
