"""Every route refuses those who may not use it (contract, sections 2 and 3). A route without a case here fails."""

import re
from typing import Any

import httpx
import pytest

from issue_tracker.app import declared_routes
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.routes import Route
from issue_tracker.pages.routes import PageRoute
from tests.world import World

ACCESS = {
    "public": """
        POST /api/auth/login
        POST /api/setup
        GET /healthz
        GET /readyz
        GET /metrics
        GET /openapi.json
        GET /docs
        GET /login
        POST /login
        GET /setup
        POST /setup
        GET /invitation
        POST /invitation
        GET /static/{version}/{name}
        GET /static/{version}/{folder}/{name}
    """,
    "signed in": """
        GET /api/auth/session
        POST /api/auth/logout
        POST /api/auth/password
        POST /api/auth/confirm
        GET /api/auth/sessions
        DELETE /api/auth/sessions/{id}
        GET /api/auth/tokens
        DELETE /api/auth/tokens/{id}
        POST /logout
        GET /password
        POST /password
        GET /account
        POST /account/name
        POST /account/password
        POST /account/sessions/{id}/end
    """,
    "helpdesk": """
        GET /api/issues
        POST /api/issues
        GET /api/issues/{issue_name}
        PUT /api/issues/{issue_name}
        PUT /api/issues/status
        DELETE /api/issues/status
        POST /api/issues/status/bulk
        GET /api/companies
        GET /api/events
        GET /api/events/stream
        POST /api/auth/tokens
        GET /
        GET /matrix
        GET /issues/new
        POST /issues/new
        GET /issues/{issue_id}
        POST /issues/{issue_id}/edit
        POST /issues/{issue_id}/companies
        GET /assignments
        POST /assignments/review
        GET /issues/{issue_id}/resolve
        POST /assignments/bulk
        POST /undo
        GET /companies
        GET /companies/{company_id}
        GET /activity
        POST /account/tokens
        POST /account/tokens/{id}/revoke
    """,
    "super admin": """
        DELETE /api/issues/{issue_name}
        POST /api/companies
        PUT /api/companies/{company_id}
        DELETE /api/companies/{company_id}
        GET /api/users
        POST /api/users
        PUT /api/users/{user_id}
        POST /api/users/{user_id}/invitation
        GET /api/users/{user_id}/sessions
        DELETE /api/users/{user_id}/sessions/{id}
        GET /api/users/{user_id}/tokens
        DELETE /api/users/{user_id}/tokens/{id}
        GET /api/webhooks
        POST /api/webhooks
        GET /api/webhooks/{id}
        PUT /api/webhooks/{id}
        DELETE /api/webhooks/{id}
        POST /api/webhooks/{id}/rotate-secret
        POST /api/webhooks/{id}/test
        GET /api/webhooks/{id}/deliveries
        POST /api/webhooks/deliveries/{id}/redeliver
        GET /admin/webhooks
        POST /admin/webhooks
        GET /admin/webhooks/{webhook_id}
        POST /admin/webhooks/{webhook_id}
        POST /admin/webhooks/{webhook_id}/rotate-secret
        POST /admin/webhooks/{webhook_id}/test
        POST /admin/webhooks/{webhook_id}/redeliver/{delivery_id}
        POST /admin/webhooks/{webhook_id}/delete
        GET /issues/{issue_id}/delete
        POST /issues/{issue_id}/delete
        GET /admin/companies
        POST /admin/companies
        GET /admin/companies/{company_id}
        POST /admin/companies/{company_id}
        POST /admin/companies/{company_id}/delete
        GET /admin/users
        POST /admin/users
        GET /admin/users/{user_id}
        POST /admin/users/{user_id}
        POST /admin/users/{user_id}/invitation
        POST /admin/users/{user_id}/sessions/{id}/end
        POST /admin/users/{user_id}/tokens/{id}/revoke
    """,
}
"""Who may use each route, written down a second time on purpose."""

CREDENTIALS = re.compile(
    r"users|sessions?\b|tokens|password|webhooks|channels|factors|company-access|setup|confirm|invitation|logout"
)
"""What the paths of routes contain that are about credentials, or say who may do what (contract, section 11)."""

