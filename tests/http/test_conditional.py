"""ETag, If-None-Match and If-Match (contract, section 5)."""

from typing import Any

import pytest

from issue_tracker.app import declared_routes
from issue_tracker.http.identity import Access
from tests.cases import cases
from tests.clients import Client
from tests.engines import decided_in_python
from tests.world import World

FAULT = "/api/issues/Fault"


def rewritten(etag: str) -> list[str]:
    """Returns an ETag as a compressing proxy rewrites it."""
    opaque = etag.strip('"')
    return [
        f"W/{etag}",
        *(f'"{opaque}{suffix}"' for suffix in ("-gzip", "--gzip", "-br", ";gzip", ";br", "-zstd")),
        f'W/"{opaque}-gzip"',
        f"{etag}-gzip",
    ]


@pytest.fixture
def fault(world: World) -> World:
    world.given_issue("Fault", {"Contoso": "new"})
    return world


PATHS = {
    endpoint.path: endpoint
    for endpoint in declared_routes()
    if endpoint.safe
    and endpoint.path.startswith("/api/")
    and endpoint.access is not Access.PUBLIC
    and endpoint.path != "/api/events/stream"  # it never ends and must not be cached
}


def test_unchanged_content_is_not_sent_again(fault: World) -> None:
    """On every path with the ETag itself, a list, `*` and a rewritten ETag; on one path as all proxies rewrite it."""
    fault.given_customer("cara", "Contoso")
    clients = {who: fault.client(who) for who in ("ada", "cara")}
    user_id = clients["ada"].call("GET", "/api/users", 200)["items"][0]["user_id"]
    webhook_id = clients["ada"].call("POST", "/api/webhooks", 201, json={"url": "https://example.com/"})["id"]
    for path in (*PATHS, "/api/issues?status=new&limit=1"):
        endpoint = PATHS[path.partition("?")[0]]
        # Account data and audit events are never stored (test_browser_state.py).
        stored = not endpoint.about_accounts and endpoint.path != "/api/events"
        filled = path.replace("{issue_name}", "Fault").replace("{user_id}", str(user_id))
        check_unchanged(
            clients["cara" if endpoint.access is Access.CUSTOMER else "ada"],
            filled.replace("{id}", str(webhook_id)),
            "private, no-cache" if stored else "no-store",
            forms=len(rewritten("")) + 3 if path == "/api/issues/{issue_name}" else 4,
        )


def check_unchanged(client: Client, path: str, cache_control: str, *, forms: int) -> None:
    first = client.get(path)
    assert first.status_code == 200, (path, first.text)
    etag = first.headers["ETag"]
    assert etag.startswith('"') and first.headers["Cache-Control"] == cache_control, path
    for form in range(forms):
        for _ in range(5):
            given = (etag, f'"other", {etag}', "*", *rewritten(etag))[form]
            again = client.get(path, headers={"If-None-Match": given})
            if again.status_code == 304:
                break
            # On PostgreSQL, the server's own background work may change a list's validator without need (0005).
            etag = again.headers["ETag"]
        assert again.status_code == 304 and again.content == b"", (path, given)
        assert given == "*" or again.headers["ETag"] == etag, path
        assert again.headers.get("Vary") == first.headers.get("Vary"), path
    assert client.get(path, headers={"If-None-Match": '"other"'}).json() == first.json(), path


CHANGES = [
    ("PUT", FAULT, {"description": "x"}),
    ("PUT", FAULT, {"new_name": "FAULT"}),
    ("PUT", FAULT, {"add_companies": [{"company_name": "Fabrikam"}]}),
    ("PUT", "/api/issues/status", {"issue_name": "Fault", "company_name": "Contoso", "status": "closed"}),
    ("DELETE", "/api/issues/status?issueName=Fault&companyName=Contoso", None),
    ("POST", "/api/issues/status/bulk", {"issue_name": "Fault", "status": "closed"}),
]
WRITES = [*CHANGES, ("DELETE", FAULT, None)]


@cases(("method", "path", "body"), CHANGES)
def test_every_change_changes_the_etags_of_the_issue_and_the_list(
    fault: World, method: str, path: str, body: dict[str, Any] | None
) -> None:
    client = fault.client()
    before = {where: client.get(where).headers["ETag"] for where in (FAULT, "/api/issues")}
    assert client.request(method, path, json=body).is_success
    for where, etag in before.items():
        fresh = client.get(where, headers={"If-None-Match": etag})
        assert fresh.status_code == 200 and fresh.headers["ETag"] != etag


def test_an_error_is_never_an_unchanged_response(fault: World) -> None:
    client, anything = fault.client(), {"If-None-Match": "*", "Accept": "*/*"}
    for path, status in (("/?status=lost", 422), ("/api/issues?status=lost", 422), ("/api/issues/Nothing", 404)):
        assert client.get(path, headers=anything).status_code == status
    assert client.get("/api/issues?companyName=Nobody", headers=anything).status_code == 404


def test_json_and_csv_have_different_etags(fault: World) -> None:
    client = fault.client()
    etags = {client.get("/api/issues", headers={"Accept": kind}).headers["ETag"] for kind in ("*/*", "text/csv")}
    assert len(etags) == 2


