"""The expected result for each kind of sender and each route, derived from the lists of access.py, and the result that
a response shows.
"""

import httpx
import msgspec

from tests.access import EXPECTED
from tests.access_fresh import CREDENTIALS, FIRST, FRESH, LINKS

OPEN, UNKNOWN, REFUSED, SIGN_IN, CONFIRM, CHOOSE = "yes", "401", "403", "sign-in", "confirm", "password"
MAY: dict[str, set[str]] = {
    "member": {"signed in"},
    "customer": {"signed in", "customer"},
    "technician": {"signed in", "helpdesk"},
    "limited super admin": {"signed in", "helpdesk", "super admin"},
    "super admin": {"signed in", "helpdesk", "super admin", "unlimited super admin"},
}
"""The access that each role has in addition to public routes."""


class Actor(msgspec.Struct, frozen=True):
    """A kind of sender: `role` is empty for unauthenticated senders, `token` is the scope of an API token."""

    name: str
    role: str = ""
    token: str = ""
    fresh: bool = True
    given_password: bool = False


ACTORS = [
    Actor("anonymous"),
    Actor("ended session"),
    Actor("given password", "super admin", given_password=True),
    Actor("old session", "super admin", fresh=False),
    *(
        Actor(f"{role}, {kind}", role, token)
        for role in MAY
        for kind, token in (("session", ""), ("read token", "read"), ("write token", "write"))
    ),
]


def expected(name: str, actor: Actor) -> str:
    """Returns the expected result of a request to the route: OPEN if only its input decides."""
    page = " /api/" not in name
    if name in LINKS:
        return REFUSED
    if EXPECTED[name] == "public":
        return OPEN
    if EXPECTED[name] == "SCIM token":
        return UNKNOWN
    if not actor.role:
        return SIGN_IN if page else UNKNOWN
    if actor.token == "read" and not name.startswith("GET "):
        return REFUSED
    if actor.token and page:
        return SIGN_IN
    if actor.given_password and name not in FIRST:
        return CHOOSE
    if EXPECTED[name] not in MAY[actor.role]:
        return REFUSED
    if actor.token and CREDENTIALS.search(name):
        return UNKNOWN if name == "GET /api/auth/session" else REFUSED
    return CONFIRM if name in FRESH and not actor.fresh else OPEN


def outcome(response: httpx.Response) -> str:
    """Returns the result of a request, in the terms of tests/access.py."""
    location = response.headers.get("Location", "")
    if location.startswith("/login?next"):
        return SIGN_IN
    if location.startswith("/password?next"):
        return CHOOSE
    if response.status_code not in (401, 403):
        assert response.status_code < 500, f"{response.request.method} {response.request.url}: {response.text}"
        return OPEN
    if response.status_code == 401:
        assert "Bearer" in response.headers["WWW-Authenticate"]
        return UNKNOWN
    if "confirmation_required" in response.text or "Confirm that it is you" in response.text:
        return CONFIRM
    if "password_change_required" in response.text:
        return CHOOSE
    said = ("is required.", "may only read", "requires a session", "link is no")
    assert any(words in response.text for words in said), response.text
    return REFUSED
