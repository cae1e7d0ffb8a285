"""GET /api/issues with filters (specification, “List issues”; contract, section 4)."""

from typing import Any

import pytest

from tests.cases import cases
from tests.company_access.limits import user_id
from tests.engines import decided_in_python
from tests.issues.test_fields import EMPTY
from tests.world import World

MAIL, VPN, WAN, IDLE = "Mail delayed", "VPN drops", "Network degradation", "Nobody is affected"


@pytest.fixture
def four_issues(world: World) -> World:
    """Creates three issues that overlap in companies and statuses, and one without assignments."""
    world.given_issue(WAN, {"Acme Manufacturing": "investigating", "Contoso": "new"}, "Packet loss on WAN links")
    world.given_issue(MAIL, {"Contoso": "investigating", "Fabrikam": "resolved"}, "The relay queues")
    world.given_issue(VPN, {"Acme Manufacturing": "closed", "Müller & Söhne": "in_progress"})
    world.given_issue(IDLE)
    return world


def shown(world: World, query: str) -> dict[str, list[tuple[str, str]]]:
    """Returns the issues that a query lists: each name with its (company, status) pairs."""
    response = world.client().call("GET", f"/api/issues?{query}", 200)
    assert response["total"] == len(response["items"])
    return {
        issue["name"]: [(member["company_name"], member["status"]) for member in issue["assignments"]]
        for issue in response["items"]
    }


def test_without_a_filter_every_issue_is_listed_by_name(four_issues: World) -> None:
    assert shown(four_issues, "") == {
        MAIL: [("Contoso", "investigating"), ("Fabrikam", "resolved")],
        WAN: [("Acme Manufacturing", "investigating"), ("Contoso", "new")],
        IDLE: [],
        VPN: [("Acme Manufacturing", "closed"), ("Müller & Söhne", "in_progress")],
    }
    assert list(shown(four_issues, "")) == [MAIL, WAN, IDLE, VPN]


def test_status_shows_only_the_matching_assignments(four_issues: World) -> None:
    assert shown(four_issues, "status=investigating") == {
        MAIL: [("Contoso", "investigating")],
        WAN: [("Acme Manufacturing", "investigating")],
    }


def test_a_repeated_status_matches_any_of_them(four_issues: World) -> None:
    assert shown(four_issues, "status=new&status=closed") == {
        WAN: [("Contoso", "new")],
        VPN: [("Acme Manufacturing", "closed")],
    }


@decided_in_python
@cases("form", ["IN_PROGRESS", "In Progress", "in-progress", "%20in%20progress%20"])
def test_a_status_filter_accepts_other_spellings(four_issues: World, form: str) -> None:
    assert shown(four_issues, f"status={form}") == {VPN: [("Müller & Söhne", "in_progress")]}


def test_company_name_matches_regardless_of_case(four_issues: World) -> None:
    expected = {VPN: [("Müller & Söhne", "in_progress")]}
    assert shown(four_issues, "companyName=M%C3%9CLLER%20%26%20S%C3%96HNE") == expected
    assert shown(four_issues, "companyName=+m%C3%BCller+%26+s%C3%B6hne+") == expected
    assert shown(four_issues, "companyName=mu%CC%88ller%20%26%20so%CC%88hne") == expected


def test_company_id_selects_by_identifier_and_may_be_repeated(four_issues: World) -> None:
    ids = four_issues.given_companies("Contoso", "Fabrikam")
    assert shown(four_issues, f"companyId={ids['Fabrikam']}") == {MAIL: [("Fabrikam", "resolved")]}
    assert shown(four_issues, f"companyId={ids['Fabrikam']}&companyId={ids['Contoso']}") == {
        MAIL: [("Contoso", "investigating"), ("Fabrikam", "resolved")],
        WAN: [("Contoso", "new")],
    }


def test_filters_of_different_kinds_must_hold_for_the_same_assignment(four_issues: World) -> None:
    contoso = four_issues.given_companies("Contoso")["Contoso"]
    assert shown(four_issues, "status=investigating&companyName=contoso") == {MAIL: [("Contoso", "investigating")]}
    assert shown(four_issues, f"status=resolved&companyId={contoso}") == {}
    assert shown(four_issues, f"companyId={contoso}&companyName=CONTOSO&status=new") == {WAN: [("Contoso", "new")]}


def test_company_id_and_name_of_different_companies_match_nothing(four_issues: World) -> None:
    contoso = four_issues.given_companies("Contoso")["Contoso"]
    assert shown(four_issues, f"companyId={contoso}&companyName=Fabrikam") == {}


def test_search_and_assignment_filters_are_combined(four_issues: World) -> None:
    assert shown(four_issues, "search=relay&companyName=contoso") == {MAIL: [("Contoso", "investigating")]}
    assert shown(four_issues, "search=relay&status=new") == {}


def test_open_omits_resolved_and_closed_assignments(four_issues: World) -> None:
    assert shown(four_issues, "open=true") == {
        MAIL: [("Contoso", "investigating")],
        WAN: [("Acme Manufacturing", "investigating"), ("Contoso", "new")],
        VPN: [("Müller & Söhne", "in_progress")],
    }
    assert shown(four_issues, "open=true&status=closed") == {}
    assert shown(four_issues, "open=true&companyName=fabrikam") == {}


