"""Idempotency-Key on POST: a retry gets the response to the first request and has no second effect (contract, section
5).
"""

from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select

from issue_tracker.actor import Actor
from issue_tracker.auth import tokens
from issue_tracker.auth.sessions import require_running
from issue_tracker.database.tables import idempotency_keys, sessions
from issue_tracker.errors import Conflict, TooManyAttempts, Unavailable
from issue_tracker.issues import operations
from issue_tracker.server import stored_responses
from tests.cases import cases
from tests.clients import Client
from tests.company_access.limits import set_access
from tests.world import PASSWORD, World


def post(client: Client, key: str, body: Any, path: str = "/api/issues") -> httpx.Response:
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def test_a_retry_gets_the_first_response_and_has_no_second_effect(world: World) -> None:
    client = world.client()
    first = post(client, "k1", {"name": "Fault"})
    second = post(client, "k1", {"name": "Fault"})
    assert first.status_code == second.status_code == 201
    assert second.content == first.content and second.headers["Location"] == first.headers["Location"]
    assert second.headers["ETag"] == first.headers["ETag"]
    assert "Idempotent-Replayed" not in first.headers and second.headers["Idempotent-Replayed"] == "true"
    assert client.call("GET", "/api/issues", 200)["total"] == 1
    assert len(world.history()) == 1


def test_a_retried_change_of_password_gets_the_first_response(world: World) -> None:
    client = world.client()
    body = {"current_password": PASSWORD, "new_password": "staple battery horse correct"}
    first, second = (post(client, "k1", body, "/api/auth/password") for _ in range(2))
    assert (first.status_code, second.status_code) == (204, 204)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert post(client, "k1", body | {"new_password": "another one entirely"}, "/api/auth/password").status_code == 422
    with world.database.read() as tx:
        stored = tx.execute(select(idempotency_keys.c.key)).scalars().all()
    assert len(stored) == 1 and "k1" not in stored


def test_a_key_is_the_same_quoted_or_bare(world: World) -> None:
    client = world.client()
    post(client, "k1", {"name": "Fault"})
    assert post(client, '"k1"', {"name": "Fault"}).headers["Idempotent-Replayed"] == "true"


def test_another_body_is_rejected(world: World) -> None:
    client = world.client()
    post(client, "k1", {"name": "Fault"})
    assert post(client, "k1", {"name": "Other"}).status_code == 422
    assert client.call("GET", "/api/issues", 200)["total"] == 1


def test_a_refusal_is_repeated_too(world: World) -> None:
    client = world.client()
    world.given_issue("Fault")
    first = post(client, "k1", {"name": "fault"})
    world.client("ada").call("DELETE", "/api/issues/fault", 204)
    second = post(client, "k1", {"name": "fault"})
    assert first.status_code == second.status_code == 400 and first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert client.call("GET", "/api/issues", 200)["total"] == 0


def test_a_request_that_changes_nothing_is_stored_too(world: World) -> None:
    client, path, body = world.client(), "/api/companies/match", {"names": ["Contosso"]}
    first, second = (post(client, "k1", body, path) for _ in range(2))
    assert first.status_code == 200 and second.content == first.content
    assert "Idempotent-Replayed" not in first.headers and second.headers["Idempotent-Replayed"] == "true"
    assert post(client, "k1", {"names": ["Fabrikam"]}, path).status_code == 422
    assert client.call("POST", path, 200, json=body) == first.json() and _stored(world) == 1


def test_a_key_belongs_to_its_user_and_its_path(world: World) -> None:
    post(world.client("tess"), "k1", {"name": "Fault"})
    other = post(world.client("omar"), "k1", {"name": "Fault"})
    assert other.status_code == 400 and "Idempotent-Replayed" not in other.headers
    body = {"issue_name": "Fault", "status": "new"}
    bulk = post(world.client("tess"), "k1", body, "/api/issues/status/bulk")
    assert bulk.status_code == 200 and "Idempotent-Replayed" not in bulk.headers
    again = post(world.client("tess"), "k1", body, "/api/issues/status/bulk")
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_key_is_valid_for_a_day(world: World) -> None:
    post(world.client(), "k1", {"name": "Fault"})
    world.clock.advance(hours=23, minutes=59)
    assert post(world.client(), "k1", {"name": "Fault"}).status_code == 201
    world.clock.advance(minutes=2)
    assert post(world.client(), "k1", {"name": "Fault"}).status_code == 400