EXPECTED = {line.strip(): access for access, lines in ACCESS.items() for line in lines.split("\n") if line.strip()}


def name_of(endpoint: Route) -> str:
    return f"{endpoint.method} {endpoint.path}"


ROUTES = {name_of(endpoint): endpoint for endpoint in declared_routes()}
API = [name for name in ROUTES if " /api/" in name]
PRIVATE_API = [name for name in API if EXPECTED.get(name) != "public"]
PAGES = [name for name, endpoint in ROUTES.items() if isinstance(endpoint, PageRoute)]
PRIVATE_PAGES = [name for name in PAGES if EXPECTED.get(name) != "public"]
UNSAFE = [name for name in (*PRIVATE_API, *PRIVATE_PAGES) if not name.startswith("GET")]


def send(client: httpx.Client, name: str, **options: Any) -> httpx.Response:
    """A request to a route that carries nothing valid: only the actor can decide the response."""
    method, path = name.split(" ")
    return client.request(method, re.sub(r"{\w+}", "1", path), **options)


def test_every_route_has_a_case_and_every_case_a_route() -> None:
    assert {name: endpoint.access.value for name, endpoint in ROUTES.items()} == EXPECTED
    assert len(ROUTES) == len(declared_routes())


def test_every_route_about_credentials_takes_only_sessions(world: World) -> None:
    found = {
        name: endpoint
        for name, endpoint in ROUTES.items()
        if endpoint.access is not Access.PUBLIC and CREDENTIALS.search(endpoint.path)
    }
    assert len(found) >= 35
    assert [name for name, endpoint in found.items() if endpoint.proof is Proof.CREDENTIAL] == []
    client = world.bearer("ada")
    for name in found:
        if name in PRIVATE_API:
            response = send(client, name)
            expected = 401 if name == "GET /api/auth/session" else 403
            assert response.status_code == expected, f"{name}: {response.text}"
            assert "session" in response.json()["detail"], name


def test_an_anonymous_caller_of_the_api_is_refused_before_anything_else(world: World) -> None:
    client = world.anonymous()
    for name in PRIVATE_API:
        for options in ({}, {"content": b"x" * 10, "headers": {"Content-Type": "text/plain"}}, {"params": {"x": "1"}}):
            response = send(client, name, **options)
            assert response.status_code == 401, f"{name}: {response.text}"
            assert "Bearer" in response.headers["WWW-Authenticate"], name
            assert response.json() == {"detail": "Sign in to use the issue tracker."}, name


@pytest.mark.parametrize("credential", ["cookie", "bearer"])
def test_an_invalid_credential_is_refused(world: World, credential: str) -> None:
    client = world.anonymous()
    if credential == "cookie":
        client.cookies.set("issue_tracker_session", "nobody-has-this-one")
    else:
        client.headers["Authorization"] = "Bearer itk_0123456789abcdef_" + "x" * 43
    for name in PRIVATE_API:
        response = send(client, name)
        assert response.status_code == 401 and "WWW-Authenticate" in response.headers, f"{name}: {response.text}"


def test_a_member_is_refused_everywhere_in_the_tracker(world: World) -> None:
    for client in (world.client("mia"), world.bearer("mia")):
        for name in PRIVATE_API:
            if EXPECTED[name] in ("helpdesk", "super admin"):
                response = send(client, name)
                assert response.status_code == 403, f"{name}: {response.text}"
                assert "access is required" in response.json()["detail"], name


def test_a_member_is_refused_on_pages(world: World) -> None:
    client = world.client("mia")
    token = client.headers["X-CSRF-Token"]
    for name in PRIVATE_PAGES:
        if EXPECTED[name] in ("helpdesk", "super admin"):
            response = send(client, name, data={"_csrf": token}) if name in UNSAFE else send(client, name)
            assert response.status_code == 403, f"{name}: {response.status_code}"
            assert "access is required." in response.text, name


def test_a_technician_is_refused_where_a_super_admin_is_needed(world: World) -> None:
    client = world.client("tess")
    for name in API:
        if EXPECTED[name] == "super admin":
            response = send(client, name)
            assert response.status_code == 403, f"{name}: {response.text}"
            assert response.json()["detail"] == "Super admin access is required.", name


