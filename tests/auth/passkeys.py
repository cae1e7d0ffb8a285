"""Passkeys from the side of browsers: clients of the site, and the registration of a passkey."""

from typing import Any

from tests.auth.authenticator import Authenticator
from tests.auth.factors import FACTORS
from tests.clients import Client
from tests.server import Server
from tests.world import World

ORIGIN = "https://issues.helpdesk.example"
BEGIN, SIGN_IN = "/api/auth/login/passkey/options", "/api/auth/login/passkey"
MAKE = f"{FACTORS}/passkeys"


def client_of(world: World, site: Server, who: str) -> Client:
    client = world.client(who)
    client.base_url = site.url
    token = client.cookies.get("issue_tracker_session") or ""
    client.cookies.clear()
    client.headers["Cookie"] = f"__Host-issue_tracker_session={token}"
    return client


def stranger(world: World, site: Server) -> Client:
    client = world.anonymous()
    client.base_url = site.url
    return client


def registered(client: Client, key: Authenticator, name: str = "Laptop", status: int = 201) -> Any:
    begun = client.call("POST", f"{MAKE}/options", 200)
    body = {"challenge": begun["challenge"], "name": name, "credential": key.make(begun["options"])}
    return client.call("POST", MAKE, status, json=body)
