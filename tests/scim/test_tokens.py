"""SCIM tokens: who creates them, where they are valid, and how they end."""

from datetime import timedelta

import pytest

from tests.clients import Client
from tests.scim.directory import ERROR, Directory
from tests.world import World

TOKENS = "/api/scim-tokens"


def with_token(world: World, token: str) -> Client:
    client = world.anonymous()
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def test_super_admins_create_list_and_revoke_tokens(world: World) -> None:
    ada = world.client("ada")
    body = {"name": "Entra ID", "expires_at": "2099-01-01T00:00:00Z", "networks": ["127.0.0.0/8"]}
    made = ada.call("POST", TOKENS, 201, json=body)
    text = made.pop("token")
    assert made["networks"] == body["networks"] and made["last_used_at"] is None
    assert ada.call("GET", TOKENS, 200) == {"items": [made], "total": 1}
    provider = with_token(world, text)
    provider.call("GET", "/scim/v2/Users", 200)
    (listed,) = ada.call("GET", TOKENS, 200)["items"]
    assert listed["last_used_at"] is not None and text.split("_", 2)[2] not in ada.get(TOKENS).text
    for wrong in (
        {"name": "ENTRA ID"},
        {"name": "x", "expires_at": "2001-01-01T00:00:00Z"},
        {"name": "x", "networks": ["y"]},
    ):
        ada.call("POST", TOKENS, 400, json=wrong)
    world.client("tess").call("POST", TOKENS, 403, json={"name": "mine"})
    world.bearer("ada").call("GET", TOKENS, 403)

    (shown,) = [one for one in ada.call("GET", "/api/credentials", 200)["items"] if one["kind"] == "scim"]
    assert (shown["name"], shown["user"], shown["expires_at"]) == ("Entra ID", None, "2099-01-01T00:00:00+00:00")
    ada.call("DELETE", f"{TOKENS}/{made['id']}", 204)
    ada.call("DELETE", f"{TOKENS}/{made['id']}", 404)
    refused = provider.call("GET", "/scim/v2/Users", 401)
    assert refused["schemas"] == [ERROR] and "SCIM token" in refused["detail"]
    recorded = [(row.type, row.note) for row in world.history(audit=True) if "(SCIM" in (row.note or "")]
    assert recorded == [
        ("token.created", "Entra ID (SCIM; networks: 127.0.0.0/8)"),
        ("token.deleted", "Entra ID (SCIM)"),
    ]


def test_scim_accepts_only_its_tokens_which_are_valid_nowhere_else(world: World) -> None:
    directory = Directory(world)
    provider = directory.client
    for path in ("/api/issues", "/api/users", "/api/events", "/api/scim-tokens", "/api/auth/session"):
        provider.call("GET", path, 401)
    for client in (
        world.client("ada"),
        world.bearer("ada"),
        world.anonymous(),
        with_token(world, directory.token[:-1]),
    ):
        for path in ("/Users", "/Groups", "/ServiceProviderConfig", "/nothing"):
            response = client.get(f"/scim/v2{path}")
            assert response.status_code == 401 and "Bearer" in response.headers["www-authenticate"]
            assert response.headers["content-type"] == "application/scim+json"
    assert directory.call("GET", "/nothing", 404)["schemas"] == [ERROR]
    assert directory.call("DELETE", "/Users", 405)["status"] == "405"
    response = provider.post("/scim/v2/Users", content=b"{}", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415
    assert provider.get("/scim/v2/Users").headers["cache-control"] == "no-store"


def test_a_token_expires(world: World) -> None:
    ada = world.client("ada")
    made = ada.call("POST", TOKENS, 201, json={"name": "soon", "expires_at": "2099-01-01T00:00:00Z"})
    elsewhere = ada.call("POST", TOKENS, 201, json={"name": "elsewhere", "networks": ["192.0.2.0/24"]})
    with_token(world, elsewhere["token"]).call("GET", "/scim/v2/Users", 401)
    idle, used = (with_token(world, Directory(world, name).token) for name in ("idle", "used"))
    ends = {"name": "brief", "expires_at": (world.clock.now() + timedelta(days=200)).isoformat()}
    brief = with_token(world, ada.call("POST", TOKENS, 201, json=ends)["token"])
    for days, status in ((199, 200), (1, 401)):
        world.clock.advance(days=days)
        brief.call("GET", "/scim/v2/Users", status)
    used.call("GET", "/scim/v2/Users", 200)
    world.clock.advance(days=166)
    idle.call("GET", "/scim/v2/Users", 401)
    used.call("GET", "/scim/v2/Users", 200)
    with_token(world, made["token"]).call("GET", "/scim/v2/Users", 401)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_page_creates_and_revokes_tokens(world: World) -> None:
    ada = world.client("ada")
    csrf = {"_csrf": ada.headers["X-CSRF-Token"]}
    assert "/scim/v2</code>" in ada.get("/admin/scim").text
    refused = ada.post("/admin/scim/tokens", data={"name": "", "networks": "somewhere"} | csrf)
    assert refused.status_code == 400 and "somewhere" in refused.text
    fields = {"name": "Entra ID", "days": "365", "networks": ""}
    page = ada.post("/admin/scim/tokens", data=fields | csrf, follow_redirects=True).text
    text = "itscim_" + page.partition("itscim_")[2].partition("<")[0]
    provider = with_token(world, text)
    provider.call("POST", "/scim/v2/Groups", 201, json={"displayName": "Helpdesk <x>"})
    page = ada.get("/admin/scim").text
    assert "Helpdesk &lt;x&gt;" in page and "not mapped" in page
    (token,) = ada.call("GET", TOKENS, 200)["items"]
    path = f"/admin/scim/tokens/{token['id']}/revoke"
    assert "Revoke this token?" in ada.post(path, data=csrf).text
    ada.post(path, data={"_sure": "1"} | csrf)
    provider.call("GET", "/scim/v2/Groups", 401)