def test_a_technician_is_refused_on_pages_of_super_admins(world: World) -> None:
    client = world.client("tess")
    token = client.headers["X-CSRF-Token"]
    for name in PAGES:
        if EXPECTED[name] == "super admin":
            response = send(client, name, data={"_csrf": token}) if name in UNSAFE else send(client, name)
            assert response.status_code == 403, f"{name}: {response.status_code}"
            assert "Super admin access is required." in response.text, name


def test_a_read_only_token_is_refused_for_every_change(world: World) -> None:
    client = world.bearer("ada", "read")
    for name in PRIVATE_API:
        if name in UNSAFE:
            response = send(client, name)
            assert response.status_code == 403, f"{name}: {response.text}"
            assert "may only read" in response.json()["detail"], name


@pytest.mark.parametrize("token", [None, "wrong", "", "é"])
def test_a_missing_or_wrong_csrf_token_is_refused(world: World, token: str | None) -> None:
    client = world.client("ada")
    del client.headers["X-CSRF-Token"]
    headers = {} if token is None else {"X-CSRF-Token": token.encode()}
    for name in UNSAFE:
        response = send(client, name, headers=headers)
        assert response.status_code == 403, f"{name}: {response.text}"
        if name in PRIVATE_API:
            assert "CSRF" in response.json()["detail"], name
    client.call("GET", "/api/auth/session", 200)


def test_an_anonymous_visitor_of_a_page_is_shown_the_way_to_sign_in(world: World) -> None:
    client = world.anonymous()
    for name in PRIVATE_PAGES:
        response = send(client, name)
        assert response.status_code == 303, f"{name}: {response.status_code}"
        assert response.headers["Location"].startswith("/login"), name


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api"),
        ("GET", "/api/"),
        ("GET", "/api/nothing"),
        ("POST", "/api/nothing/at/all"),
        ("GET", "/api/issues/a/b"),
        ("PATCH", "/api/issues"),
        ("DELETE", "/api/issues"),
        ("OPTIONS", "/api/issues"),
        ("OPTIONS", "/api/nothing"),
        ("TRACE", "/api/issues"),
        ("GET", "/api/auth/login"),
        ("GET", "/api//issues"),
        ("GET", "//api/issues"),
    ],
)
def test_an_anonymous_caller_learns_nothing_about_paths_and_methods(world: World, method: str, path: str) -> None:
    response = world.anonymous().request(method, world.server.url + path)
    assert response.status_code == 401, response.text
    assert response.json() == {"detail": "Sign in to use the issue tracker."}
    assert "Bearer" in response.headers["WWW-Authenticate"] and "Allow" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/api/issues", "GET, HEAD, POST"),
        ("DELETE", "/api/issues", "GET, HEAD, POST"),
        ("OPTIONS", "/api/issues", "GET, HEAD, POST"),
        ("TRACE", "/api/issues", "GET, HEAD, POST"),
        ("OPTIONS", "/api/issues/status", "DELETE, PUT"),
        ("POST", "/api/issues/Fault", "DELETE, GET, HEAD, PUT"),
        ("GET", "/api/issues/status", "DELETE, PUT"),
        ("GET", "/api/issues/status/", "DELETE, PUT"),
        ("PUT", "/api/issues/status/bulk", "POST"),
        ("GET", "/api/auth/login", "POST"),
        ("PUT", "/healthz", "GET, HEAD"),
    ],
)
def test_a_response_to_a_wrong_method_lists_the_allowed_ones(
    world: World, method: str, path: str, allowed: str
) -> None:
    response = world.client().request(method, path)
    assert response.status_code == 405, response.text
    assert response.headers["Allow"] == allowed
    assert response.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/nothing"), ("GET", "/api/issues/a/b"), ("PUT", "/api/users/" + "9" * 5000), ("GET", "/api")],
)
def test_a_path_that_does_not_exist_is_not_found(world: World, method: str, path: str) -> None:
    response = world.client("ada").request(method, path, json={})
    assert response.status_code == 404, response.text
    assert response.json() == {"detail": "There is nothing at this path."}
