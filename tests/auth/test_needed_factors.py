"""Which users need a second factor, and who resets a lost one (contract, section 11)."""

from typing import Any

import msgspec

from tests.auth.factors import FACTORS, LOGIN, TOTP, credentials, enrol
from tests.cases import cases
from tests.clients import Client
from tests.engines import decided_in_python
from tests.events.listening import Listening
from tests.server import serving
from tests.world import CAST, PASSWORD, World


def events(world: World, type_: str) -> list[Any]:
    return [event for event in world.history(audit=True) if event.type == type_]


def test_a_required_factor_is_set_up_first(world: World) -> None:
    needed = msgspec.structs.replace(world.server.settings, second_factor="super_admins")
    with serving(needed) as server:
        ada, tess = Client(base_url=server.url), Client(base_url=server.url)
        ada.headers["X-CSRF-Token"] = ada.call("POST", LOGIN, 200, json=credentials("ada"))["csrf_token"]
        assert ada.call("GET", "/api/issues", 403)["reason"] == "second_factor_enrolment_required"
        tess.call("POST", LOGIN, 200, json=credentials("tess"))
        tess.call("GET", "/api/issues", 200)
        enrol(world, client=ada)
        ada.call("GET", "/api/issues", 200)
        [factor] = ada.call("GET", FACTORS, 200)["items"]
        refused = ada.call("DELETE", f"{FACTORS}/{factor['id']}", 400)
        assert "needs a second factor" in refused["detail"]
        # Neither this factor nor its reset is one of another user.
        users = {user["email"]: user["user_id"] for user in ada.call("GET", "/api/users", 200)["items"]}
        tess.headers["X-CSRF-Token"] = tess.call("GET", "/api/auth/session", 200)["csrf_token"]
        path = f"/api/users/{users[CAST['tess'][0]]}"
        with Listening(tess) as stream:
            ada.call("PUT", path, 200, json={"role": "super_admin"})
            assert stream.ended.wait(6) and stream.clean_end
        assert tess.call("GET", "/api/issues", 403)["reason"] == "second_factor_enrolment_required"
        enrol(world, client=tess)
        tess.call("GET", "/api/issues", 200)
        ada.call("POST", f"{path}/factors/reset", 204, json={"reason": "Lost the telephone; called back"})
        ada.call("GET", "/api/issues", 200)
        tess.headers["X-CSRF-Token"] = tess.call("POST", LOGIN, 200, json=credentials("tess"))["csrf_token"]
        assert tess.call("GET", "/api/issues", 403)["reason"] == "second_factor_enrolment_required"
        # Who has not set it up within ten minutes confirms first.
        world.clock.advance(minutes=10)
        assert tess.call("POST", TOTP, 403)["reason"] == "confirmation_required"
        tess.call("POST", "/api/auth/confirm", 204, json={"password": PASSWORD})
        tess.call("POST", TOTP, 201)
        ada.close()
        tess.close()


@decided_in_python
@cases(
    ("setting", "url", "technician", "super_admin"),
    [
        ("auto", "http://127.0.0.1:8000", False, False),
        ("auto", "https://issues.example.com", False, True),
        ("nobody", "https://issues.example.com", False, False),
        ("super_admins", "http://127.0.0.1:8000", False, True),
        ("everyone", "http://127.0.0.1:8000", True, True),
    ],
)
def test_the_setting_determines_who_needs_a_factor(
    world: World, setting: str, url: str, technician: bool, super_admin: bool
) -> None:
    settings = msgspec.structs.replace(world.server.settings, second_factor=setting, public_url=url)
    assert settings.needs_second_factor(super_admin=False) is technician
    assert settings.needs_second_factor(super_admin=True) is super_admin


def test_another_super_admin_resets_factors_with_a_reason(world: World) -> None:
    app, ada = enrol(world), world.client("ada")
    users = {user["name"]: user["user_id"] for user in ada.call("GET", "/api/users", 200)["items"]}
    address, tess = f"/api/users/{users['Tess Ngo']}/factors", world.client("tess")
    assert ada.call("GET", address, 200)["total"] == 1
    for body in ({}, {"reason": " "}, {"reason": 1}):
        ada.call("POST", f"{address}/reset", 400, json=body)
    ada.call("POST", f"/api/users/{users['Ada Lund']}/factors/reset", 400, json={"reason": "lost"})
    ada.call("POST", f"{address}/reset", 204, json={"reason": "Lost the telephone; called back"})
    tess.call("GET", "/api/issues", 401)
    assert ada.call("GET", address, 200) == {"items": [], "total": 0, "recovery_codes_left": 0}
    world.anonymous().call("POST", LOGIN, 200, json=credentials())
    [event] = events(world, "factor.reset")
    assert (event.actor_name, event.to_value, event.note) == (
        "Ada Lund",
        "tess@helpdesk.example",
        "Lost the telephone; called back",
    )
    assert app.codes
