"""State in the browser: cookies, messages after a redirect, stored responses, and what a sign-out clears."""

import base64
import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import msgspec
import pytest

from issue_tracker.app import declared_routes
from issue_tracker.http.identity import Access
from issue_tracker.pages.flash import Flash
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.engines import decided_in_python
from tests.processes import ADMIN
from tests.server import serving
from tests.shared import Shared
from tests.world import PASSWORD, World

ROOT = Path(__file__).parents[2] / "src" / "issue_tracker"
HTTPS = "https://issues.helpdesk.example"


def cookies_of(response: httpx.Response) -> list[str]:
    return response.headers.get_list("set-cookie")


def flash_after_saving(client: Client) -> str:
    """Returns the value of the cookie that carries a message to the next page."""
    (cookie,) = cookies_of(client.post("/account/name", data={"name": "Tess Ngo II"}))
    client.cookies.delete("flash")
    return SimpleCookie(cookie)["flash"].value


def shown(client: Client, flash: str) -> bool:
    """Returns whether the message is on a page that is requested with this cookie."""
    session = client.cookies["issue_tracker_session"]
    cookies = f"issue_tracker_session={session}; flash={flash}".encode("latin-1")
    page = client.get("/account", headers={b"Cookie": cookies})
    assert page.status_code == 200
    return 'id="flash"' in page.text


@pytest.fixture
def secure(engine: str, shared: Shared) -> Iterator[Client]:
    """A client of a server whose public address has https."""
    database_url = shared.with_admin(engine)
    settings = Settings(database_url=database_url, log_level="error", deliver_webhooks=False, second_factor="nobody")
    with serving(settings, public_url=HTTPS) as server, Client(base_url=server.url) as client:
        yield client


@decided_in_python
def test_with_https_every_cookie_is_secure_and_bound_to_the_host(secure: Client) -> None:
    form = {"email": ADMIN, "password": PASSWORD}
    signed_in = secure.post("/login", data=form)
    session = SimpleCookie(cookies_of(signed_in)[0])["__Host-issue_tracker_session"].value
    secure.cookies.clear()
    own = {"Cookie": f"__Host-issue_tracker_session={session}; __Host-theme=dark; theme=light"}
    page = secure.get("/account", headers=own)
    csrf = re.search(r'name="csrf" content="([^"]+)"', page.text)
    assert csrf and 'data-theme="dark"' in page.text
    saved = secure.post("/account/name", data={"name": "Ada II", "_csrf": csrf[1]}, headers=own)
    flash = SimpleCookie(cookies_of(saved)[0])["__Host-flash"].value
    answered = secure.get("/account", headers={"Cookie": f"{own['Cookie']}; __Host-flash={flash}"})
    assert "Saved." in answered.text
    api = secure.post("/api/auth/login", json=form)
    left = secure.post("/api/auth/logout", headers=own | {"X-CSRF-Token": csrf[1]})

    given = [cookie for response in (signed_in, saved, answered, api, left) for cookie in cookies_of(response)]
    assert len(given) == 6, given
    for cookie in given:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert cookie.startswith("__Host-"), cookie
        assert {"secure", "path=/", "samesite=lax", "httponly"} <= attributes, cookie
        assert not any(attribute.startswith("domain") for attribute in attributes), cookie


def test_cookies_are_created_in_one_place() -> None:
    made = re.compile(r"HttpOnly|SameSite|samesite=|set_cookie\(\s*self|\.set_cookie\(")
    places = {
        path.relative_to(ROOT).as_posix()
        for path in [*ROOT.rglob("*.py"), *ROOT.joinpath("static", "js").rglob("*.js")]
        if made.search(path.read_text(encoding="utf-8"))
    }
    assert places == {"http/cookies.py", "static/js/theme.js"}


def test_a_message_is_shown_once(world: World) -> None:
    client = world.client("tess")
    assert client.post("/account/name", data={"name": "Tess II"}, follow_redirects=True).text.count("Saved.") == 1
    assert 'id="flash"' not in client.get("/account").text


def test_a_forged_message_is_not_shown(world: World) -> None:
    tess, omar = world.client("tess"), world.client("omar")
    flash = flash_after_saving(tess)
    assert shown(tess, flash)
    signature, _, text = flash.partition(".")
    planted = base64.urlsafe_b64encode(msgspec.json.encode(Flash("Call 0900 123456 to unlock.", wrong=True))).decode()
    for forged in (planted, f".{planted}", f"{signature}.{planted}", f"{signature[:-1]}.{text}", text, "", "x.", "é.é"):
        assert not shown(tess, forged), forged
    assert not shown(omar, flash), "a message of another session"


@pytest.mark.parametrize("path", ["/logout", "/api/auth/logout"])
def test_signing_out_clears_what_the_browser_stored(world: World, path: str) -> None:
    client = world.client("tess")
    left = client.post(path, headers={"Content-Type": "application/x-www-form-urlencoded"} if path == "/logout" else {})
    assert left.status_code in (204, 303)
    assert left.headers["clear-site-data"] == '"cache", "storage"'
    (cookie,) = cookies_of(left)
    assert cookie.startswith("issue_tracker_session=;") and "Max-Age=0" in cookie


@decided_in_python
def test_account_data_is_not_stored_by_the_browser(world: World) -> None:
    admin = world.client("ada")
    hook = admin.call("POST", "/api/webhooks", 201, json={"url": "https://hooks.example.com/x"})["id"]
    private = Access.SIGNED_IN, Access.SUPER_ADMIN, Access.ADMINISTRATOR
    routes = [route for route in declared_routes() if route.path.startswith("/api/") and route.access in private]
    assert len(routes) > 15
    for route in routes:
        path = re.sub(r"\{\w+\}", str(hook if "webhooks" in route.path else 1_000_000), route.path)
        if path == "/api/auth/logout":
            continue
        response = admin.request(route.method, path)
        assert response.headers["cache-control"] == "no-store", (route.method, path, response.status_code)
    assert world.client("tess").post("/api/auth/logout").headers["cache-control"] == "no-store"


@decided_in_python
def test_sign_in_exports_and_audit_are_not_stored_by_the_browser(world: World) -> None:
    world.given_issue("Fault", {"Contoso": "new"})
    credentials = {"email": "tess@helpdesk.example", "password": PASSWORD}
    assert world.anonymous().post("/api/auth/login", json=credentials).headers["cache-control"] == "no-store"
    admin = world.client("ada")
    for _ in range(5):  # the event of an export is recorded with a delay, and changes the validator
        exported = admin.get("/api/issues?format=csv")
        assert exported.headers["cache-control"] == "no-store" and "Fault" in exported.text
        assert exported.headers["content-disposition"] == 'attachment; filename="issues.csv"'
        again = admin.get("/api/issues?format=csv", headers={"If-None-Match": exported.headers["etag"]})
        if again.status_code == 304:
            break
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-store")
    assert admin.get("/api/events?type=user.created").headers["cache-control"] == "no-store"
    for path in ("/api/issues", "/api/issues/Fault", "/api/companies", "/api/events?type=issue.created"):
        assert admin.get(path).headers["cache-control"] == "private, no-cache", path
