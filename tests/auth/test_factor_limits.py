"""The limits of second factors: each counts for its user only, from its first code until it is removed."""

import pytest

from issue_tracker.auth.factors import stored
from tests.auth.factors import (
    FACTORS,
    LOGIN,
    TOTP,
    VERIFY,
    App,
    credentials,
    enrol,
    first_step,
    second_step,
)
from tests.engines import decided_in_python
from tests.world import World

pytestmark = decided_in_python


def begun(world: World, who: str) -> tuple[int, App]:
    """Returns the id and the app of a set-up that waits for its first code."""
    made = world.client(who).call("POST", TOTP, 201, json={"name": "Tablet"})
    return made["id"], App(made["secret"], [])


def test_a_factor_counts_for_its_user_and_from_its_first_code(world: World) -> None:
    phone, of_omar, client = enrol(world), enrol(world, "omar"), world.client("tess")
    (new, tablet), (other, waiting) = begun(world, "tess"), begun(world, "omar")
    challenge = first_step(world.anonymous())
    second_step(world.anonymous(), challenge, of_omar.code(world), 401)
    second_step(world.anonymous(), challenge, of_omar.codes[0], 401, method="recovery")
    second_step(world.anonymous(), challenge, tablet.code(world), 401)
    [known] = client.call("GET", FACTORS, 200)["items"]
    client.call("POST", VERIFY, 404, json={"id": other, "code": waiting.code(world)})
    client.call("POST", VERIFY, 404, json={"id": known["id"], "code": phone.code(world)})

    assert client.call("POST", VERIFY, 200, json={"id": new, "code": tablet.code(world)})["recovery_codes"] == []
    world.clock.advance(seconds=60)
    second_step(world.anonymous(), first_step(world.anonymous()), tablet.code(world))
    client.call("DELETE", f"{FACTORS}/{known['id']}", 204)
    left = client.call("GET", FACTORS, 200)
    assert [factor["name"] for factor in left["items"]] == ["Tablet"] and left["recovery_codes_left"] == 10
    second_step(world.anonymous(), first_step(world.anonymous()), phone.code(world), 401)
    world.clock.advance(seconds=60)
    second_step(world.anonymous(), first_step(world.anonymous()), tablet.code(world))


def test_the_set_up_of_an_app_takes_at_most_an_hour_and_uses_up_its_code(world: World) -> None:
    world.clock.freeze(world.clock.now())  # the app must not show its next code meanwhile
    late, app = begun(world, "tess")
    world.clock.advance(hours=1)
    client = world.client("tess")
    client.call("POST", VERIFY, 404, json={"id": late, "code": app.code(world)})
    new, app = begun(world, "tess")
    client.call("POST", VERIFY, 200, json={"id": new, "code": app.code(world)})
    second_step(world.anonymous(), first_step(world.anonymous()), app.code(world), 401)
    # The code that the app showed before is also accepted, because clocks differ.
    world.clock.advance(seconds=60)
    second_step(world.anonymous(), first_step(world.anonymous()), app.code(world, steps=-1))


def test_a_user_has_a_limited_number_of_factors_with_legible_names(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tess = world.client("tess")
    refused = tess.call("POST", TOTP, 400, json={"name": "Tab\u200blet"})
    assert [error["field"] for error in refused["errors"]] == ["name"]
    new, app = begun(world, "tess")
    monkeypatch.setattr(stored, "MOST", 0)
    assert "maximum" in tess.call("POST", VERIFY, 400, json={"id": new, "code": app.code(world)})["detail"]
    assert "maximum" in tess.call("POST", TOTP, 400, json={})["detail"]


def test_a_browser_is_remembered_for_one_user_by_its_own_cookie(world: World) -> None:
    tess, omar, here, there = enrol(world), enrol(world, "omar"), world.anonymous(), world.anonymous()
    second_step(here, first_step(here), tess.code(world), remember_browser=True)
    second_step(here, first_step(here, "omar"), omar.code(world), remember_browser=True)
    world.clock.advance(seconds=60)
    second_step(there, first_step(there), tess.code(world), remember_browser=True)
    first_step(world.anonymous(cookies={"issue_tracker_device": "x" * 43}))
    world.clock.advance(seconds=60)
    second_step(plain := world.anonymous(), first_step(plain), tess.code(world))
    first_step(plain)
    # A user who renews it here renews it neither in other browsers nor for other users of this one.
    world.clock.advance(days=world.server.settings.remembered_browser_days)
    second_step(here, first_step(here), tess.code(world), remember_browser=True)
    here.call("POST", LOGIN, 200, json=credentials())
    first_step(there)
    first_step(here, "omar")
