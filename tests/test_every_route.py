"""Every route refuses unauthorized requests (contract, sections 2 and 3). A route that is not listed fails."""

import re
from operator import attrgetter
from typing import Any

import httpx
import msgspec
import pytest

from issue_tracker.app import declared_routes
from issue_tracker.auth.sessions import csrf_token
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.routes import Route
from issue_tracker.pages.routes import PageRoute
from tests.access import EXPECTED
from tests.access_document import DOCUMENT, document
from tests.access_fresh import CREDENTIALS, FIRST, FRESH
from tests.access_results import ACTORS, MAY, OPEN, Actor, expected, outcome
from tests.cases import cases
from tests.clients import Client
from tests.company_access.limits import limited_super_admin
from tests.server import serving
from tests.world import PASSWORD, World


def name_of(endpoint: Route) -> str:
    return f"{endpoint.method} {endpoint.path}"


ROUTES = {name_of(endpoint): endpoint for endpoint in declared_routes()}
API = [name for name in ROUTES if " /api/" in name]
PRIVATE_API = [name for name in API if EXPECTED.get(name) != "public"]
PAGES = [name for name, endpoint in ROUTES.items() if isinstance(endpoint, PageRoute)]
PRIVATE_PAGES = [name for name in PAGES if EXPECTED.get(name) != "public"]
UNSAFE = [name for name in (*PRIVATE_API, *PRIVATE_PAGES) if not name.startswith("GET")]

