"""Any valid name can be created, found regardless of case, renamed and deleted through the path (contract,
section 1).
"""

import shutil
import subprocess
import time
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from issue_tracker.looks import illegible
from issue_tracker.names import key
from tests.cases import cases
from tests.clients import Client
from tests.world import World

PATHS = (
    "TCP/IP",
    "/",
    "//",
    "/leading",
    "trailing/",
    "a//b",
    "a/../b",
    "../..",
    "./a",
    "...",
    "%2F",
    "%252F",
    "%",
    "%zz",
    "a+b",
    "a b",
    "#1",
    "?",
    "status/bulk",
)
"""Names that are awkward in a path, which is decoded before the database is read."""

LISTED = (
    *PATHS,
    "100% loss?",
    "&=;,:@$!*'()~",
    "Straße",
    "🔥 core",
    "👩🏽\u200d🚀 and 🏳️\u200d🌈 and 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "می\u200cخواهم",
    "क्\u200dष",
    "\\",
    '"',
    "<b>",
    "é",
    "ΐ",
    "İstanbul",
    "статус",
)

names = (
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=60)
    .map(lambda text: unicodedata.normalize("NFC", text).strip())
    .filter(lambda name: bool(name) and key(name) not in ("status", ".", "..") and len(name) <= 255)
    .filter(lambda name: illegible(name) is None)
)

