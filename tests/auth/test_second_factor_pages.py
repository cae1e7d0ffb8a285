"""The second step of a sign-in, and setting up a factor, on pages without scripts."""

import re
from typing import Any

import httpx
import msgspec

from tests.auth.factors import TOTP, App, enrol
from tests.clients import Client
from tests.engines import decided_in_python
from tests.server import serving
from tests.world import CAST, PASSWORD, World

pytestmark = decided_in_python

SECOND = "/login/second-factor"


def field(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', page.text)
    assert found, page.text
    return found[1]


def answer(page: httpx.Response, code: str, method: str = "totp", **more: str) -> dict[str, str]:
    """Returns the completed form of the second step."""
    return {"challenge": field(page, "challenge"), "next": field(page, "next"), "method": method, "code": code, **more}


def signing_in(client: Client, who: str = "tess", **more: str) -> httpx.Response:
    page = client.post("/login", data={"email": CAST[who][0], "password": PASSWORD, "next": "/matrix", **more})
    assert page.status_code == 200 and "<h1>Second step</h1>" in page.text
    assert "issue_tracker_session" not in page.headers.get("Set-Cookie", "")
    return page


def test_the_second_step_leads_to_the_page_of_the_first(world: World) -> None:
    app, client = enrol(world), world.anonymous()
    page = signing_in(client)
    wrong = client.post(SECOND, data=answer(page, "000000"))
    assert wrong.status_code == 401 and "The code is wrong" in wrong.text and "000000" not in wrong.text
    done = client.post(SECOND, data=answer(wrong, app.code(world), remember_browser="true"))
    assert (done.status_code, done.headers["Location"]) == (303, "/matrix")
    assert client.get("/matrix").status_code == 200
    # This browser is remembered, but no other one; a recovery code also works there.
    again = client.post("/login", data={"email": CAST["tess"][0], "password": PASSWORD})
    assert again.status_code == 303
    other = world.anonymous()
    done = other.post(SECOND, data=answer(signing_in(other), app.codes[0], "recovery"))
    assert done.status_code == 303 and other.get("/matrix").status_code == 200
    assert other.cookies["issue_tracker_device"], "it is recognized, but needs the second step again"
    signing_in(other)


def test_an_expired_sign_in_starts_again(world: World) -> None:
    app, client = enrol(world), world.anonymous()
    page = signing_in(client)
    world.clock.advance(minutes=5)
    expired = client.post(SECOND, data=answer(page, app.code(world)))
    assert expired.status_code == 401 and "has expired" in expired.text and 'name="password"' in expired.text
    assert field(expired, "next") == "/matrix"
    assert client.get(SECOND).status_code == 200 and 'name="password"' in client.get(SECOND).text


def test_a_form_is_carried_through_both_steps(world: World) -> None:
    app, client = enrol(world), world.anonymous()
    carried = msgspec.json.encode({"path": "/issues/new", "fields": [["name", "VPN is down"]]}).decode()
    page = signing_in(client, carried=carried)
    assert "VPN is down" in page.text
    sent = answer(page, app.code(world)) | {"carried": carried}
    assert "The form that you filled in has not been sent yet." in client.post(SECOND, data=sent).text


def test_a_link_for_a_forgotten_password_does_not_bypass_the_second_step(world: World) -> None:
    app, ada = enrol(world), world.client("ada")
    tess = next(user for user in ada.call("GET", "/api/users", 200)["items"] if user["email"] == CAST["tess"][0])
    link = ada.call("POST", f"/api/users/{tess['user_id']}/invitation", 201)["invitation_url"]
    client = world.anonymous()
    form = {"token": link.partition("token=")[2], "password": "staple battery horse"}
    page = client.post("/invitation", data=form)
    assert "<h1>Second step</h1>" in page.text and "issue_tracker_session" not in client.cookies
    assert client.post(SECOND, data=answer(page, app.code(world))).status_code == 303
    assert client.get("/account").status_code == 200


def test_a_user_who_needs_a_factor_sets_it_up_at_the_sign_in(world: World) -> None:
    needed = msgspec.structs.replace(world.server.settings, second_factor="everyone")
    with serving(needed) as server, Client(base_url=server.url) as client:
        login = {"email": CAST["tess"][0], "password": PASSWORD, "next": "/matrix"}
        assert client.post("/login", data=login).headers["Location"] == "/matrix"
        led = client.get("/matrix")
        assert led.headers["Location"] == "/account/security?next=%2Fmatrix"
        page = client.get(led.headers["Location"])
        assert "Set up a second factor" in page.text and "<nav" not in page.text
        around = {"_csrf": field(page, "_csrf"), "next": field(page, "next")}
        shown = client.post("/account/security/totp", data=around)
        assert "<svg" in shown.text and "style=" not in shown.text
        secret = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', shown.text)
        assert secret
        app = App(secret[1].replace(" ", ""), [])
        form = around | {"id": field(shown, "id")}
        wrong = client.post("/account/security/totp/verify", data=form | {"code": "000000"})
        assert wrong.status_code == 400 and secret[1] in wrong.text
        done = client.post("/account/security/totp/verify", data=form | {"code": app.code(world)})
        assert len(re.findall(r"(?:[a-z2-7]{4}-){5}[a-z2-7]{4}", done.text)) == 10 and 'href="/matrix"' in done.text
        assert client.get("/matrix").status_code == 200
        # The required factor remains.
        page = client.get("/account/security")
        [factor] = re.findall(r"/factors/(\d+)/remove", page.text)
        refused = client.post(f"/account/security/factors/{factor}/remove", data=around)
        assert refused.status_code == 400 and "needs a second factor" in refused.text


def test_no_new_factor_leads_to_another_site(world: World) -> None:
    tess = world.client("tess")
    elsewhere = {"_csrf": tess.headers["X-CSRF-Token"], "next": "//elsewhere.example"}
    for name, status in (("Phone", 200), ("Tablet", 303)):
        made = tess.call("POST", TOTP, 201, json={"name": name})
        form = elsewhere | {"id": str(made["id"]), "code": App(made["secret"], []).code(world)}
        done = tess.post("/account/security/totp/verify", data=form)
        assert done.status_code == status and "elsewhere" not in done.text + done.headers.get("Location", "")
    out = tess.post("/logout", data=elsewhere)
    assert out.headers["Location"] == "/login" and "Clear-Site-Data" in out.headers
    assert "issue_tracker_session=; Path=/; Max-Age=0" in out.headers["Set-Cookie"]


def test_a_page_resets_the_factors_of_another_user(world: World) -> None:
    enrol(world)
    ada = world.client("ada")
    users: list[Any] = ada.call("GET", "/api/users", 200)["items"]
    path = next(f"/admin/users/{user['user_id']}" for user in users if user["email"] == CAST["tess"][0])
    page = ada.get(path)
    assert "Authenticator app" in page.text and 'name="reason"' in page.text
    form = {"_csrf": field(page, "_csrf"), "reason": " "}
    assert ada.post(f"{path}/factors/reset", data=form).status_code == 400
    done = ada.post(f"{path}/factors/reset", data=form | {"reason": "Lost; called back"})
    assert (done.status_code, done.headers["Location"]) == (303, path)
    assert "Authenticator app" not in ada.get(path).text
    assert world.history(audit=True)[-1].note == "Lost; called back"


def test_a_code_confirms_a_form(world: World) -> None:
    tess = world.client("tess")
    app = enrol(world, client=tess)
    world.clock.advance(minutes=10)
    csrf = tess.headers.pop("X-CSRF-Token")
    form = {"_csrf": csrf, "name": "nightly", "scope": "read", "days": "30"}
    page = tess.post("/account/tokens", data=form)
    assert page.status_code == 403 and 'name="_confirm_code"' in page.text
    wrong = tess.post("/account/tokens", data=form | {"_confirm": "", "_confirm_code": "000000"})
    assert wrong.status_code == 403 and "The code is wrong" in wrong.text
    done = tess.post("/account/tokens", data=form | {"_confirm": "", "_confirm_code": app.code(world)})
    assert done.status_code == 303 and "itk_" in tess.get("/account").text
