"""References as lines of text, in forms, files and options of itctl: every reference can be read again."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from issue_tracker.issues.field_texts import read_references, write_references
from issue_tracker.issues.models import Reference
from issue_tracker.names import Name, WebAddress, parse_name, parse_web_address
from issue_tracker_client.itctl.field_options import parse_reference
from tests.engines import decided_in_python
from tests.issues.test_csv_fields import exported, load
from tests.world import World

PIECES = st.sampled_from(('"', '""', ":", " ", "\u00a0", "\u2028", "http://", "HTTPS://x", "a", "7", "’", "\u0301"))
TEXTS = st.lists(PIECES, min_size=1, max_size=8).map("".join) | st.text(min_size=1, max_size=8)


def valid(parse: Any) -> Any:
    """Returns a function that says whether a text is accepted by another one."""

    def accepted(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return accepted


NAMES: st.SearchStrategy[Name] = TEXTS.filter(valid(parse_name)).map(parse_name)
ADDRESSES: st.SearchStrategy[WebAddress] = (
    TEXTS.map("HTTP://x/{}".format).filter(valid(parse_web_address)).map(parse_web_address)
)
REFERENCES = st.builds(Reference, NAMES, NAMES, st.none() | ADDRESSES)

AWKWARD = [
    Reference("a:b", "c", None),
    Reference("a: b", "c: d", "http://x"),
    Reference('"a": "b"', '"c" "d"', None),
    Reference('"', '"', 'http://x/"'),
    Reference("PSA", "see http://x", None),
    Reference("PSA", "see http://x", "https://y"),
    Reference("PSA", "http://x", None),
    Reference("PSA", 'http://x"', None),
    Reference("PSA", "T  17", "HTTP://X"),
    Reference("https", "//x", None),
]


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.lists(REFERENCES, min_size=1, max_size=3))
@example(AWKWARD)
def test_every_reference_can_be_read_from_its_text(references: list[Reference]) -> None:
    text = write_references(references)
    assert read_references(text.replace("\n", "\r\n ")) == references
    lines = [parse_reference(line) or {} for line in text.split("\n")]
    assert [(line["system"], line["key"], line["url"]) for line in lines] == [
        (one.system, one.key, one.url) for one in references
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PSA:T-17", Reference("PSA", "T-17", None)),
        ("PSA: see: T-17   https://x", Reference("PSA", "see: T-17", "https://x")),
        ('"PSA" desk: T-17', Reference('"PSA" desk', "T-17", None)),
        ('PSA: "T-17" and "T-18"', Reference("PSA", '"T-17" and "T-18"', None)),
        ('"PSA" : "T-17" https://x', Reference("PSA", "T-17", "https://x")),
    ],
)
def test_lines_are_read_as_users_write_them(line: str, expected: Reference) -> None:
    assert read_references(line) == [expected]
    assert write_references(read_references(write_references([expected]))) == write_references([expected])


def test_awkward_references_survive_a_file_and_a_form(world: World, tmp_path: Path) -> None:
    tess = world.client()
    given_references = [{"system": one.system, "key": one.key, "url": one.url} for one in AWKWARD]
    made = tess.call("POST", "/api/issues", 201, json={"name": "Line", "references": given_references})
    assert made["references"] == given_references
    text, [row] = exported(world)
    world.client("ada").call("DELETE", "/api/issues/Line", 204)
    path = tmp_path / "issues.csv"
    path.write_text(text, newline="")
    assert load(world, path)[1] == []
    copy = tess.call("GET", "/api/issues/Line", 200)
    assert copy["references"] == given_references

    seen = {"seen_name": "Line", "seen_description": "", "seen_fields": json.dumps({"references": row["references"]})}
    form = {"name": "Line", "references": row["references"].replace("\n", "\r\n") + "\r\nPSA: 1"}
    assert tess.post(f"/issues/{copy['issue_id']}/edit", data=seen | form).status_code == 303
    after = tess.call("GET", "/api/issues/Line", 200)
    assert after["references"] == [*given_references, {"system": "PSA", "key": "1", "url": None}]


@decided_in_python
def test_the_longest_references_survive_a_file(world: World, tmp_path: Path) -> None:
    quotes, url = '"' * 253, f"https://{'x' * 1992}"
    longest = [{"system": f"{quotes}::", "key": f"{quotes}{number:02}", "url": url} for number in range(50)]
    tess = world.client()
    tess.call("POST", "/api/issues", 201, json={"name": "Line", "references": longest})
    path = tmp_path / "issues.csv"
    path.write_text(tess.get("/api/issues?format=csv&include=details").text, newline="")
    world.client("ada").call("DELETE", "/api/issues/Line", 204)
    assert load(world, path)[1] == []
    assert tess.call("GET", "/api/issues/Line", 200)["references"] == longest


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("line", ["PSA: http://x", "https://psa.example.com/17", ": T-17", "PSA:", '"PSA" T-17', "PSA"])
def test_a_line_without_a_system_or_a_key_is_refused(world: World, tmp_path: Path, line: str) -> None:
    path = tmp_path / "issues.csv"
    out = io.StringIO()
    csv.writer(out).writerows([["name", "references"], ["Line", line]])
    path.write_text(out.getvalue(), newline="")
    [bad] = load(world, path)[1]
    assert bad.reason.startswith("references must have the form “System: key”")
