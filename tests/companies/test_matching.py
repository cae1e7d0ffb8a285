"""Typed or pasted names are matched with companies (contract, section 13)."""

from typing import Any

import pytest

from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import World

MANY = (
    "Brot & Käse GmbH",
    "Łódź Logistics Sp. z o.o.",
    "O’Brien Catering Ltd",
    "Smith, Jones & Co.",
    "Søndergaard A/S",
    "Tailspin Toys Inc.",
    "Wingtip GmbH",
    "Wingtip Ltd",
)


@pytest.fixture
def companies(world: World) -> None:
    world.given_companies(*MANY)


def matched(world: World, **body: Any) -> list[tuple[str, str, str | None]]:
    response = world.client().call("POST", "/api/companies/match", 200, json=body)
    assert response["total"] == len(response["items"])
    for item in response["items"]:
        assert set(item) == {"input", "match", "company_name", "candidates"}
        assert (item["match"] == "none") == (item["company_name"] is None) == (item["candidates"] == [])
        assert item["company_name"] in [*item["candidates"], None]
    return [(item["input"], item["match"], item["company_name"]) for item in response["items"]]


@decided_in_python
@pytest.mark.usefixtures("companies")
@cases(
    ("name", "company"),
    [
        ("contoso", "Contoso"),
        ("  CONTOSO  ", "Contoso"),
        ("Contoso Ltd.", "Contoso"),
        ("Contoso, Inc.", "Contoso"),
        ("brot und kase", None),
        ("Brot & Kase", "Brot & Käse GmbH"),
        ("Brot-Käse", "Brot & Käse GmbH"),
        ("lodz logistics", "Łódź Logistics Sp. z o.o."),
        ("OBrien Catering", "O’Brien Catering Ltd"),
        ("O'Brien Catering Limited", "O’Brien Catering Ltd"),
        ("Sondergaard", "Søndergaard A/S"),
        ("TAILSPIN TOYS", "Tailspin Toys Inc."),
        ("Wingtip Ltd", "Wingtip Ltd"),
    ],
)
def test_case_accents_punctuation_and_legal_forms_are_ignored(world: World, name: str, company: str | None) -> None:
    ((_, match, found),) = matched(world, names=[name])
    if company is not None:
        assert (match, found) == ("exact", company)
    else:
        assert match == "likely"


@decided_in_python
@pytest.mark.usefixtures("companies")
@cases(("name", "company"), [("Contosso", "Contoso"), ("Fabrikm", "Fabrikam"), ("Toys Tailspin", "Tailspin Toys Inc.")])
def test_a_misspelt_name_is_likely(world: World, name: str, company: str) -> None:
    assert matched(world, names=[name]) == [(name, "likely", company)]


@decided_in_python
@pytest.mark.usefixtures("companies")
def test_a_name_that_several_companies_share_is_ambiguous(world: World) -> None:
    body = {"names": ["wingtip"]}
    (item,) = world.client().call("POST", "/api/companies/match", 200, json=body)["items"]
    assert item["match"] == "likely" and item["candidates"] == ["Wingtip GmbH", "Wingtip Ltd"]


@decided_in_python
@pytest.mark.usefixtures("companies")
@cases("name", ["Northwind", "x", "?", "株式会社", "", "  ", "\x00", "A" * 1000, "GmbH"])
def test_an_unknown_name_has_no_match(world: World, name: str) -> None:
    assert matched(world, names=[name]) == [(name, "none", None)]


@decided_in_python
@pytest.mark.usefixtures("companies")
@cases(
    "text",
    [
        "Contoso\nFabrikam\nSmith, Jones & Co.",
        "Contoso, Fabrikam, Smith, Jones & Co.",
        "Contoso; Fabrikam;Smith, Jones & Co.;",
        "Contoso\tFabrikam\tSmith, Jones & Co.\r\n",
        "* Contoso\r\n* Fabrikam\r\n\r\n* Smith, Jones & Co.\r\n",
        "• Contoso\n– Fabrikam\n- [x] Smith, Jones & Co.",
        "1. Contoso\n2) Fabrikam\n(3) Smith, Jones & Co.",
        "1. Contoso, 2. Fabrikam; 3) Smith, Jones & Co.",
        "- Contoso, * Fabrikam, • Smith, Jones & Co.",
        "> > Contoso\n>> Fabrikam\n> - “Smith, Jones & Co.”",
        '"Contoso","Fabrikam","Smith, Jones & Co."',
        "Contoso\nContoso\nFabrikam, Contoso\nSmith, Jones & Co.\n",
    ],
)
def test_a_pasted_text_is_split_into_names(world: World, text: str) -> None:
    matches = [(match, found) for _, match, found in matched(world, text=text)]
    assert matches == [("exact", "Contoso"), ("exact", "Fabrikam"), ("exact", "Smith, Jones & Co.")]


@decided_in_python
def test_names_that_begin_like_a_list_are_not_split(world: World) -> None:
    world.given_companies("3M", "1&1 Mail", "7. Himmel", "-ish", "24/7 Pizza")
    for text in ("3M, 7. Himmel", "3M; 7. Himmel", "1. 3M, 2. 7. Himmel"):
        assert [found for _, _, found in matched(world, text=text)] == ["3M", "7. Himmel"], text
    text = "3M\n1&1 Mail\n24/7 Pizza\n-ish"
    assert [found for _, _, found in matched(world, text=text)] == ["3M", "1&1 Mail", "24/7 Pizza", "-ish"]
    assert matched(world, names=["7. Himmel"]) == [("7. Himmel", "exact", "7. Himmel")]


@decided_in_python
def test_a_line_that_is_a_name_remains_whole(world: World) -> None:
    names = ["7. Himmel", "[x] Box", "Nuts; Bolts Ltd", "A, B, C, D, E and F", "Contoso"]
    world.given_companies(*names)
    assert matched(world, text=" \n".join(names).upper()) == [(name.upper(), "exact", name) for name in names]
    assert [found for *_, found in matched(world, text="1. 7. Himmel\n- Contoso")] == ["7. Himmel", "Contoso"]
    # Forms show the names that they have stored one on each line.
    body = {"name": "North", "company_names": names}
    group = world.client("ada").call("POST", "/api/company-groups", 201, json=body)
    form = {"name": "South", "company_names": "\n".join(names)}
    path = f"/admin/company-groups/{group['group_id']}"
    assert world.client("ada").post(path, data=form).status_code == 303


def test_archived_companies_are_not_found(world: World) -> None:
    company_id = world.given_companies("Contoso")["Contoso"]
    world.client("ada").call("PUT", f"/api/companies/{company_id}", 200, json={"archived": True})
    assert matched(world, names=["Contoso"]) == [("Contoso", "none", None)]


@decided_in_python
@cases(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": "a", "names": ["a"]}, "text"),
        ({"names": ["a"] * 501}, "names"),
        ({"names": ["a" * 1001]}, "names[0]"),
        ({"text": "\n".join(map(str, range(501)))}, "text"),
        ({"text": "a" * 100_001}, "text"),
        ({"text": "a", "limit": 3}, "limit"),
    ],
)
def test_too_many_names_and_invalid_requests_are_rejected(world: World, body: dict[str, Any], field: str) -> None:
    refused = world.client().call("POST", "/api/companies/match", 400, json=body)
    assert refused["errors"][0]["field"] == field


def test_matching_changes_nothing(world: World) -> None:
    before = world.history(audit=True)
    matched(world, text="Contoso, Contosso, nobody")
    assert world.history(audit=True) == before
