"""`search` on GET /api/issues: a literal part of the name or description, regardless of case (contract, section 4)."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issue_tracker.names import key
from tests.cases import cases
from tests.clients import Client
from tests.world import World

NAMES = (
    "100% loss",
    "snake_case",
    "back\\slash",
    'A "quoted" word',
    "It's",
    "5 * 3",
    "TCP/IP",
    "Straße gesperrt",
    "éclair",
    "Σίσυφος",
    "🔥 core",
    "京都駅の障害",
)


@pytest.fixture
def tess(world: World) -> Client:
    return world.client()


@pytest.fixture
def named(world: World, tess: Client) -> Client:
    for name in NAMES:
        world.given_issue(name)
    world.given_issue("Printer jam", description="Tray two is stuck")
    return tess


def found(client: Client, term: str) -> list[str]:
    response = client.call("GET", "/api/issues", 200, params={"search": term})
    return [issue["name"] for issue in response["items"]]


@cases(
    ("term", "names"),
    [
        ("printer", ["Printer jam"]),
        ("PRINTER", ["Printer jam"]),
        ("TRAY", ["Printer jam"]),
        ("  tray  ", ["Printer jam"]),
        ("r j", ["Printer jam"]),
        ("%", ["100% loss"]),
        ("0% l", ["100% loss"]),
        ("_", ["snake_case"]),
        ("e_c", ["snake_case"]),
        ("\\", ["back\\slash"]),
        ("k\\s", ["back\\slash"]),
        ('"quoted"', ['A "quoted" word']),
        ('"', ['A "quoted" word']),
        ("'", ["It's"]),
        ("*", ["5 * 3"]),
        ("5 * 3", ["5 * 3"]),
        ("/", ["TCP/IP"]),
        ("p/i", ["TCP/IP"]),
        ("STRASSE", ["Straße gesperrt"]),
        ("straß", ["Straße gesperrt"]),
        ("ÉCLAIR", ["éclair"]),
        ("e\u0301cl", ["éclair"]),
        ("ΣΊΣΥΦΟΣ", ["Σίσυφος"]),
        ("🔥", ["🔥 core"]),
        ("京都駅", ["京都駅の障害"]),
        ("京", ["京都駅の障害"]),
        ("no such thing", []),
        ("tray OR quoted", []),
    ],
)
def test_a_term_is_searched_literally(named: Client, term: str, names: list[str]) -> None:
    assert found(named, term) == names


def test_an_empty_or_blank_term_is_ignored(world: World, tess: Client) -> None:
    world.given_issue("Printer jam")
    assert found(tess, "") == found(tess, "   ") == ["Printer jam"]


def test_a_changed_text_is_found_only_by_the_new_text(world: World, tess: Client) -> None:
    world.given_issue("Printer jam", description="Tray two is stuck")
    tess.call("PUT", "/api/issues/printer%20jam", 200, json={"new_name": "Toner", "description": "Empty"})

    assert found(tess, "tray") == found(tess, "jam") == []
    assert found(tess, "tone") == found(tess, "empt") == ["Toner"]

    world.client("ada").call("DELETE", "/api/issues/toner", 204)
    assert found(tess, "tone") == found(tess, "jam") == []


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_part_of_a_text_finds_its_issue(world: World, tess: Client, data: st.DataObject) -> None:
    world.empty_issues()
    letters = st.characters(codec="utf-8", exclude_categories=["Cc"])
    text = data.draw(st.text(letters, min_size=1, max_size=40).filter(lambda drawn: bool(key(drawn))))
    world.given_issue("Anything", description=text)
    world.given_issue("Something else", description="zzz")
    folded = key(text)
    start = data.draw(st.integers(0, len(folded) - 1))
    term = folded[start : start + data.draw(st.integers(1, 12))].strip()
    if not term or key(term) not in folded:
        return

    names = found(tess, term)
    assert "Anything" in names
    assert ("Something else" in names) is (key(term) in "something else" or key(term) in "zzz")
