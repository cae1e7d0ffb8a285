"""Every error has one shape, wherever it comes from, and reveals nothing that it should not (contract, section 2)."""

import gzip
import re
from typing import Any

import httpx
import pytest
import structlog

from issue_tracker.issues import operations
from tests.cases import cases
from tests.clients import Client
from tests.world import World

LEAKS = re.compile(
    r"Traceback|File \"|line \d+, in|SELECT |INSERT |UPDATE |sqlite|psycopg|sqlalchemy|/src/|\.py\b", re.I
)

PROBLEM = "application/problem+json"

IN_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""For the parsing of headers and the refusal of bodies, before any statement (docs/decisions/0035)."""

Failing = list[tuple[int, Client, str, str, dict[str, Any]]]


@pytest.fixture
def failing(world: World) -> Failing:
    """One request for each source of errors: expected status, who asks, method, path, options."""
    tess, ada, anonymous = world.client("tess"), world.client("ada"), world.anonymous()
    no_csrf = world.client("tess")
    del no_csrf.headers["X-CSRF-Token"]
    world.given_issue("Fault", {"Contoso": "new"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    as_json = {"Content-Type": "application/json"}
    used = {"Idempotency-Key": "used"}
    tess.call("POST", "/api/issues", 201, json={"name": "Once"}, headers=used)
    contoso = world.given_companies("Contoso")["Contoso"]
    return [
        (400, tess, "POST", "/api/issues", {"content": b"{", "headers": as_json}),
        (400, tess, "POST", "/api/issues", {"json": {"name": "", "companies": [{}]}}),
        (400, tess, "POST", "/api/issues", {"json": {"name": "FAULT"}}),
        (400, tess, "POST", "/api/issues", {"json": {"name": "Status"}}),
        (400, ada, "DELETE", f"/api/companies/{contoso}", {}),
        (400, ada, "POST", "/api/companies", {"json": {"name": "contoso"}}),
        (401, anonymous, "GET", "/api/issues", {}),
        (401, anonymous, "GET", "/api/nothing", {}),
        (401, anonymous, "POST", "/api/auth/login", {"json": {"email": "x@y.example", "password": "x"}}),
        (401, anonymous, "GET", "/api/issues", {"headers": {"Authorization": "Bearer itk_x"}}),
        (403, world.client("mia"), "GET", "/api/issues", {}),
        (403, tess, "DELETE", "/api/issues/Fault", {}),
        (403, no_csrf, "POST", "/api/issues", {"json": {"name": "x"}}),
        (404, tess, "GET", "/api/issues/Nothing", {}),
        (404, tess, "GET", "/api/issues?companyName=Nobody", {}),
        (404, tess, "GET", "/api/nothing", {}),
        (405, tess, "PATCH", "/api/issues", {}),
        (412, tess, "PUT", "/api/issues/Fault", {"json": {}, "headers": {"If-Match": '"0-0"'}}),
        (413, tess, "POST", "/api/issues", {"content": b"x" * (1024 * 1024 + 1), "headers": as_json}),
        (415, tess, "POST", "/api/issues", {"content": b"name=x", "headers": form}),
        (422, tess, "GET", "/api/issues?status=done", {}),
        (422, tess, "GET", "/api/issues?colour=red", {}),
        (422, tess, "POST", "/api/issues", {"json": {"name": "Other"}, "headers": used}),
    ]


@cases("accept", [None, "text/html", "text/csv", "application/xml;q=0.9, image/*"])
def test_every_error_is_json_whatever_is_accepted(failing: Failing, accept: str | None) -> None:
    for status, client, method, path, options in failing:
        headers = {"Accept": accept} if accept else {}
        response = client.request(method, path, **options | {"headers": headers | options.get("headers", {})})
        where = f"{method} {path}: {response.status_code} {response.text[:300]}"
        assert response.status_code == status, where
        assert response.headers["Content-Type"] == "application/json", where
        content = response.json()
        assert isinstance(content["detail"], str) and content["detail"].endswith((".", "!", "?")), where
        assert set(content) <= {"detail", "errors"}, where
        for error in content.get("errors", [{"field": "", "message": "x"}]):
            assert set(error) == {"field", "message"} and error["message"], where
        assert not LEAKS.search(response.text), where
        assert response.headers["X-Request-ID"], where
        assert (status in (401,)) == ("WWW-Authenticate" in response.headers), where
        assert (status == 412) == ("ETag" in response.headers), where


# The test above sends the same requests to both databases.
@IN_SQLITE
def test_every_error_is_a_problem_detail_on_request(failing: Failing) -> None:
    for status, client, method, path, options in failing:
        headers = {"Accept": PROBLEM} | options.get("headers", {})
        problem = client.request(method, path, **options | {"headers": headers})
        plain = client.request(method, path, **options)
        where = f"{method} {path}: {problem.text[:300]}"
        assert problem.status_code == status, where
        assert problem.headers["Content-Type"] == PROBLEM, where
        content = problem.json()
        assert content["type"] == "about:blank" and content["status"] == status and content["title"], where
        assert {name: content[name] for name in plain.json()} == plain.json(), where


def test_an_unexpected_failure_shows_only_its_request_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret: hunter2")

    monkeypatch.setattr(operations, "create_issue", fail)
    for accept, media_type in (("*/*", "application/json"), (PROBLEM, PROBLEM)):
        headers = {"X-Request-ID": "trace-me", "Accept": accept}
        with structlog.testing.capture_logs() as logged:
            response = world.client().post("/api/issues", json={"name": "x"}, headers=headers)
        assert response.status_code == 500 and response.headers["Content-Type"] == media_type
        assert "trace-me" in response.json()["detail"] and response.headers["X-Request-ID"] == "trace-me"
        assert "hunter2" not in response.text and not LEAKS.search(response.text)
        (entry,) = [entry for entry in logged if entry["event"] == "unexpected failure"]
        assert entry["request_id"] == "trace-me" and isinstance(entry["exc_info"], RuntimeError)
    monkeypatch.undo()
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0


@IN_SQLITE
@cases("path", ["/healthz", "/readyz", "/openapi.json"])
def test_probes_and_documents_reject_unknown_parameters(world: World, path: str) -> None:
    client = world.anonymous()
    errors = client.call("GET", f"{path}?colour=red&verbose", 422)["errors"]
    assert [error["field"] for error in errors] == ["colour", "verbose"]
    assert client.get(path).status_code == client.get(f"{path}?").status_code == 200
    assert client.get(path, params={"a": "b" * 5000}).status_code == 422


@IN_SQLITE
def test_every_response_carries_a_request_id(world: World) -> None:
    world.given_issue("Fault")
    client = world.client()
    for path in ("/api/issues", "/api/issues/Fault", "/api/issues/nothing", "/healthz", "/readyz", "/openapi.json"):
        first, second = client.get(path).headers["X-Request-ID"], client.get(path).headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f]{32}", first) and first != second


@IN_SQLITE
@cases("sane", ["a", "0af7651916cd43dd8448eb211c80319c", "web-1:2025/01/04.7", "x" * 128])
def test_a_valid_request_id_is_used(world: World, sane: str) -> None:
    assert world.client().get("/healthz", headers={"X-Request-ID": sane}).headers["X-Request-ID"] == sane


@IN_SQLITE
@cases("odd", ["", "x" * 129, "a b", "<script>", "a\tb", "ä", 'a"b', "{}"])
def test_an_invalid_request_id_is_replaced(world: World, odd: str) -> None:
    response = world.client().get("/healthz", headers={b"X-Request-ID": odd.encode()})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])


@IN_SQLITE
def test_a_body_over_the_limit_is_refused_however_it_is_sent(world: World) -> None:
    client = world.client("ada")
    headers = {"Content-Type": "application/json"}

    def chunks(count: int) -> Any:
        yield from (b" " * 1024 for _ in range(count))

    for method, path in (("POST", "/api/issues"), ("DELETE", "/api/issues/Fault"), ("POST", "/api/auth/logout")):
        for content in (b" " * (1024 * 1024 + 1), chunks(1025), chunks(8 * 1024)):
            response = client.request(method, path, content=content, headers=headers)
            assert response.status_code == 413, f"{method} {path}: {response.text}"
    assert client.call("GET", "/api/auth/session", 200)


@IN_SQLITE
def test_a_body_at_the_limit_is_read(world: World) -> None:
    body = b'{"name": "Fault"}'
    content = body + b" " * (1024 * 1024 - len(body))
    response = world.client().post("/api/issues", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 201


@IN_SQLITE
@cases(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/json; charset=iso-8859-1", 201),  # the parameter has no effect (RFC 8259, section 11)
        ("Application/JSON", 201),
        ("text/json", 415),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
def test_a_body_must_say_that_it_is_json(world: World, content_type: str, status: int) -> None:
    response = world.client().post("/api/issues", content=b'{"name":"Fault"}', headers={"Content-Type": content_type})
    assert response.status_code == status, response.text
    assert world.client().call("GET", "/api/issues", 200)["total"] == (1 if status == 201 else 0)
    if status == 201:
        world.client("ada").call("DELETE", "/api/issues/Fault", 204)


@IN_SQLITE
@cases("encoding", ["iso-8859-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_the_refusal_of_another_character_encoding_names_the_right_one(world: World, encoding: str) -> None:
    content = '{"name":"Störung"}'.encode(encoding)
    headers = {"Content-Type": f"application/json; charset={encoding}"}
    response = world.client().post("/api/issues", content=content, headers=headers)
    assert (response.status_code, response.json()["detail"]) == (400, "The body is not valid JSON in UTF-8.")
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0


@IN_SQLITE
@cases(
    ("encoding", "content", "status"),
    [
        ("gzip", gzip.compress(b'{"name":"Fault"}', mtime=0), 415),
        ("X-GZIP", gzip.compress(b'{"name":"Fault"}', mtime=0), 415),
        ("br", b'{"name":"Fault"}', 415),
        ("gzip, identity", b'{"name":"Fault"}', 415),
        ("Identity", b'{"name":"Fault"}', 201),
        ("", b'{"name":"Fault"}', 201),
    ],
)
def test_a_compressed_body_is_rejected_as_compressed(world: World, encoding: str, content: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    response = world.client().post("/api/issues", content=content, headers=headers)
    assert response.status_code == status, response.text
    if status == 415:
        assert "compressed" in response.json()["detail"]
    assert world.client().call("GET", "/api/issues", 200)["total"] == (1 if status == 201 else 0)
    if status == 201:
        world.client("ada").call("DELETE", "/api/issues/Fault", 204)


def test_errors_come_in_the_order_of_the_contract(world: World) -> None:
    too_large, wrong_type = b"x" * (1024 * 1024 + 1), {"Content-Type": "text/plain"}
    everything_wrong: dict[str, Any] = {"content": too_large, "headers": wrong_type, "params": {"colour": "red"}}
    path = "/api/issues/Nothing"

    def status(client: httpx.Client, **changes: Any) -> int:
        return client.request("PUT", path, **everything_wrong | changes).status_code

    no_csrf = world.client("mia")
    del no_csrf.headers["X-CSRF-Token"]
    assert status(world.anonymous()) == 401
    refused = no_csrf.put(path)
    assert refused.status_code == 403 and "CSRF" in refused.json()["detail"]
    assert status(world.client("mia")) == 403
    assert status(world.client("tess")) == 413
    assert status(world.client("tess"), content=b"x") == 415
    json_type = {"Content-Type": "application/json"}
    assert status(world.client("tess"), content=b"x", headers=json_type) == 422
    assert status(world.client("tess"), content=b"x", headers=json_type, params={}) == 400
    assert status(world.client("tess"), content=b"{}", headers=json_type, params={}) == 404
