"""A response names all invalid fields of a request (contract, section 2), whichever checks find them."""

from typing import Any

import pytest

from tests.world import World

INVISIBLE = "Line\u200b1"

REQUESTS: list[tuple[str, str, dict[str, Any], list[str]]] = [
    (
        "POST",
        "/api/webhooks",
        {"url": "ftp://hooks.example.com", "event_types": ["issue.lost"], "description": INVISIBLE},
        ["url", "event_types", "description"],
    ),
    (
        "POST",
        "/api/alert-receivers",
        {"name": INVISIBLE, "kind": "generic", "mapping": {"key": "[", "state": "]"}, "patterns": {"body": ["("]}},
        ["name", "mapping.key", "mapping.state", "patterns", "patterns.body[0]"],
    ),
    (
        "POST",
        "/api/alert-receivers",
        {"name": "Fibre", "kind": "feed", "feed": {"url": "ftp://status.example.com", "company_group": "None"}},
        ["feed.url", "feed.company_group"],
    ),
    ("POST", "/api/alert-receivers", {"name": INVISIBLE, "kind": "feed"}, ["name", "feed"]),
    (
        "PUT",
        "/api/alert-receivers/{receiver}/mailbox",
        {"host": "a/b", "username": "u", "scope": "mail", "client_id": "c", "processed_folder": "inbox"},
        ["host", "token_url", "processed_folder", "password"],
    ),
    (
        "POST",
        "/api/users",
        {"email": "new\u200b@helpdesk.example", "name": INVISIBLE, "role": "technician"},
        ["email", "name"],
    ),
    (
        "PUT",
        "/api/users/{ada}",
        {"password": "what another person chose", "role": "technician", "active": False, "name": INVISIBLE},
        ["password", "role", "active", "name"],
    ),
    ("POST", "/api/scim-tokens", {"name": INVISIBLE, "networks": ["somewhere"]}, ["networks[0]", "name"]),
    (
        "POST",
        "/api/alerts",
        {
            "alerts": [
                {"key": key, "state": "firing", "issue": f"{INVISIBLE} {key}", "company": "Contoso"} for key in "ab"
            ]
        },
        ["alerts[0].issue", "alerts[1].issue"],
    ),
    (
        "POST",
        "/api/issues",
        {"name": INVISIBLE, "owner": "nobody@x.example", "external_key": "k", "companies": [{"company_name": "None"}]},
        ["owner", "name", "external_key"],
    ),
    ("POST", "/api/issues", {"name": INVISIBLE, "companies": [{"company_name": "None"}]}, ["name"]),
    ("POST", "/api/issues", {"name": "TAKEN", "owner": "nobody@x.example"}, ["owner", "name"]),
    (
        "PUT",
        "/api/issues/Line",
        {"new_name": INVISIBLE, "owner": "nobody@x.example", "company_groups": ["None"]},
        ["owner", "new_name"],
    ),
    ("PUT", "/api/issues/Line", {"new_name": "taken", "owner": "nobody@x.example"}, ["owner", "new_name"]),
    ("PUT", "/api/issues/None", {"new_name": "taken", "owner": "nobody@x.example"}, ["owner", "new_name"]),
    (
        "POST",
        "/api/auth/tokens",
        {"name": INVISIBLE, "scopes": [], "networks": ["somewhere"], "company_access": {"companies": ["None"]}},
        ["networks[0]", "scopes", "name"],
    ),
    ("POST", "/api/company-groups", {"name": INVISIBLE, "company_names": ["None"]}, ["name"]),
    ("POST", "/api/company-groups", {"name": "NORTH", "company_names": ["None"]}, ["name"]),
    ("PUT", "/api/company-groups/{group}", {"name": "north", "company_names": ["None"]}, ["name"]),
    ("POST", "/api/templates", {"name": INVISIBLE, "company_groups": ["None"]}, ["name"]),
    ("PUT", "/api/templates/{template}", {"name": "north", "company_names": ["None"]}, ["name"]),
    (
        "POST",
        "/api/group-mappings",
        {"source": "nowhere", "group": INVISIBLE, "role": "technician", "company_access": {"companies": ["None"]}},
        ["source", "group"],
    ),
    (
        "PUT",
        "/api/group-mappings/{mapping}",
        {"source": "scim", "group": "North", "role": "technician", "company_access": {"company_groups": ["None"]}},
        ["group"],
    ),
]