def test_expired_keys_are_deleted(world: World) -> None:
    """The next request with a key, of any user, deletes them."""
    for key in ("k1", "k2"):
        post(world.client("tess"), key, {"name": f"Fault {key}"})
    world.clock.advance(hours=23)
    post(world.client("tess"), "k3", {"name": "Fault k3"})
    assert _stored(world) == 3
    world.clock.advance(hours=2)
    post(world.client("omar"), "k4", {"name": "Fault k4"})
    assert _stored(world) == 2


def _stored(world: World) -> int:
    with world.database.read() as tx:
        return len(tx.execute(select(idempotency_keys)).all())


# The header is refused before the database is read.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@cases("key", ["", '""', "x" * 256])
def test_an_invalid_key_is_rejected(world: World, key: str) -> None:
    assert post(world.client(), key, {"name": "Fault"}).status_code == 422
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0


def test_the_longest_key_is_stored(world: World) -> None:
    post(world.client(), "x" * 255, {"name": "Fault"})
    assert post(world.client(), "x" * 255, {"name": "Fault"}).headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(("error", "status"), [(RuntimeError(), 500), (TooManyAttempts(5), 429), (Unavailable(), 503)])
def test_a_failure_is_not_stored(world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    client = world.client()
    monkeypatch.setattr(operations, "create_issue", fail)
    assert post(client, "k1", {"name": "Fault"}).status_code == status
    monkeypatch.undo()
    response = post(client, "k1", {"name": "Fault"})
    assert response.status_code == 201 and "Idempotent-Replayed" not in response.headers


def test_the_end_of_the_session_is_not_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session ends after the request was authenticated. Its user signs in again, and repeats the request."""

    def end(tx: Connection, actor: Actor) -> None:
        tx.execute(sessions.delete().where(sessions.c.id == actor.session_id))
        require_running(tx, actor)

    body = {"name": "monitoring", "scopes": ["read"]}
    monkeypatch.setattr(tokens, "require_running", end)
    assert post(world.client(), "k1", body, "/api/auth/tokens").status_code == 401
    monkeypatch.undo()
    response = post(world.client(), "k1", body, "/api/auth/tokens")
    assert response.status_code == 201 and response.json()["token"], response.text


def test_a_missing_confirmation_is_not_stored(world: World) -> None:
    """The user confirms the session, and repeats the request."""
    ada, path = world.client("ada"), "/api/company-groups/import"
    ada.call("POST", "/api/company-groups", 201, json={"name": "North", "company_names": ["Contoso"]})
    set_access(world, {"company_groups": ["North"]})
    world.clock.advance(minutes=11)
    body = {"csv": "company_name,group\nFabrikam,North\n"}
    refused = post(ada, "k1", body, path)
    assert (refused.status_code, refused.json()["reason"]) == (403, "confirmation_required")
    ada.call("POST", "/api/auth/confirm", 204, json={"password": PASSWORD})
    assert post(ada, "k1", body, path).json() == {"created": 0, "changed": 1, "unchanged": 0}


def test_a_retry_during_the_first_request_is_not_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request may fail after that, so that the next retry has to be performed."""
    find, running = stored_responses.StoredResponses.find_locked, iter([True])

    def find_locked(*arguments: Any) -> Any:
        if next(running, False):
            raise Conflict("A request with the same Idempotency-Key is still running.")
        return find(*arguments)

    monkeypatch.setattr(stored_responses.StoredResponses, "find_locked", find_locked)
    new = {"email": "nina@helpdesk.example", "name": "Nina Vogt", "role": "technician"}
    ada = world.client("ada")
    assert post(ada, "k1", new, "/api/users").status_code == 409
    assert post(ada, "k1", new, "/api/users").status_code == 201


@cases(
    ("path", "body"),
    [
        ("/api/issues", {"name": "Fault"}),
        ("/api/issues/status/bulk", {"issue_name": "There", "status": "closed"}),
        ("/api/companies", {"name": "New"}),
    ],
)
def test_the_change_is_rolled_back_if_the_key_cannot_be_stored(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str, body: Any
) -> None:
    world.empty_issues()
    world.given_issue("There", {"Contoso": "new"})
    client = world.client("ada")

    def state() -> tuple[Any, ...]:
        return (
            client.get("/api/issues").json(),
            client.get("/api/companies").json(),
            len(world.history()),
            _stored(world),
        )

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    before = state()
    monkeypatch.setattr(stored_responses, "insert", fail)
    assert post(client, "k1", body, path).status_code == 500
    assert state() == before
    monkeypatch.undo()
    response = post(client, "k1", body, path)
    assert response.is_success and "Idempotent-Replayed" not in response.headers
    assert state() != before


def test_secrets_are_not_shown_again(world: World) -> None:
    client = world.client("ada")
    body = {"name": "monitoring", "scopes": ["read"]}
    first, second = (post(client, "k1", body, "/api/auth/tokens") for _ in range(2))
    assert first.json()["token"].startswith("itk_") and second.json() == first.json() | {"token": None}
    account = {"email": "new@helpdesk.example", "name": "New", "role": "member"}
    first, second = (post(client, "k2", account, "/api/users") for _ in range(2))
    assert "/invitation?token=" in first.json()["invitation_url"]
    assert second.json() == first.json() | {"invitation_url": None}
    company = {"name": "Brand New"}
    first, second = (post(client, "k3", company, "/api/companies") for _ in range(2))
    assert first.status_code == 201 and second.json() == first.json()


def test_a_key_on_another_method_is_ignored(world: World) -> None:
    world.given_issue("Fault")
    client = world.client()
    for number in range(2):
        response = client.put("/api/issues/Fault", json={"description": f"{number}"}, headers={"Idempotency-Key": "k1"})
        assert response.json()["description"] == f"{number}"


@cases(
    ("path", "refused", "good"),
    [
        ("/api/issues", {"name": ""}, {"name": "Fault"}),
        (
            "/api/users",
            {"email": "no", "name": "N", "role": "member"},
            {"email": "n@h.example", "name": "N", "role": "member"},
        ),
        (
            "/api/auth/password",
            {"current_password": "wrong one", "new_password": "a longer password"},
            {"current_password": PASSWORD, "new_password": "a longer password"},
        ),
    ],
)
def test_the_response_to_a_refused_body_is_stored_like_any_other(
    world: World, path: str, refused: Any, good: Any
) -> None:
    ada = world.client("ada")
    key = {"Idempotency-Key": "k"}
    first = ada.post(path, json=refused, headers=key)
    assert first.status_code == 400
    again = ada.post(path, json=refused, headers=key)
    assert (again.status_code, again.text) == (400, first.text)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ada.post(path, json=good, headers=key).status_code == 422
    assert ada.post(path, json=good, headers={"Idempotency-Key": "another"}).status_code < 300


# The order of the checks does not depend on the database.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@cases("key", ["used", "x" * 256])
def test_an_unreadable_body_is_refused_before_the_key(world: World, key: str) -> None:
    """The contract's order (section 2): 413 and 415 before 422."""
    client = world.client()
    post(client, "used", {"name": "Fault"})
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    assert client.post("/api/issues", content=b'"' + b"x" * 2**20 + b'"', headers=headers).status_code == 413
    headers["Content-Type"] = "text/plain"
    assert client.post("/api/issues", content=b'{"name": "Other"}', headers=headers).status_code == 415
    assert _stored(world) == 1


# The same.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_refusal_of_an_unreadable_body_is_not_stored(world: World) -> None:
    client = world.client()
    large = {"name": "Fault", "description": "x" * 2**20}
    assert post(client, "k1", large).status_code == 413
    assert post(client, "k1", {"name": "Fault"}).status_code == 201