def test_a_change_with_the_current_etag_succeeds(fault: World) -> None:
    client = fault.client()
    etag = client.get(FAULT).headers["ETag"]
    first = client.put(FAULT, json={"description": "one"}, headers={"If-Match": etag})
    assert first.status_code == 200 and first.headers["ETag"] != etag
    assert client.get(FAULT).headers["ETag"] == first.headers["ETag"]
    second = client.put(FAULT, json={"description": "two"}, headers={"If-Match": f'"x", {first.headers["ETag"]}'})
    assert second.json()["description"] == "two"
    assert client.put(FAULT, json={"description": "three"}, headers={"If-Match": "*"}).status_code == 200


@cases("given", ["stale", '"0-0"', "garbage"])
def test_a_change_with_an_old_etag_is_refused_with_the_current_one(fault: World, given: str) -> None:
    client = fault.client("ada")
    stale = client.get(FAULT).headers["ETag"]
    change = {"issue_name": "Fault", "company_name": "Contoso", "status": "closed"}
    client.call("PUT", "/api/issues/status", 200, json=change)
    current = client.get(FAULT)
    header = stale if given == "stale" else given
    for method, path, body in WRITES:
        refused = client.request(method, path, json=body, headers={"If-Match": header})
        assert refused.status_code == 412 and refused.headers["ETag"] == current.headers["ETag"]
    assert client.get(FAULT).json() == current.json()


@decided_in_python
@cases(("method", "path", "body"), WRITES)
def test_every_write_accepts_etags_that_proxies_rewrote(
    fault: World, method: str, path: str, body: dict[str, Any] | None
) -> None:
    """Renaming, deleting and the others with two forms of an ETag, changing a description with all."""
    client = fault.client("ada")
    for form in range(len(rewritten('""')) if body == {"description": "x"} else 2):
        client.delete(FAULT)
        fault.given_issue("Fault", {"Contoso": "new"})
        given = rewritten(client.get(FAULT).headers["ETag"])[form]
        done = client.request(method, path, json=body, headers={"If-Match": given})
        assert done.is_success, (given, done.text)
        if method != "DELETE":
            assert done.headers["ETag"] == client.get(FAULT).headers["ETag"]


@decided_in_python
def test_a_foreign_etag_never_matches(fault: World) -> None:
    client = fault.client("ada")
    etag = client.get(FAULT).headers["ETag"]
    opaque = etag.strip('"')
    inside = ("{}-x", "{}gzip", "{}-gzip-gzip", "{}1")
    around = ("X/{}", "{}-x", "w/{}", "{}gzip")
    tags = (f'"{form.format(opaque)}"' for form in inside)
    for given in (opaque, '"x,*,y"', *tags, *(form.format(etag) for form in around)):
        assert client.get(FAULT, headers={"If-None-Match": given}).status_code == 200, given
        for method, path, body in WRITES:
            assert client.request(method, path, json=body, headers={"If-Match": given}).status_code == 412, given
    assert client.get(FAULT).headers["ETag"] == etag


def test_a_missing_object_is_reported_before_an_old_etag(fault: World) -> None:
    client = fault.client("ada")
    change = {"issue_name": "Fault", "company_name": "Contoso", "status": "closed"}
    requests: list[tuple[str, str, Any]] = [
        ("PUT", "/api/issues/status", change | {"issue_name": "Nothing"}),
        ("PUT", "/api/issues/status", change | {"company_name": "Nobody"}),
        ("DELETE", "/api/issues/status?issueName=Nothing&companyName=Contoso", None),
        ("DELETE", "/api/issues/status?issueName=Fault&companyName=Nobody", None),
        ("DELETE", "/api/issues/status?issueName=Fault&companyName=Fabrikam", None),
        ("POST", "/api/issues/status/bulk", {"issue_name": "Nothing", "status": "closed"}),
        ("POST", "/api/issues/status/bulk", {"issue_name": "Fault", "status": "closed", "companies": ["Nobody"]}),
    ]
    for method, path, body in requests:
        client.call(method, path, 404, json=body, headers={"If-Match": '"stale"'})


def test_consecutive_changes_need_no_read_in_between(fault: World) -> None:
    client = fault.client()
    etag = client.get(FAULT).headers["ETag"]
    for status in ("closed", "closed", "resolved"):
        change = {"issue_name": "Fault", "company_name": "Contoso", "status": status}
        done = client.put("/api/issues/status", json=change, headers={"If-Match": etag})
        assert done.status_code == 200
        etag = done.headers["ETag"]
    bulk = {"issue_name": "Fault", "status": "new"}
    tried = client.post("/api/issues/status/bulk", json=bulk | {"dry_run": True}, headers={"If-Match": etag})
    assert (tried.status_code, tried.headers["ETag"]) == (200, etag)
    done = client.post("/api/issues/status/bulk", json=bulk, headers={"If-Match": etag})
    assert done.headers["ETag"] == client.get(FAULT).headers["ETag"] != etag
    again = client.post("/api/issues/status/bulk", json=bulk, headers={"If-Match": etag})
    assert again.status_code == 412


def test_an_unchanged_issue_is_deleted(fault: World) -> None:
    client = fault.client("ada")
    etag = client.get(FAULT).headers["ETag"]
    assert client.delete(FAULT, headers={"If-Match": etag}).status_code == 204
    client.call("GET", FAULT, 404)


def test_a_request_without_effect_does_not_change_the_etag(fault: World) -> None:
    client = fault.client()
    etag = client.get(FAULT).headers["ETag"]
    assert client.put(FAULT, json={"new_name": "Fault"}, headers={"If-Match": etag}).headers["ETag"] == etag
    assert client.get(FAULT).headers["ETag"] == etag
