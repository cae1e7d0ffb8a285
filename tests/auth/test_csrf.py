"""CSRF (contract, section 3): the truth table of cookie, CSRF token and bearer token."""

from itertools import product

from tests.engines import decided_in_python
from tests.world import World

COOKIES = ("none", "live", "dead")
CSRF = ("none", "right", "wrong", "another session's")
BEARERS = ("none", "live", "dead")


def expected(cookie: str, csrf: str, bearer: str, unsafe: bool) -> int:
    """The rule of the contract: a session needs its CSRF token on every unsafe request, and a bearer token is an
    exemption only without a session cookie.
    """
    if cookie == "live":
        return 403 if unsafe and csrf != "right" else 200
    if bearer != "live":
        return 401
    return 403 if unsafe and cookie == "dead" else 200


@decided_in_python
def test_every_combination_of_cookie_csrf_token_and_bearer_token(world: World) -> None:
    signed_in, other = world.client("tess"), world.client("tess")
    bearer_token = world.token("tess")
    world.given_issue("Fault")
    for cookie, csrf, bearer in product(COOKIES, CSRF, BEARERS):
        client = world.anonymous()
        if cookie != "none":
            live = signed_in.cookies["issue_tracker_session"]
            client.cookies.set("issue_tracker_session", live if cookie == "live" else "x" * 43)
        if csrf != "none":
            tokens = {
                "right": signed_in.headers["X-CSRF-Token"],
                "wrong": "0" * 64,
                "another session's": other.headers["X-CSRF-Token"],
            }
            client.headers["X-CSRF-Token"] = tokens[csrf]
        if bearer != "none":
            client.headers["Authorization"] = f"Bearer {bearer_token if bearer == 'live' else 'itk_x'}"
        for method, unsafe in (("GET", False), ("HEAD", False), ("PUT", True)):
            note = f"{cookie=} {csrf=} {bearer=} {method}"
            response = client.request(method, "/api/issues/Fault", json={"description": note} if unsafe else None)
            assert response.status_code == expected(cookie, csrf, bearer, unsafe), f"{note}: {response.text}"
            stored = signed_in.call("GET", "/api/issues/Fault", 200)["description"]
            assert (stored == note) is (unsafe and response.status_code == 200), note


@decided_in_python
def test_the_token_is_not_read_from_the_query_or_the_body(world: World) -> None:
    client = world.client()
    token = client.headers.pop("X-CSRF-Token")
    assert client.post("/api/issues", json={"name": "x", "_csrf": token}).status_code == 403
    assert client.post(f"/api/issues?_csrf={token}", json={"name": "x"}).status_code == 403
    assert client.post("/api/issues", data={"name": "x", "_csrf": token}).status_code == 403
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0