@decided_in_python
def test_an_empty_value_counts_as_absent(four_issues: World) -> None:
    everything = shown(four_issues, "")
    empty = "search=&status=&companyId=&companyName=&limit=&cursor=&sort=&open=&updatedSince=&format="
    assert shown(four_issues, empty) == everything
    assert shown(four_issues, "status=&status=new") == {WAN: [("Contoso", "new")]}


@cases("query", ["companyName=Nobody", "companyId=999999999", "companyId=9223372036854775807"])
def test_an_unknown_company_is_not_found(four_issues: World, query: str) -> None:
    response = four_issues.client().call("GET", f"/api/issues?{query}", 404)
    assert query.partition("=")[2] in response["detail"]


@decided_in_python
@cases(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("status=new&status=done", "status"),
        ("companyId=0", "companyId"),
        ("companyId=-1", "companyId"),
        ("companyId=acme", "companyId"),
        ("companyId=1.5", "companyId"),
        ("companyId=9223372036854775808", "companyId"),
        ("companyId=" + "9" * 5000, "companyId"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("sort=colour", "sort"),
        ("open=perhaps", "open"),
        ("updatedSince=yesterday", "updatedSince"),
        ("updatedSince=2025-01-04T10:15:00", "updatedSince"),
        ("cursor=nonsense", "cursor"),
        ("cursor=%00", "cursor"),
        ("format=xml", "format"),
        *((f"{name}=null", name) for name in ("open", "overdue", "include", "format", "sort", "status", "limit")),
        ("open=NULL", "open"),
        ("search=" + "x" * 256, "search"),
        ("search=a%00b", "search"),
        ("companyname=Contoso", "companyname"),
        ("colour=red", "colour"),
        ("companyName=Contoso&companyName=Fabrikam", "companyName"),
    ],
)
def test_an_invalid_query_parameter_is_reported(world: World, query: str, field: str) -> None:
    response = world.client().call("GET", f"/api/issues?{query}", 422)
    assert [error["field"] for error in response["errors"]] == [field]
    assert field in response["detail"]


@decided_in_python
def test_the_answer_to_a_number_that_is_too_large_names_the_largest(world: World) -> None:
    for parameter, largest in (("companyId", 2**63 - 1), ("limit", 500)):
        response = world.client().call("GET", f"/api/issues?{parameter}={largest + 1}", 422)
        assert response["errors"][0]["message"] == f"must be a whole number from 1 to {largest}"


@decided_in_python
def test_all_invalid_parameters_are_reported_together(world: World) -> None:
    response = world.client().call("GET", "/api/issues?status=done&companyId=x&colour=red", 422)
    assert {error["field"] for error in response["errors"]} == {"status", "companyId", "colour"}


@decided_in_python
def test_an_invalid_parameter_is_reported_before_an_unknown_company(world: World) -> None:
    world.client().call("GET", "/api/issues?companyName=Nobody&status=done", 422)
    query = "companyName=Nobody&changedSince=x&owner=nobody@helpdesk.example&limit=1&cursor=x"
    errors = world.client().call("GET", f"/api/issues?{query}", 422)["errors"]
    assert [error["field"] for error in errors] == ["changedSince", "owner", "cursor"]


@decided_in_python
def test_the_items_have_the_form_of_the_specification(four_issues: World) -> None:
    item: dict[str, Any] = four_issues.client().call("GET", "/api/issues?search=Network", 200)["items"][0]
    assert set(item) == {
        "issue_id",
        "name",
        "description",
        "severity",
        *EMPTY,
        "created_at",
        "created_at_iso",
        "updated_at",
        "updated_at_iso",
        "assignments",
    }
    assert list(item["assignments"][0]) == [
        "assignment_id",
        "issue_id",
        "company_id",
        "company_name",
        "status",
        "status_label",
        "updated_at",
        "updated_at_iso",
    ]
    assert item["assignments"][0]["issue_id"] == item["issue_id"]


@decided_in_python
def test_every_status_has_its_label(world: World) -> None:
    statuses = ("new", "investigating", "in_progress", "monitoring", "resolved", "closed")
    companies = ("Acme Manufacturing", "Contoso", "Fabrikam", "Müller & Söhne", "O’Neill’s Bar", "Zürich (Nord)")
    world.given_issue("All of them", dict(zip(companies, statuses, strict=True)))

    issue = world.client().call("GET", "/api/issues/all%20of%20them", 200)

    assert [member["status_label"] for member in issue["assignments"]] == [
        "New",
        "Investigating",
        "In progress",
        "Monitoring",
        "Resolved",
        "Closed",
    ]


def test_an_owner_is_a_technician_or_owns_something(world: World) -> None:
    world.given_issue("Other", {"Contoso": "new"})
    tess, ada = world.client("tess"), world.client("ada")
    tess.call("PUT", "/api/issues/Other", 200, json={"owner": "omar@helpdesk.example"})
    tess.call("GET", "/api/issues?owner=mia@helpdesk.example", 422)
    ada.call("PUT", f"/api/users/{user_id(world, 'omar')}", 200, json={"role": "member"})
    assert tess.call("GET", "/api/issues?owner=omar@helpdesk.example", 200)["items"][0]["name"] == "Other"
    tess.call("PUT", "/api/issues/Other", 200, json={"owner": None})
    tess.call("GET", "/api/issues?owner=omar@helpdesk.example", 422)
