"""Templates: the initial content of new issues."""

from datetime import UTC, datetime
from typing import Any

import pytest

from issue_tracker.issues.templates.patterns import filled, renewed
from tests.cases import cases
from tests.clients import Client
from tests.engines import decided_in_python
from tests.world import World

FIELDS = {
    "name": "Line failure",
    "name_pattern": "Line failure {date}",
    "description": "Circuit:",
    "severity": "high",
    "tags": ["wan", "carrier"],
    "company_groups": ["north"],
    "company_names": ["contoso"],
    "first_update": "We look into it.",
    "first_update_public": True,
}


def given_group(world: World, name: str, *companies: str) -> dict[str, Any]:
    body = {"name": name, "company_names": list(companies)}
    created: dict[str, Any] = world.client("ada").call("POST", "/api/company-groups", 201, json=body)
    return created


def audit(world: World) -> list[tuple[str, str | None, str | None, str | None]]:
    found = world.history(audit=True)
    return [(e.type, e.from_value, e.to_value, e.note) for e in found if e.type.startswith("template.")]


def test_a_template_is_created_changed_and_deleted(world: World) -> None:
    given_group(world, "North", "Fabrikam")
    ada, tess = world.client("ada"), world.client("tess")
    template = ada.call("POST", "/api/templates", 201, json=FIELDS)
    stored = {"tags": ["carrier", "wan"], "company_groups": ["North"], "company_names": ["Contoso"]}
    assert template == FIELDS | stored | {"template_id": template["template_id"]}
    path = f"/api/templates/{template['template_id']}"
    other = ada.call("POST", "/api/templates", 201, json=FIELDS | {"name": "Other"})

    nothing: dict[str, Any] = {"severity": None, "company_groups": None, "company_names": None}
    cleared = nothing | {"name": "Lines", "first_update_public": False}
    changed = ada.call("PUT", path, 200, json=cleared)
    assert changed == template | cleared | {"company_groups": [], "company_names": []}
    assert ada.call("PUT", path, 200, json={"name": None, "tags": ["wan", "carrier"]}) == changed
    assert tess.call("GET", "/api/templates", 200) == {"items": [changed, other], "total": 2}
    small = ada.call("POST", "/api/templates", 201, json={"name": "Small"})
    nothing = {
        "name_pattern": None,
        "description": None,
        "severity": None,
        "tags": [],
        "first_update": None,
    }
    assert small == nothing | {
        "template_id": small["template_id"],
        "name": "Small",
        "company_groups": [],
        "company_names": [],
        "first_update_public": False,
    }
    assert "already exists" in ada.call("PUT", path, 400, json={"name": "SMALL"})["detail"]
    ada.call("DELETE", path, 204)
    assert tess.call("GET", "/api/templates", 200) == {"items": [other, small], "total": 2}
    for method in ("PUT", "DELETE"):
        ada.call(method, path, 404, **({"json": {}} if method == "PUT" else {}))
        tess.call(method, path, 403, **({"json": {}} if method == "PUT" else {}))
    assert audit(world) == [
        ("template.created", None, "Line failure", None),
        ("template.created", None, "Other", None),
        ("template.updated", "Line failure", "Lines", "severity, company groups, company names, first update public"),
        ("template.created", None, "Small", None),
        ("template.deleted", None, "Lines", None),
    ]


@pytest.fixture
def lines(world: World) -> Client:
    """Returns a client of Ada, who has created the template “Lines”."""
    ada = world.client("ada")
    ada.call("POST", "/api/templates", 201, json={"name": "Lines"})
    return ada


@decided_in_python
@cases(
    ("body", "status", "said"),
    [
        ({"name": "LINES"}, 400, "a template called “LINES” already exists"),
        ({}, 400, "is required"),
        ({"name": "x", "severity": "bad"}, 400, "must be one of"),
        ({"name": "x", "tags": ["a,b"]}, 400, "comma"),
        ({"name": "x", "name_pattern": "x" * 256}, 400, "at most 255"),
        ({"name": "x", "first_update": " "}, 400, "must not be blank"),
        ({"name": "x", "company_names": ["Contoso", "contoso"]}, 400, "company_names[1]"),
        ({"name": "x", "company_names": ["Nobody"]}, 404, "“Nobody”"),
        ({"name": "x", "company_groups": ["Nobody"]}, 404, "“Nobody”"),
    ],
)
def test_an_invalid_template_is_rejected(lines: Client, body: dict[str, Any], status: int, said: str) -> None:
    assert said in lines.call("POST", "/api/templates", status, json=body)["detail"]
    assert lines.call("GET", "/api/templates", 200)["total"] == 1


def test_a_company_in_a_template_can_be_deleted(world: World) -> None:
    group = given_group(world, "North")
    company = world.given_companies("Nobody’s")["Nobody’s"]
    ada = world.client("ada")
    body = {"name": "Lines", "company_groups": ["North"], "company_names": ["Nobody’s"]}
    ada.call("POST", "/api/templates", 201, json=body)
    ada.call("DELETE", f"/api/company-groups/{group['group_id']}", 204)
    ada.call("DELETE", f"/api/companies/{company}", 204)
    [left] = ada.call("GET", "/api/templates", 200)["items"]
    assert (left["company_groups"], left["company_names"]) == ([], [])


def test_a_new_issue_leaves_out_archived_companies_of_a_template(world: World) -> None:
    ada, tess = world.client("ada"), world.client("tess")
    body = {"name": "Lines", "company_names": ["Contoso", "Fabrikam"]}
    template = ada.call("POST", "/api/templates", 201, json=body)
    company = world.given_companies("Contoso")["Contoso"]
    ada.call("PUT", f"/api/companies/{company}", 200, json={"archived": True})
    form = tess.get(f"/issues/new?template={template['template_id']}").text
    shown = form.partition('name="companies"')[2].partition(">")[2].partition("</textarea>")[0]
    assert shown.split() == ["Fabrikam"]


def test_patterns_are_expanded_to_names() -> None:
    at = datetime(2026, 11, 26, 9, 5, tzinfo=UTC)
    assert filled("{date} {time}, {month}: {carrier}", at) == "2026-11-26 09:05 UTC, 2026-11: {carrier}"
    assert renewed("Fibre cut", at) == "Fibre cut 2026-11-26"
    assert renewed("Patch day 2026-10-27, north", at) == "Patch day 2026-11-26, north"
    assert renewed("x" * 255, at) == "x" * 244 + " 2026-11-26"
    assert renewed("x" * 242 + "👩\u200d🚒" * 3, at) == "x" * 242 + "👩 2026-11-26", "an accepted name"
