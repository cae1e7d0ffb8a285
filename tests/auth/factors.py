"""Second factors from the user's side: the app's codes, and the two steps of a sign-in."""

from datetime import timedelta
from typing import Any

import msgspec
import pyotp

from tests.clients import Client
from tests.world import CAST, PASSWORD, World

LOGIN, SECOND = "/api/auth/login", "/api/auth/login/second-factor"
TOTP, VERIFY, FACTORS = "/api/auth/factors/totp", "/api/auth/factors/totp/verify", "/api/auth/factors"


class App(msgspec.Struct):
    """An authenticator app that has been set up, and its recovery codes."""

    secret: str
    codes: list[str]

    def code(self, world: World, *, steps: int = 0) -> str:
        """Returns the code that the app shows this number of 30-second steps from now."""
        return pyotp.TOTP(self.secret).at(world.clock.now() + timedelta(seconds=30 * steps))


def enrol(world: World, who: str = "tess", client: Client | None = None) -> App:
    """Sets up an authenticator app, and advances the clock to its next code: the first one has been used."""
    client = client or world.client(who)
    made = client.call("POST", TOTP, 201, json={})
    app = App(made["secret"], [])
    verified = client.call("POST", VERIFY, 200, json={"id": made["id"], "code": app.code(world)})
    app.codes = verified["recovery_codes"]
    world.clock.advance(seconds=60)
    return app


def credentials(who: str = "tess", password: str = PASSWORD) -> dict[str, str]:
    return {"email": CAST[who][0], "password": password}


def first_step(client: Client, who: str = "tess") -> str:
    """Returns the challenge after a correct password."""
    refused = client.call("POST", LOGIN, 401, json=credentials(who))
    assert refused["reason"] == "second_factor_required"
    return str(refused["challenge"])


def second_step(client: Client, challenge: str, code: str, status: int = 200, method: str = "totp", **more: Any) -> Any:
    return client.call("POST", SECOND, status, json={"challenge": challenge, "method": method, "code": code, **more})