relaxed = settings(
    max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


JSON = ("-H", "Content-Type: application/json")


def path_of(name: str) -> str:
    return f"/api/issues/{quote(name, safe='')}"


def check_every_operation(client: Client, name: str, other: str) -> None:
    """Creates an issue, finds it in other letter cases, changes, resolves, renames (and back), lists and deletes it.
    There must be no other issue.
    """
    response = client.post("/api/issues", json={"name": name, "companies": [{"company_name": "Contoso"}]})
    assert response.status_code == 201 and response.json()["name"] == name, response.text
    assert client.call("GET", response.headers["Location"], 200) == response.json()
    forms = name.upper(), name.lower(), name.swapcase(), name.title(), unicodedata.normalize("NFD", name)
    for form in dict.fromkeys(form for form in forms if key(form) == key(name)):
        assert client.call("GET", path_of(form), 200)["name"] == name
        client.call("POST", "/api/issues", 400, json={"name": form})
    changed = client.call("PUT", path_of(name), 200, json={"description": "found"})
    assert (changed["name"], changed["description"]) == (name, "found")
    body = {"issue_name": name.swapcase() if key(name.swapcase()) == key(name) else name, "company_name": "contoso"}
    assert client.call("PUT", "/api/issues/status", 200, json=body | {"status": "resolved"})["issue_name"] == name
    if key(other) != key(name):
        assert client.call("PUT", path_of(name), 200, json={"new_name": other})["name"] == other
        assert client.call("GET", path_of(name), 200)["name"] == other, "a former name leads on"
        assert client.call("PUT", path_of(other), 200, json={"new_name": name})["name"] == name
    (listed,) = client.call("GET", "/api/issues", 200)["items"]
    assert (listed["name"], listed["assignments"][0]["status"]) == (name, "resolved")
    client.call("DELETE", path_of(name), 204)
    client.call("GET", path_of(name), 404)


@relaxed
@given(name=names, other=names)
def test_any_name_works_for_every_operation(world: World, name: str, other: str) -> None:
    world.empty_issues()
    check_every_operation(world.client("ada"), name, other)


def test_awkward_names_work_for_every_operation(world: World) -> None:
    ada, failed = world.client("ada"), {}
    for name in LISTED if world.engine == "sqlite" else LISTED[len(PATHS) :]:
        try:
            check_every_operation(ada, name, f"{name}/{name}")
        except AssertionError as error:
            failed[name] = str(error)
            world.empty_issues()
    assert failed == {}


@relaxed
@given(name=names)
@example(name="\u0390")
@example(name="\u1fb7")
@example(name="\u01f0")
def test_names_are_equal_regardless_of_case(world: World, name: str) -> None:
    world.empty_issues()
    world.given_issue(name)
    for form in (name.upper(), name.lower(), name.casefold()):
        if form.strip() and unicodedata.normalize("NFC", form.casefold()) == unicodedata.normalize(
            "NFC", name.casefold()
        ):
            assert world.client().call("GET", path_of(form), 200)["name"] == name


# curl shows that another client reaches the names; the test above sends the same requests to both databases.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_curl_reaches_awkward_names_too(world: World) -> None:
    curl = shutil.which("curl")
    assert curl, "curl is missing"
    authorization = ("-H", f"Authorization: Bearer {world.token('ada')}")
    requests = ((), ("-X", "PUT", *JSON, "-d", '{"description":"by curl"}'), ("-X", "DELETE"), ())

    for name in LISTED:
        world.given_issue(name)
        command = [curl, "--silent", "--show-error", "--max-time", "20"]
        for arguments in requests:
            shown = ("-w", "\n%{http_code}\n", *authorization, *arguments)
            command += [*shown, world.server.url + path_of(name), "--next"]
        done = subprocess.run(command[:-1], check=True, capture_output=True, text=True)
        read, ok, changed, changed_ok, _, deleted, missing, not_found = done.stdout.splitlines()
        assert f'"name":{quote_json(name)}' in read and '"by curl"' in changed and "There is no issue" in missing
        assert (ok, changed_ok, deleted, not_found) == ("200", "200", "204", "404"), name


@cases("letter", "각ᾲ")
def test_the_longest_names_are_found_in_decomposed_form(world: World, letter: str) -> None:
    """Some systems send names decomposed, which makes them up to three times as long."""
    admin, name, decomposed = world.client("ada"), letter * 255, unicodedata.normalize("NFD", letter * 255)
    world.empty_issues()
    world.given_companies(name)
    world.given_issue(name, {name: "new"})
    admin.call("PUT", path_of(name), 200, json={"tags": [name[:100]]})
    assert admin.call("GET", path_of(decomposed), 200)["name"] == name
    texts = dict.fromkeys(("search", "words", "companyName"), decomposed)
    for parameter, text in (texts | {"tag": unicodedata.normalize("NFD", name[:100])}).items():
        assert admin.call("GET", "/api/issues", 200, params={parameter: text})["total"] == 1, parameter
    for parameter in ("issueName", "companyName"):
        assert admin.call("GET", "/api/events", 200, params={parameter: decomposed})["total"] > 0, parameter
    assert admin.call("GET", "/api/companies", 200, params={"search": decomposed})["total"] == 1
    assert admin.call("GET", "/api/similar-issues", 200, params={"name": decomposed})["total"] == 1
    admin.call("GET", "/api/events", 422, params={"issueName": f"{name}x"})


def quote_json(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@cases("name", ["Ümläut & Co", "a/b", "Straße", "🔥"])
def test_company_names_are_compared_in_the_same_way(world: World, name: str) -> None:
    admin = world.client("ada")
    made = admin.call("POST", "/api/companies", 201, json={"name": f"  {name} "})
    assert made["name"] == name
    admin.call("POST", "/api/companies", 400, json={"name": name.upper()})
    world.empty_issues()
    world.given_issue("Fault")
    body = {"issue_name": "Fault", "company_name": name.upper(), "status": "new"}
    assert admin.call("PUT", "/api/issues/status", 200, json=body)["company_name"] == name
    assert admin.call("GET", "/api/issues", 200, params={"companyName": name.swapcase()})["total"] == 1


MARKS = "\u0301\u0327" * 40_000
"""NFC sorts one kind of mark before the other: moving each mark one place at a time would take seconds."""


# The length of a text is checked before the database is read.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@cases(
    ("method", "path", "body"),
    [
        ("POST", "/api/issues", {"name": f"a{MARKS}"}),
        ("POST", "/api/issues", {"name": "Fault", "description": f"a{MARKS}"}),
        ("POST", "/api/issues", {"name": "Fault", "companies": [{"company_name": f"a{MARKS}"}]}),
        ("PUT", "/api/issues/status", {"issue_name": f"a{MARKS}", "company_name": "Initech", "status": "new"}),
        ("POST", "/api/issues/status/bulk", {"issue_name": "VPN", "status": "new", "companies": [f"a{MARKS}"]}),
        ("POST", "/api/companies", {"name": f"a{MARKS}"}),
    ],
)
def test_thousands_of_combining_marks_are_handled_quickly(
    world: World, method: str, path: str, body: dict[str, object]
) -> None:
    world.given_companies("Initech")
    world.empty_issues()
    world.given_issue("VPN", {"Initech": "new"})
    admin = world.client("ada")
    before = time.process_time()
    admin.call(method, path, 400, json=body)
    assert time.process_time() - before < 1.5
    assert admin.call("GET", "/api/issues", 200)["total"] == 1


def test_a_long_text_is_equal_to_its_decomposed_form(world: World) -> None:
    written = "Vi\u1ec7t Nam " * 200
    world.given_issue("VPN")
    for form in ("NFC", "NFD"):
        change = {"description": unicodedata.normalize(form, written)}
        issue = world.client("tess").call("PUT", "/api/issues/VPN", 200, json=change)
        assert issue["description"] == written.strip()
