"""Signs in through a provider like a browser, but without Chromium."""

from typing import Any

import httpx

from tests.clients import Client
from tests.single_sign_on.fake import FakeProvider
from tests.single_sign_on.provider import RealProvider, authorization_address, parameters
from tests.world import World

SESSION = "issue_tracker_session"


def begin(client: Client, provider: str, **form: str) -> str:
    """Starts a sign-in, and returns the address of the provider to which the browser is redirected."""
    response = client.post(f"/login/with/{provider}", data=form)
    assert response.status_code == 200, response.text
    return authorization_address(response.text)


def signed_in_there(world: World, real: RealProvider, subject: str, browser: Client | None = None) -> Client:
    """Returns a session through the certified provider."""
    client = world.anonymous()
    client.get(real.sign_in(begin(client, "real"), subject, browser))
    return client


def come_back(client: Client, address: str, code: str, provider: str = "fake", **more: str) -> httpx.Response:
    """Returns from the provider with a code."""
    query = {"code": code, "state": parameters(address)["state"], **more}
    return client.get(f"/login/with/{provider}/callback", params=query)


def sign_in(
    world: World, fake: FakeProvider, client: Client | None = None, /, **claims: Any
) -> tuple[Client, httpx.Response]:
    """Signs in with `fake` and valid claims, with the given changes."""
    client = client or world.anonymous()
    address = begin(client, "fake")
    response = come_back(client, address, fake.grant(address, **claims))
    if response.status_code == 303:
        client.headers["X-CSRF-Token"] = client.call("GET", "/api/auth/session", 200)["csrf_token"]
    return client, response


def who(client: Client) -> str | None:
    """Returns the email address of the user whose session the browser has."""
    response = client.get("/api/auth/session")
    return None if response.status_code == 401 else str(response.json()["user"]["email"])


def failures(world: World) -> list[str]:
    """Returns the reasons of failed sign-ins in the audit."""
    return [row.note for row in world.history(audit=True) if row.type == "session.failed"]