IN_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""For details of refusals; the test of all routes and credentials sends refused requests to both databases."""


def send(client: httpx.Client, name: str, **options: Any) -> httpx.Response:
    """Sends a request without valid input, about objects that do not exist, so that only the actor decides."""
    method, path = re.sub(r"{\w+}", "999999999", name).split(" ")
    if name != "GET /api/events/stream":
        return client.request(method, path, **(INPUTS.get(name, {}) | options))
    with client.stream(method, path, **options) as response:
        if response.status_code != 200:
            response.read()
    return response


INPUTS: dict[str, dict[str, Any]] = {
    "POST /login": {"data": {"email": "x" * 300}},
    "POST /login/passkey": {"data": {"challenge": "x" * 600}},
}
"""Bodies for routes on which an empty request would be an attempt to sign in."""


BEFORE_ENROLMENT = {
    "POST /api/auth/confirm",
    "POST /api/auth/confirm/passkey/options",
    "GET /api/auth/factors",
    "POST /api/auth/factors/totp",
    "POST /api/auth/factors/totp/verify",
    "POST /api/auth/factors/passkeys/options",
    "POST /api/auth/factors/passkeys",
    "GET /account/security",
    "POST /account/security/totp",
    "POST /account/security/totp/verify",
    "POST /confirm/{provider}",
    "POST /account/security/passkeys",
}
"""Additional routes for users who have to set up a second factor first."""


def test_every_route_is_listed_and_every_listed_route_exists() -> None:
    assert {name: endpoint.access.value for name, endpoint in ROUTES.items()} == EXPECTED
    assert len(ROUTES) == len(declared_routes())


def clients(world: World, number: int) -> dict[str, Client]:
    """Returns one client for each kind of actor; another number yields other clients of the same kinds."""
    stale, ended, ada = world.client("ada"), world.client("ada"), world.client("ada")
    world.clock.advance(minutes=10)
    ended.call("POST", "/api/auth/logout", 204)
    nina = {"email": f"nina{number}@helpdesk.example", "password": "what Ada said"}
    ada.call("POST", "/api/auth/confirm", 204, json={"password": PASSWORD})
    ada.call("POST", "/api/users", 201, json={**nina, "name": "Nina Vogt", "role": "super_admin"})
    given = world.anonymous()
    given.headers["X-CSRF-Token"] = given.call("POST", "/api/auth/login", 200, json=nina)["csrf_token"]
    found = {"anonymous": world.anonymous(), "ended session": ended, "given password": given, "old session": stale}
    if not number:
        world.given_customer("cara")
        limited_super_admin(world, "omar", "Contoso")
    for role, who in zip(MAY, ("mia", "cara", "tess", "omar", "ada"), strict=True):
        found[f"{role}, session"] = world.client(who)
        found[f"{role}, read token"] = world.bearer(who, "read", name=f"reading {number}")
        found[f"{role}, write token"] = world.bearer(who, name=f"writing {number}")
    return found


_kind = attrgetter("access", "proof", "safe", "before_password_change", "before_enrolment", "__class__")
ONE_OF_EACH_KIND = set({_kind(endpoint): name for name, endpoint in ROUTES.items()}.values())
"""One route for each combination of the properties that decide who may use it."""


def is_sent(engine: str, name: str, actor: Actor) -> bool:
    """Returns whether a route gets a request of an actor: each one of each kind does. The others get those of all
    actors on SQLite, except that no page accepts a token, whosever it is; and on PostgreSQL those of a super admin and
    a customer that they accept, because whom they refuse is decided by the same code before the first statement.
    """
    if name in ONE_OF_EACH_KIND:
        return True
    if engine == "postgresql":
        return actor.name in ("super admin, session", "customer, session") and expected(name, actor) == OPEN
    return not (actor.token and name in PAGES and actor.role != "super admin")


def test_every_route_with_every_kind_of_credential(world: World) -> None:
    """The expected results are docs/security-routes.md."""
    # After a sign-out, another client of the same kind replaces the first one.
    first, last = "POST /logout", "POST /api/auth/logout"
    wrong = []
    for number, names in enumerate(([first], [*(name for name in ROUTES if name not in (first, last)), last])):
        actors = clients(world, number)
        assert list(actors) == [actor.name for actor in ACTORS]
        for actor in ACTORS:
            for name in names:
                if not is_sent(world.engine, name, actor):
                    continue
                found, wanted = outcome(send(actors[actor.name], name)), expected(name, actor)
                if found != wanted:
                    wrong.append(f"{actor.name}: {name}: {found}, expected: {wanted}")
    assert wrong == []


def test_the_document_has_the_expected_results() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run: python -m tests.access"


def test_every_route_about_credentials_requires_a_session() -> None:
    """New routes are found by their path, whether or not they are listed in tests/access.py."""
    found = [
        endpoint
        for endpoint in ROUTES.values()
        if endpoint.access is not Access.PUBLIC and CREDENTIALS.search(endpoint.path)
    ]
    assert len(found) >= 40
    assert [name_of(endpoint) for endpoint in found if endpoint.proof is Proof.CREDENTIAL] == []
    assert {name for name, endpoint in ROUTES.items() if endpoint.proof is Proof.FRESH_SESSION} == FRESH
    assert {name for name, endpoint in ROUTES.items() if endpoint.before_password_change} == FIRST
    assert {name for name, endpoint in ROUTES.items() if endpoint.before_enrolment} == BEFORE_ENROLMENT


def test_a_user_who_needs_a_second_factor_can_only_set_one_up(world: World) -> None:
    needed = msgspec.structs.replace(world.server.settings, second_factor="everyone")
    with serving(needed) as server:
        client = world.client("ada")
        client.base_url = httpx.URL(server.url)
        wrong = []
        for name in (*PRIVATE_API, *PRIVATE_PAGES):
            response = send(client, name)
            refused = "second_factor_enrolment_required" in response.text
            refused |= response.headers.get("Location", "").startswith("/account/security?next")
            if refused is (name in FIRST | BEFORE_ENROLMENT):
                wrong.append(f"{name}: {response.status_code} {response.text[:100]}")
            if name.endswith("/logout"):
                token = world.session_token("ada")
                client.cookies.set("issue_tracker_session", token)
                client.headers["X-CSRF-Token"] = csrf_token(token)
        assert wrong == []
        # A token needs no second factor.
        bearer = world.bearer("ada")
        bearer.base_url = httpx.URL(server.url)
        bearer.call("GET", "/api/issues", 200)


@IN_SQLITE
def test_an_anonymous_caller_of_the_api_is_refused_before_anything_else(world: World) -> None:
    client = world.anonymous()
    for name in PRIVATE_API:
        for options in ({}, {"content": b"x" * 10, "headers": {"Content-Type": "text/plain"}}, {"params": {"x": "1"}}):
            response = send(client, name, **options)
            assert response.status_code == 401, f"{name}: {response.text}"
            assert "Bearer" in response.headers["WWW-Authenticate"], name
            assert response.json() == {"detail": "Sign in to use the issue tracker."}, name


@IN_SQLITE
@cases("credential", ["cookie", "bearer"])
def test_an_invalid_credential_is_refused(world: World, credential: str) -> None:
    client = world.anonymous()
    if credential == "cookie":
        client.cookies.set("issue_tracker_session", "nobody-has-this-one")
    else:
        client.headers["Authorization"] = "Bearer itk_0123456789abcdef_" + "x" * 43
    for name in PRIVATE_API:
        response = send(client, name)
        assert response.status_code == 401 and "WWW-Authenticate" in response.headers, f"{name}: {response.text}"


@IN_SQLITE
@cases("token", [None, "wrong", "", "é"])
def test_a_missing_or_wrong_csrf_token_is_refused(world: World, token: str | None) -> None:
    client = world.client("ada")
    del client.headers["X-CSRF-Token"]
    headers = {} if token is None else {"X-CSRF-Token": token.encode()}
    # One function compares the tokens, so wrong ones are sent to only one route of the API and one page.
    for name in UNSAFE if token is None else ("POST /api/issues", "POST /issues/new"):
        response = send(client, name, headers=headers)
        assert response.status_code == 403, f"{name}: {response.text}"
        if name in PRIVATE_API:
            assert "CSRF" in response.json()["detail"], name
    client.call("GET", "/api/auth/session", 200)


@IN_SQLITE
def test_an_anonymous_visitor_of_a_page_is_sent_to_sign_in(world: World) -> None:
    client = world.anonymous()
    for name in PRIVATE_PAGES:
        response = send(client, name)
        assert response.status_code == 303, f"{name}: {response.status_code}"
        assert response.headers["Location"].startswith("/login"), name


@cases(
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


@cases(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/api/issues", "GET, HEAD, POST"),
        ("DELETE", "/api/issues", "GET, HEAD, POST"),
        ("OPTIONS", "/api/issues", "GET, HEAD, POST"),
        ("TRACE", "/api/issues", "GET, HEAD, POST"),
        ("OPTIONS", "/api/issues/status", "DELETE, PUT"),
        ("POST", "/api/issues/Fault", "DELETE, GET, HEAD, PUT"),
        ("GET", "/api/issues/status/", "DELETE, PUT"),
        ("PATCH", "/api/issues/merge", "DELETE, GET, HEAD, POST, PUT"),
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


@cases(
    ("method", "path"),
    [("GET", "/api/nothing"), ("GET", "/api/issues/a/b"), ("PUT", "/api/users/" + "9" * 5000), ("GET", "/api")],
)
def test_a_path_that_does_not_exist_is_not_found(world: World, method: str, path: str) -> None:
    response = world.client("ada").request(method, path, json={})
    assert response.status_code == 404, response.text
    assert response.json() == {"detail": "There is nothing at this path."}