def test_all_invalid_fields_are_named(world: World, subtests: pytest.Subtests) -> None:
    ada = world.client("ada")
    ids = {"ada": ada.call("GET", "/api/auth/session", 200)["user"]["user_id"]}
    ids["receiver"] = ada.call("POST", "/api/alert-receivers", 201, json={"name": "Mail", "kind": "email"})["id"]
    for name in ("North", "South"):
        ids["group"] = ada.call("POST", "/api/company-groups", 201, json={"name": name})["group_id"]
        ids["template"] = ada.call("POST", "/api/templates", 201, json={"name": name})["template_id"]
        mapping = {"source": "scim", "group": name, "role": "technician", "company_access": "all"}
        ids["mapping"] = ada.call("POST", "/api/group-mappings", 201, json=mapping)["id"]
    for issue in ({"name": "Line"}, {"name": "Taken", "external_key": "k"}):
        ada.call("POST", "/api/issues", 201, json=issue)
    before = ada.call("GET", "/api/events?limit=1", 200)["items"]
    for method, path, body, fields in REQUESTS:
        with subtests.test(method=method, path=path, fields=fields):
            refused = ada.call(method, path.format(**ids), 400, json=body)
            assert [error["field"] for error in refused["errors"]] == fields
            assert all(f"{error['field']}: {error['message']}" in refused["detail"] for error in refused["errors"])
            assert ada.call("GET", "/api/events?limit=1", 200)["items"] == before, "nothing has changed"


UNKNOWN: dict[str, dict[str, Any]] = {
    "/api/auth/tokens": {"name": "New", "scopes": ["read"], "company_access": {"companies": ["None"]}},
    "/api/company-groups": {"name": "New", "company_names": ["None"]},
    "/api/templates": {"name": "New", "company_groups": ["None"]},
    "/api/group-mappings": {
        "source": "scim", "group": "New", "role": "technician", "company_access": {"companies": ["None"]}
    },
}  # fmt: skip


def test_an_unknown_name_changes_nothing(world: World) -> None:
    """The other fields are checked first, by the operation itself; what it has written is rolled back."""
    ada = world.client("ada")
    before = ada.call("GET", "/api/events?limit=1", 200)
    for path, body in UNKNOWN.items():
        for headers in ({}, {"Idempotency-Key": "k"}, {"Idempotency-Key": "k"}):
            assert "None" in ada.call("POST", path, 404, json=body, headers=headers)["detail"]
        assert ada.call("GET", path, 200)["total"] == 0
    assert ada.call("GET", "/api/events?limit=1", 200) == before


def test_all_invalid_names_of_a_new_issue_are_named(world: World) -> None:
    access = {"companies": ["Contoso"]}
    body = {"name": "program", "scopes": ["write"], "company_access": access}
    limited = world.anonymous()
    token = world.client("tess").call("POST", "/api/auth/tokens", 201, json=body)["token"]
    limited.headers["Authorization"] = f"Bearer {token}"
    refused = limited.call("POST", "/api/issues", 400, json={"name": INVISIBLE})
    assert [error["field"] for error in refused["errors"]] == ["name", "companies"]


def test_all_invalid_names_of_new_companies_are_shown(world: World) -> None:
    ada = world.client("ada")
    before = ada.call("GET", "/api/companies", 200)
    shown = ada.post("/admin/companies", data={"several": "Initech\nA\u200bB\nC\u200bD"})
    assert shown.status_code == 400
    assert "A\\u200bB" in shown.text and "C\\u200bD" in shown.text
    assert ada.call("GET", "/api/companies", 200) == before
