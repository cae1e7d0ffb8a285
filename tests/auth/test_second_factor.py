"""The second step of a sign-in: authenticator apps and recovery codes (contract, section 11)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, update

from issue_tracker.auth import challenges
from issue_tracker.database.tables import factors, metadata, recovery_codes
from issue_tracker.encryption import Keyring, generate_key
from tests.auth.factors import (
    FACTORS,
    LOGIN,
    SECOND,
    TOTP,
    VERIFY,
    App,
    credentials,
    enrol,
    first_step,
    second_step,
)
from tests.clients import post
from tests.engines import decided_in_python
from tests.server import serving
from tests.world import PASSWORD, World


def events(world: World, type_: str) -> list[Any]:
    return [event for event in world.history(audit=True) if event.type == type_]


def test_an_app_is_required_after_it_was_set_up(world: World) -> None:
    tess, other, omar = world.client("tess"), world.client("tess"), world.client("omar")
    begun = omar.call("POST", TOTP, 201)
    made = tess.call("POST", TOTP, 201)
    assert made.keys() == {"id", "secret", "otpauth_uri"} and len(made["secret"]) == 32
    assert made["otpauth_uri"].startswith("otpauth://totp/Issue%20Tracker:tess%40helpdesk.example?secret=")
    wrong = tess.call("POST", VERIFY, 400, json={"id": made["id"], "code": "000000"})
    assert [error["field"] for error in wrong["errors"]] == ["code"]
    # Before its first code the app is not a factor.
    assert tess.call("GET", FACTORS, 200) == {"items": [], "total": 0, "recovery_codes_left": 0}
    world.anonymous().call("POST", LOGIN, 200, json=credentials())
    tess.call("POST", VERIFY, 404, json={"id": made["id"] + 1, "code": "000000"})

    app = enrol(world, client=tess)
    omar.call("POST", VERIFY, 200, json={"id": begun["id"], "code": App(begun["secret"], []).code(world)})
    assert len(set(app.codes)) == 10
    other.call("GET", "/api/issues", 401)
    listed = tess.call("GET", FACTORS, 200)
    assert (listed["total"], listed["recovery_codes_left"]) == (1, 10)
    assert (listed["items"][0]["method"], listed["items"][0]["name"]) == ("totp", "Authenticator app")
    assert listed["items"][0]["last_used_at"] is None and "secret" not in listed["items"][0]

    refused = world.anonymous().request("POST", LOGIN, json=credentials())
    assert refused.status_code == 401 and "set-cookie" not in refused.headers
    assert refused.json().keys() == {"detail", "reason", "methods", "challenge"}
    assert refused.json()["reason"] == "second_factor_required" and "API token" in refused.json()["detail"]
    assert refused.json()["methods"] == ["totp", "recovery"]
    client = world.anonymous()
    answer = second_step(client, refused.json()["challenge"], app.code(world))
    assert answer.keys() == {"user", "csrf_token", "expires_at"} and answer["user"]["name"] == "Tess Ngo"
    client.call("GET", "/api/issues", 200)
    assert tess.call("GET", FACTORS, 200)["items"][0]["last_used_at"] is not None
    assert events(world, "session.created")[-1].note == "from 127.0.0.1 (authenticator app)"
    created = [(event.actor_name, event.to_value, event.note) for event in events(world, "factor.created")]
    assert created == [(name, "Authenticator app", "totp") for name in ("Tess Ngo", "Omar Reyes")]


@decided_in_python
def test_a_wrong_password_does_not_reveal_a_factor(world: World) -> None:
    before = world.anonymous().call("POST", LOGIN, 401, json=credentials(password="wrong"))
    enrol(world)
    assert world.anonymous().call("POST", LOGIN, 401, json=credentials(password="wrong")) == before


def test_a_code_works_once_on_all_servers(world: World) -> None:
    """Two servers on one database: of all simultaneous attempts with the same code, one succeeds."""
    app, urls = enrol(world), [world.server.url]
    world.clock.freeze(world.clock.now())  # the app must not show its next code meanwhile
    waiting = [first_step(world.anonymous()) for _ in range(6)]
    with serving(world.server.settings) as server:
        urls.append(server.url)

        def attempt(number: int) -> int:
            body = {"challenge": waiting[number], "method": "totp", "code": app.code(world)}
            return post(urls[number % 2] + SECOND, json=body).status_code

        with ThreadPoolExecutor(6) as together:
            statuses = list(together.map(attempt, range(6)))
    assert sorted(statuses) == [200, *[401] * 5]
    # An earlier code does not work either, nor one that is no longer shown or not yet shown.
    challenge = first_step(world.anonymous())
    for steps in (-1, 0):
        second_step(world.anonymous(), challenge, app.code(world, steps=steps), 401)
    for steps in (2, -2):
        world.clock.advance(minutes=2)
        second_step(world.anonymous(), challenge, app.code(world, steps=steps), 401)
    second_step(world.anonymous(), first_step(world.anonymous()), f" {app.code(world, steps=1)} ")


def test_a_recovery_code_works_once(world: World) -> None:
    app = enrol(world)
    typed = app.codes[0].replace("-", " ").upper()
    with ThreadPoolExecutor(4) as together:
        waiting = [first_step(world.anonymous()) for _ in range(4)]
        body = {"method": "recovery", "code": typed}
        urls = [world.server.url + SECOND] * 4
        sent = together.map(lambda url, one: post(url, json=body | {"challenge": one}).status_code, urls, waiting)
    assert sorted(sent) == [200, 401, 401, 401]
    client = world.anonymous()
    answer = second_step(client, first_step(client), app.codes[1], method="recovery")
    assert events(world, "session.created")[-1].note == "from 127.0.0.1 (recovery code, 8 left)"
    client.headers["X-CSRF-Token"] = answer["csrf_token"]
    fresh = client.call("POST", f"{FACTORS}/recovery-codes", 200)["recovery_codes"]
    assert len(fresh) == 10 and client.call("GET", FACTORS, 200)["recovery_codes_left"] == 10
    second_step(world.anonymous(), first_step(world.anonymous()), app.codes[2], 401, method="recovery")
    second_step(world.anonymous(), first_step(world.anonymous()), fresh[9], method="recovery")
    assert len(events(world, "factor.codes_created")) == 1


@decided_in_python
def test_a_method_that_the_user_has_not_set_up_counts_as_a_wrong_code(world: World) -> None:
    app = enrol(world)
    challenge = first_step(world.anonymous())
    wrong = second_step(world.anonymous(), challenge, app.codes[0], 401)
    assert wrong == second_step(world.anonymous(), challenge, app.code(world), 401, method="recovery")
    body = {"challenge": challenge, "method": "sms", "code": "1"}
    world.anonymous().call("POST", SECOND, 400, json=body)


@pytest.mark.parametrize("ending", ["time", "answer", "guesses", "password", "disabled", "reset", "elsewhere"])
def test_an_ended_challenge_is_rejected(world: World, ending: str) -> None:
    app, ada = enrol(world), world.client("ada")
    user_id = next(user["user_id"] for user in ada.call("GET", "/api/users", 200)["items"] if "Tess" in user["name"])
    challenge, tess = first_step(world.anonymous()), world.client("tess")
    if ending == "time":
        world.clock.advance(minutes=5)
    elif ending == "answer":
        second_step(world.anonymous(), challenge, app.code(world))
    elif ending == "guesses":
        for _ in range(challenges.MOST_ATTEMPTS):
            second_step(world.anonymous(), challenge, "000000", 401)
    elif ending == "password":
        body = {"current_password": PASSWORD, "new_password": "staple battery horse"}
        tess.call("POST", "/api/auth/password", 204, json=body)
    elif ending == "disabled":
        ada.call("PUT", f"/api/users/{user_id}", 200, json={"active": False})
    elif ending == "reset":
        ada.call("POST", f"/api/users/{user_id}/factors/reset", 204, json={"reason": "lost"})
    else:
        challenge = challenge[:-1] + ("A" if challenge[-1] != "A" else "B")
    world.clock.advance(seconds=60)
    refused = second_step(world.anonymous(), challenge, app.code(world), 401)
    assert refused["reason"] == "sign_in_expired"


def test_a_further_sign_in_ends_the_oldest_of_many_that_wait(world: World) -> None:
    tess, omar = enrol(world), enrol(world, "omar")
    of_omar = first_step(world.anonymous(), "omar")
    waiting = [first_step(world.anonymous()) for _ in range(challenges.MOST_OPEN + 1)]
    refused = second_step(world.anonymous(), waiting[0], tess.code(world), 401)
    assert refused["reason"] == "sign_in_expired"
    second_step(world.anonymous(), waiting[1], tess.code(world))
    second_step(world.anonymous(), of_omar, omar.code(world))


def test_guesses_are_limited_for_the_account(world: World) -> None:
    app, stranger = enrol(world), {"X-Forwarded-For": "192.0.2.1"}
    limit = world.server.settings.sign_in_account_limit
    for number in range(limit):
        if number % challenges.MOST_ATTEMPTS == 0:
            challenge = first_step(world.anonymous())
        second_step(world.anonymous(), challenge, "000000", 401)
    challenge = first_step(world.anonymous())
    refused = world.anonymous().request(
        "POST", SECOND, json={"challenge": challenge, "method": "totp", "code": app.code(world)}, headers=stranger
    )
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    failed = events(world, "session.second_factor_failed")
    assert [(event.actor_name, event.note) for event in failed] == [("Tess Ngo", "from 127.0.0.1")] * limit
    world.clock.advance(minutes=world.server.settings.sign_in_window_minutes)
    second_step(world.anonymous(), first_step(world.anonymous()), app.code(world))


def test_guesses_elsewhere_do_not_lock_out_a_known_browser(world: World) -> None:
    app, home = enrol(world), world.anonymous()
    second_step(home, first_step(home), app.code(world), remember_browser=True)
    home.cookies.delete("issue_tracker_session")
    with world.database.write() as tx:
        tx.execute(update(metadata.tables["sign_in_addresses"]).values(address="192.0.2.9"))
        tx.execute(update(metadata.tables["sign_in_devices"]).values(second_factor_until=None))
    for number in range(world.server.settings.sign_in_account_limit):
        if number % challenges.MOST_ATTEMPTS == 0:
            challenge = first_step(world.anonymous())
        second_step(world.anonymous(), challenge, "000000", 401)
    second_step(world.anonymous(), first_step(world.anonymous()), "000000", 429)
    world.clock.advance(seconds=60)
    second_step(home, first_step(home), app.code(world))


def test_a_remembered_browser_needs_no_second_step_for_a_while(world: World) -> None:
    app, browser = enrol(world), world.anonymous()
    of_omar, known = enrol(world, "omar"), world.anonymous()
    second_step(browser, first_step(browser), app.code(world), remember_browser=True)
    assert browser.cookies.get("issue_tracker_device")
    browser.call("POST", LOGIN, 200, json=credentials())
    assert events(world, "session.created")[-1].note == "from 127.0.0.1 (remembered browser)"
    # The cookie does not help another browser or another user.
    first_step(world.anonymous())
    browser.call("POST", LOGIN, 401, json=credentials("omar"))
    world.clock.advance(days=world.server.settings.remembered_browser_days)
    second_step(browser, first_step(browser), app.code(world), remember_browser=True)
    csrf = browser.call("POST", LOGIN, 200, json=credentials())["csrf_token"]
    second_step(known, first_step(known, "omar"), of_omar.code(world), remember_browser=True)
    waiting = first_step(world.anonymous(), "omar")
    new = {"current_password": PASSWORD, "new_password": "staple battery horse"}
    browser.call("POST", "/api/auth/password", 204, json=new, headers={"X-CSRF-Token": csrf})
    browser.call("POST", LOGIN, 401, json=credentials(password="staple battery horse"))
    # This ends nothing of another user.
    known.call("POST", LOGIN, 200, json=credentials("omar"))
    world.clock.advance(minutes=1)
    second_step(world.anonymous(), waiting, of_omar.code(world))


def test_a_code_confirms_a_session_once(world: World) -> None:
    tess = world.client("tess")
    app = enrol(world, client=tess)
    world.clock.advance(minutes=10)
    tess.call("POST", "/api/auth/tokens", 403, json={"name": "ci", "scopes": ["read"]})
    assert tess.call("POST", "/api/auth/confirm", 400, json={"code": "000000"})["errors"][0]["field"] == "code"
    assert len(events(world, "session.proof_failed")) == 1
    code = {"code": app.code(world)}
    tess.call("POST", "/api/auth/confirm", 204, json=code)
    tess.call("POST", "/api/auth/tokens", 201, json={"name": "ci", "scopes": ["read"]})
    tess.call("POST", "/api/auth/confirm", 400, json=code)
    second_step(world.anonymous(), first_step(world.anonymous()), code["code"], 401)
    for _ in range(world.server.settings.sign_in_account_limit - 1):
        tess.call("POST", "/api/auth/confirm", 400, json={"code": "000000"})
    tess.call("POST", "/api/auth/confirm", 429, json={"code": app.code(world, steps=1)})


def test_removing_the_last_factor_removes_the_recovery_codes(world: World) -> None:
    tess, omar = world.client("tess"), world.client("omar")
    enrol(world, client=tess)
    enrol(world, "omar", omar)
    tess.call("POST", TOTP, 400, json={"name": "Authenticator app"})
    app = tess.call("POST", TOTP, 201, json={"name": "Tablet"})
    tess.call("POST", TOTP, 201, json={"name": "Watch"})
    tess.call("POST", VERIFY, 404, json={"id": app["id"], "code": "000000"})
    [factor] = tess.call("GET", FACTORS, 200)["items"]
    world.client("omar").call("DELETE", f"{FACTORS}/{factor['id']}", 404)
    other = world.client("tess")
    tess.call("DELETE", f"{FACTORS}/{factor['id']}", 204)
    tess.call("DELETE", f"{FACTORS}/{factor['id']}", 404)
    assert tess.call("GET", FACTORS, 200) == {"items": [], "total": 0, "recovery_codes_left": 0}
    found = omar.call("GET", FACTORS, 200)
    assert (found["total"], found["recovery_codes_left"]) == (1, 10), "another user keeps the factors"
    first_step(world.anonymous(), "omar")
    other.call("GET", "/api/issues", 401)
    world.anonymous().call("POST", LOGIN, 200, json=credentials())
    tess.call("POST", f"{FACTORS}/recovery-codes", 400)
    assert [event.to_value for event in events(world, "factor.deleted")] == ["Authenticator app"]


def test_no_secret_is_stored_in_plain_text(world: World) -> None:
    app = enrol(world)
    challenge = first_step(world.anonymous())
    with world.database.read() as tx:
        stored = str([list(tx.execute(select(table))) for table in metadata.sorted_tables])
        assert len(tx.execute(select(factors.c.secret)).scalar_one()) > 60
        assert len(tx.execute(select(recovery_codes)).all()) == 10
    for secret in (app.secret, challenge, *app.codes, *(code.replace("-", "") for code in app.codes)):
        assert secret not in stored


@decided_in_python
def test_an_app_that_was_begun_with_another_server_key_must_be_set_up_again(world: World) -> None:
    tess = world.client("tess")
    made = tess.call("POST", TOTP, 201, json={})
    with world.database.write() as tx:
        tx.execute(update(factors).values(secret=Keyring([generate_key()]).encrypt(made["secret"])))
    answer = {"id": made["id"], "code": App(made["secret"], []).code(world)}
    assert "Start again" in tess.call("POST", VERIFY, 404, json=answer)["detail"]
    form = {"id": str(made["id"]), "code": "1", "_csrf": tess.headers["X-CSRF-Token"]}
    assert tess.post("/account/security/totp/verify", data=form).status_code == 404
    enrol(world, client=tess)


@decided_in_python
def test_a_repeated_response_contains_no_secrets(world: World) -> None:
    tess, key = world.client("tess"), {"Idempotency-Key": "k1"}
    made = tess.call("POST", TOTP, 201, json={}, headers=key)
    again = tess.request("POST", TOTP, json={}, headers=key)
    assert again.json() == {"id": made["id"], "secret": None, "otpauth_uri": None}
    assert again.headers["Cache-Control"] == "no-store" and made["secret"]
