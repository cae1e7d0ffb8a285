"""Names in paths, values in queries, Link headers."""

import unicodedata
from datetime import UTC, datetime
from urllib.parse import unquote, urlencode

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from issue_tracker.names import key
from issue_tracker_client import Misuse
from issue_tracker_client.models import same_name
from issue_tracker_client.spelling import issue_path, next_query, query_pairs

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)


@given(names | st.sampled_from([".", "..", "...", "/", "//", "a/../b", "%2F", "a?b#c", ".x", "+", "x/."]))
def test_any_name_reaches_the_server_as_one_segment(name: str) -> None:
    raw = httpx.Request("GET", "http://tracker.test" + issue_path(name)).url.raw_path.decode()
    head, segment = raw.rsplit("/", 1)
    assert (head, unquote(segment)) == ("/api/issues", name)


@given(names)
@example("\u0390")
@example("\u1fb7")
@example("\u01f0")
def test_names_are_equal_for_the_client_if_they_are_for_the_server(name: str) -> None:
    decomposed = unicodedata.normalize("NFD", name)
    for form in (name.upper(), name.lower(), decomposed, decomposed.upper(), f" {name}\u3000", f"{name}x"):
        assert same_name(name, form) is (key(name) == key(form)), form


@pytest.mark.parametrize("name", ["", "  ", "\t"])
def test_a_blank_name_is_rejected(name: str) -> None:
    with pytest.raises(Misuse, match="not blank"):
        issue_path(name)


def test_values_have_the_form_of_the_api() -> None:
    noon = datetime(2025, 1, 4, 12, tzinfo=UTC)
    given_values = {"a": None, "b": False, "c": True, "d": ["x", "y"], "e": 3, "f": noon, "g": ""}
    assert query_pairs(given_values) == (
        ("b", "false"),
        ("c", "true"),
        ("d", "x"),
        ("d", "y"),
        ("e", "3"),
        ("f", "2025-01-04T12:00:00+00:00"),
        ("g", ""),
    )
    with pytest.raises(Misuse, match="no time zone"):
        query_pairs({"since": noon.replace(tzinfo=None)})


@given(st.lists(st.tuples(names, st.text(st.characters(exclude_categories=["Cs"])))))
def test_the_next_page_keeps_every_parameter(pairs: list[tuple[str, str]]) -> None:
    target = f"/api/issues?{urlencode(pairs)}"
    header = f'</api/issues>; rel="first", <{target}>; title="a, \\"b\\"; c"; rel="last next"'
    assert next_query(header) == tuple(pairs)


@pytest.mark.parametrize(
    "header", [None, "", '</x?cursor=1>; rel="prev"', "</x?cursor=1>", "nonsense, <", '<x; rel="next"']
)
def test_the_last_page_has_no_next_page(header: str | None) -> None:
    assert next_query(header) is None


def test_link_relations_are_found_in_every_notation() -> None:
    for header in (
        "<?cursor=a%2Cb>;rel=next",
        '<?cursor=a,b> ; REL="NEXT"',
        "<http://h/x?cursor=a,b>; rel=next",
    ):
        assert next_query(header) == (("cursor", "a,b"),)
