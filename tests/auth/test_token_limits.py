"""Limits of a token other than its scopes: networks, company access, and the lifetimes of the settings."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from issue_tracker.auth import token_use
from issue_tracker.auth.token_networks import accepts
from issue_tracker.database.tables import tokens
from issue_tracker.events import deferred
from issue_tracker.settings import Settings
from tests.cases import cases
from tests.clients import NO_ROOTS
from tests.company_access.limits import names, set_access
from tests.engines import decided_in_python
from tests.server import Server, serving
from tests.shared import Shared
from tests.waiting import eventually
from tests.world import Clock, World

TOKENS = "/api/auth/tokens"
BODY: dict[str, Any] = {"name": "monitoring", "scopes": ["read", "write"]}
ELSEWHERE = "127.0.0.9"


def status(world: World, token: str, address: str = "127.0.0.1", path: str = "/api/issues?limit=1") -> int:
    """Returns the status of a request with a token that comes from an address of the loopback network."""
    transport = httpx.HTTPTransport(local_address=address, verify=NO_ROOTS)
    with httpx.Client(base_url=world.server.url, transport=transport, trust_env=False) as client:
        return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code


@decided_in_python
def test_a_token_is_accepted_only_from_its_networks(world: World) -> None:
    body = BODY | {
        "networks": ["127.0.0.1", " 127.0.0.1/32 ", "2001:DB8::/32", "::ffff:127.0.0.1", "::ffff:7f00:1/128"]
    }
    made = world.client().call("POST", TOKENS, 201, json=body)
    assert made["networks"] == ["127.0.0.1/32", "2001:db8::/32"]
    assert world.client().call("GET", TOKENS, 200)["items"][0]["networks"] == made["networks"]
    anywhere = world.token("tess")
    for _ in range(2):  # the second time after a response that could have been cached
        assert (status(world, made["token"]), status(world, made["token"], ELSEWHERE)) == (200, 401)
        assert (status(world, anywhere), status(world, anywhere, ELSEWHERE)) == (200, 200)
    event = next(event for event in world.history(audit=True) if event.type == "token.created")
    assert event.note == "monitoring (networks: 127.0.0.1/32, 2001:db8::/32)"
    # Sockets for both protocols write IPv4 addresses in this way; the address of a client may also be unknown.
    assert [accepts("192.0.2.0/24", text) for text in ("::ffff:192.0.2.7", "::ffff:192.0.3.7", "")] == [
        True,
        False,
        False,
    ]


def test_a_use_from_elsewhere_is_audited_and_refused_like_an_unknown_token(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred, "DELAY_SECONDS", 0.01)
    with serving(Settings(database_url=world.server.settings.database_url, log_level="error")) as prompt:
        _refused_elsewhere(world, prompt)


def _refused_elsewhere(world: World, prompt: Server) -> None:
    token = world.client().call("POST", TOKENS, 201, json=BODY | {"networks": ["192.0.2.0/24"]})["token"]
    unknown = f"itk_0123456789abcdef_{'x' * 43}"
    answers = [
        world.anonymous().get(f"{prompt.url}/api/issues", headers={"Authorization": f"Bearer {text}"})
        for text in (token, unknown)
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].content == answers[1].content
    listed = world.client().call("GET", TOKENS, 200)["items"]
    assert listed[0]["last_used_at"] is None

    def refused() -> list[tuple[str, str, str]]:
        found = [event for event in world.history(audit=True) if event.type == "token.refused"]
        return [(event.actor_name, event.channel, event.note) for event in found]

    eventually(lambda: bool(refused()))
    assert refused() == [("Tess Ngo", "token:monitoring", "used outside its networks, from 127.0.0.1")]


@decided_in_python
@cases(
    ("change", "field"),
    [
        ({"networks": ["192.0.2.1/24"]}, "networks[0]"),
        ({"networks": ["10.0.0.0/8", "somewhere"]}, "networks[1]"),
        ({"networks": ["10.0.0.0/33"]}, "networks[0]"),
        ({"networks": ["fe80::1%eth0"]}, "networks[0]"),
        ({"networks": ["10.0.0.0/8", "fe80::1%a b"]}, "networks[1]"),
        ({"networks": [f"10.0.0.{number}" for number in range(51)]}, "networks"),
        ({"networks": "10.0.0.0/8"}, "networks"),
        ({"company_access": "none"}, "company_access"),
        ({"company_access": {"companies": ["Contoso", "contoso"]}}, "company_access.companies[1]"),
    ],
)
def test_invalid_limits_are_rejected(world: World, change: dict[str, Any], field: str) -> None:
    assert world.client().call("POST", TOKENS, 400, json=BODY | change)["errors"][0]["field"] == field
    assert world.client().call("GET", TOKENS, 200)["total"] == 0


def test_a_token_sees_only_what_both_it_and_its_owner_may_see(world: World) -> None:
    world.given_issue("Shared", {"Contoso": "new", "Fabrikam": "new", "Zürich (Nord)": "new"})
    ada, owner = world.client("ada"), world.client()
    group = ada.call("POST", "/api/company-groups", 201, json={"name": "North", "company_names": ["Fabrikam"]})
    access = {"company_groups": ["north"], "companies": ["contoso"]}
    made = owner.call("POST", TOKENS, 201, json=BODY | {"company_access": access})
    assert made["company_access"] == {"company_groups": ["North"], "companies": ["Contoso"]}
    token = world.anonymous()
    token.headers["Authorization"] = f"Bearer {made['token']}"
    assert names(token) == {"Shared": ["Contoso", "Fabrikam"]}
    token.call("PUT", "/api/issues/Shared", 403, json={"description": "x"})
    change = {"issue_name": "Shared", "company_name": "Zürich (Nord)", "status": "closed"}
    assert "There is no company" in token.call("PUT", "/api/issues/status", 404, json=change)["detail"]

    set_access(world, {"companies": ["Contoso", "Zürich (Nord)"]})
    assert names(token) == {"Shared": ["Contoso"]}
    assert names(world.client()) == {"Shared": ["Contoso", "Zürich (Nord)"]}
    # The owner does not see the names of companies that have become hidden; a user who sees all companies does.
    assert owner.call("GET", TOKENS, 200)["items"][0]["company_access"] == {
        "company_groups": [],
        "companies": ["Contoso"],
    }
    hidden = BODY | {"name": "hidden", "company_access": {"companies": ["Fabrikam"]}}
    assert "There is no company called" in owner.call("POST", TOKENS, 404, json=hidden)["detail"]
    set_access(world, "all")
    ada.call("PUT", f"/api/company-groups/{group['group_id']}", 200, json={"company_names": []})
    assert names(token) == {"Shared": ["Contoso"]}
    refused = ada.call("DELETE", f"/api/company-groups/{group['group_id']}", 400)["detail"]
    assert "a user, a token or a group mapping; change that first" in refused
    owner.call("DELETE", f"{TOKENS}/{made['id']}", 204)
    ada.call("DELETE", f"/api/company-groups/{group['group_id']}", 204)


def test_a_token_that_is_not_used_for_a_year_expires(world: World) -> None:
    used, unused = world.token("tess", name="used"), world.token("tess", name="unused")
    for _ in range(2):
        world.clock.advance(days=300)
        assert status(world, used) == 200
    assert (status(world, used), status(world, unused)) == (200, 401)
    world.clock.advance(days=366)
    assert status(world, used) == 401


@pytest.fixture
def strict(engine: str, shared: Shared, clock: Clock) -> Iterator[World]:
    """A server on which tokens live for ten days, and for two without being used."""
    settings = Settings(
        database_url=shared.migrated(engine), log_level="error", token_lifetime_days=10, token_idle_days=2
    )
    with serving(settings) as server:
        world = World(server, clock)
        yield world
        world.close()


@decided_in_python
def test_the_settings_limit_the_lifetime(strict: World) -> None:
    owner = strict.client()
    for end in ("2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert owner.call("POST", TOKENS, 400, json=BODY | {"expires_at": end})["errors"][0]["field"] == "expires_at"
    made = owner.call("POST", TOKENS, 201, json=BODY)
    assert made["expires_at"] is not None and made["created_at"] < made["expires_at"]
    with strict.database.write() as tx:  # as if created before there was a limit
        tx.execute(tokens.update().values(expires_at=None))
    for _ in range(6):
        assert status(strict, made["token"]) == 200
        strict.clock.advance(days=1.9)
    assert status(strict, made["token"]) == 401
    page = strict.client().get("/account").text
    assert "in 10 days" in page and "never</option>" not in page


def test_a_token_without_limits_needs_no_additional_statement(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = world.token("tess", name="plain")
    bound = world.client().call("POST", TOKENS, 201, json=BODY | {"networks": ["127.0.0.0/8"]})["token"]
    monkeypatch.setattr(token_use, "load_token_accesses", None)
    assert status(world, bound) == status(world, plain) == 200
