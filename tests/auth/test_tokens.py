"""API tokens (contract, section 9)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import PASSWORD, World

TOKENS = "/api/auth/tokens"
BODY = {"name": "monitoring", "scopes": ["read", "write"]}


def bearer(world: World, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return world.anonymous().get("/api/issues", headers=headers).status_code


def test_a_token_is_shown_once_and_works(world: World) -> None:
    made = world.client().call("POST", TOKENS, 201, json=BODY)
    shown = {"id", "name", "scopes", "networks", "company_access", "created_at", "expires_at", "last_used_at", "token"}
    assert set(made) == shown and (made["networks"], made["company_access"]) == ([], "all")
    assert made["token"].startswith("itk_") and made["scopes"] == ["read", "write"]
    assert bearer(world, made["token"]) == 200
    listed = world.client().call("GET", TOKENS, 200)
    assert listed["total"] == 1 and "token" not in listed["items"][0]
    assert made["token"].split("_", 2)[2] not in str(listed)
    assert world.client("omar").call("GET", TOKENS, 200)["total"] == 0


def test_only_one_of_several_simultaneous_tokens_has_a_name(world: World) -> None:
    clients, start = [world.client() for _ in range(6)], Barrier(6)

    def create(number: int) -> int:
        start.wait(30)
        return clients[number].request("POST", TOKENS, json=BODY).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(create, range(6))) == [201, *[400] * 5]


def test_a_token_needs_no_csrf_token_and_is_named_in_the_history(world: World) -> None:
    world.bearer("tess", name="night shift").call("POST", "/api/issues", 201, json={"name": "Fault"})
    (event,) = world.history()
    assert (event.actor_name, event.channel) == ("Tess Ngo", "token:night shift")


def test_a_token_with_only_the_scope_read_changes_nothing(world: World) -> None:
    client = world.bearer("tess", "read")
    client.call("GET", "/api/issues", 200)
    client.call("POST", "/api/issues", 403, json={"name": "Fault"})
    assert client.call("GET", "/api/issues", 200)["total"] == 0


@decided_in_python
@cases(
    "text",
    [
        "x",
        "itk_",
        "itk__",
        "itk_0123456789abcdef_",
        "itk_zzzzzzzzzzzzzzzz_" + "x" * 43,
        "é",
        "a" * 5000,
    ],
)
def test_a_malformed_token_is_refused(world: World, text: str) -> None:
    response = world.anonymous().get("/api/issues", headers={b"Authorization": f"Bearer {text}".encode()})
    assert response.status_code == 401 and "Bearer" in response.headers["WWW-Authenticate"]


@decided_in_python
def test_only_the_scheme_bearer_is_accepted_in_any_case(world: World) -> None:
    token, client = world.token("tess"), world.anonymous()
    for scheme, status in (("Bearer", 200), ("bearer", 200), ("BEARER", 200), ("Basic", 401), ("Token", 401)):
        assert client.get("/api/issues", headers={"Authorization": f"{scheme} {token}"}).status_code == status, scheme


def test_the_id_alone_is_not_accepted(world: World) -> None:
    token = world.token("tess")
    other = world.token("omar", name="other")
    assert bearer(world, "_".join([*token.split("_")[:2], other.split("_", 2)[2]])) == 401
    assert bearer(world, token[:-1] + ("A" if token[-1] != "A" else "B")) == 401
    assert bearer(world, token) == 200


def test_a_revoked_token_ends_immediately(world: World) -> None:
    made = world.client().call("POST", TOKENS, 201, json=BODY)
    world.client("omar").call("DELETE", f"{TOKENS}/{made['id']}", 404)
    assert bearer(world, made["token"]) == 200
    world.client().call("DELETE", f"{TOKENS}/{made['id']}", 204)
    assert bearer(world, made["token"]) == 401
    assert world.client().call("GET", TOKENS, 200)["total"] == 0
    world.client().call("DELETE", f"{TOKENS}/{made['id']}", 404)


def test_a_token_expires(world: World) -> None:
    end = "2099-01-01T00:00:00+02:00"
    made = world.client().call("POST", TOKENS, 201, json=BODY | {"expires_at": end})
    assert made["expires_at"] == "2098-12-31T22:00:00+00:00"
    assert bearer(world, made["token"]) == 200
    world.clock.advance(days=365 * 90)
    assert bearer(world, made["token"]) == 401


def test_an_expiry_beyond_the_calendar_is_the_last_representable_time(world: World) -> None:
    body = BODY | {"expires_at": "9999-12-31T23:59:59-14:00"}
    made = world.client().call("POST", TOKENS, 201, json=body)
    assert made["expires_at"].startswith("9999-12-31T") and bearer(world, made["token"]) == 200


def test_the_last_use_is_stored_within_a_minute(world: World) -> None:
    token = world.token("tess")

    def last_used() -> Any:
        return world.client().call("GET", TOKENS, 200)["items"][0]["last_used_at"]

    assert last_used() is None
    bearer(world, token)
    first = last_used()
    assert first is not None
    bearer(world, token)
    assert last_used() == first
    world.clock.advance(minutes=1)
    bearer(world, token)
    assert last_used() > first


def test_a_token_never_does_more_than_its_owner_may(world: World) -> None:
    token = world.bearer("tess")
    token.call("GET", "/api/users", 403)
    token.call("POST", TOKENS, 403, json=BODY | {"name": "grandchild"})
    assert world.client().call("GET", TOKENS, 200)["total"] == 1


@decided_in_python
def test_a_token_of_a_super_admin_never_manages_users_or_credentials(world: World) -> None:
    """Otherwise the thief of a token could set its owner's password, add a super admin, and end the owner's
    sessions.
    """
    owner, token = world.client("ada"), world.bearer("ada")
    before = owner.call("GET", "/api/users", 200)
    own = next(user["user_id"] for user in before["items"] if user["email"] == "ada@helpdesk.example")
    (session,) = (one for one in owner.call("GET", "/api/auth/sessions", 200)["items"] if one["current"])
    eve = {"email": "eve@x.example", "name": "Eve", "role": "super_admin", "password": "a long enough one"}
    for method, path, body in (
        ("PUT", f"/api/users/{own}", {"password": "a long enough one"}),
        ("PUT", f"/api/users/{own}", {"active": False}),
        ("POST", "/api/users", eve),
        ("GET", "/api/users", None),
        ("POST", "/api/auth/password", {"current_password": PASSWORD, "new_password": "a long enough one"}),
        ("GET", "/api/auth/sessions", None),
        ("DELETE", f"/api/auth/sessions/{session['id']}", None),
        ("POST", "/api/auth/logout", {}),
        ("GET", TOKENS, None),
        ("POST", TOKENS, BODY),
        ("POST", "/api/webhooks", {"url": "https://h.example/"}),
        ("GET", "/api/webhooks", None),
    ):
        token.call(method, path, 403, **({} if body is None else {"json": body}))
    assert owner.call("GET", "/api/users", 200) == before
    assert owner.call("GET", "/api/webhooks", 200)["total"] == 0
    assert owner.call("GET", TOKENS, 200)["total"] == 1
    credentials = {"email": "ada@helpdesk.example", "password": PASSWORD}
    world.anonymous().call("POST", "/api/auth/login", 200, json=credentials)


@decided_in_python
@cases(
    ("body", "field"),
    [
        ({}, "name"),
        (BODY | {"scopes": []}, "scopes"),
        (BODY | {"scopes": ["admin"]}, "scopes[0]"),
        (BODY | {"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        (BODY | {"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        (BODY | {"expires_at": "soon"}, "expires_at"),
        (BODY | {"owner": 1}, "owner"),
    ],
)
def test_an_invalid_token_is_refused(world: World, body: dict[str, Any], field: str) -> None:
    assert world.client().call("POST", TOKENS, 400, json=body)["errors"][0]["field"] == field
    assert world.client().call("GET", TOKENS, 200)["total"] == 0
