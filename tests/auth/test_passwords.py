"""Which new passwords are rejected, wherever they are set (contract, section 11), and how passwords are compared."""

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from issue_tracker.auth import passwords
from issue_tracker.auth.first_start import offer_setup
from issue_tracker.auth.guessable import is_common
from issue_tracker.auth.passwords import MAXIMUM, needs_rehash, parse_password, verify_password
from issue_tracker.cli import main
from issue_tracker.database.tables import users
from tests.engines import decided_in_python
from tests.world import CAST, PASSWORD, World

GOOD = "ten green bottles"

REFUSED = {
    "short": "sehr ne",
    "common": "password1",
    "common in other case": "BaseBall",
    "common and long": "1q2w3e4r5t6y7u8i9o0p",
    "the product": "Issue Tracker",
    "the product in one word": "ISSUETRACKER",
    "the name": "tess NGO the 2nd",
    "the name in other signs": "Tess-Ngo-The-2nd",
    "the address": "Tess.Ngo.2@helpdesk.example",
    "its first part": "tess.ngo.2",
}
NAME, EMAIL = "Tess Ngo the 2nd", "tess.ngo.2@helpdesk.example"

Setter = Callable[[World, str], tuple[str, str]]
"""Tries to set a password for the user of these tests. Returns the rejected field, or the command line's sentence, and
the message; both are empty if the password was accepted.
"""


def answer_of(response: Any) -> tuple[str, str]:
    if response.status_code < 400:
        return "", ""
    assert response.status_code == 400, response.text
    (error,) = response.json()["errors"]
    return error["field"], error["message"]


def tess(world: World) -> int:
    """The user of these tests."""
    with world.database.write() as tx:
        tx.execute(
            update(users).where(users.c.email == CAST["tess"][0]).values(name=NAME, email=EMAIL, email_key=EMAIL)
        )
        return int(tx.execute(select(users.c.user_id).where(users.c.email == EMAIL)).scalar_one())


def by_creating(world: World, password: str) -> tuple[str, str]:
    body = {"email": EMAIL, "name": NAME, "role": "member", "password": password}
    return answer_of(world.client("ada").post("/api/users", json=body))


def by_changing(world: World, password: str) -> tuple[str, str]:
    return answer_of(world.client("ada").put(f"/api/users/{tess(world)}", json={"password": password}))


def by_oneself(world: World, password: str) -> tuple[str, str]:
    tess(world)
    client = world.anonymous()
    found = client.call("POST", "/api/auth/login", 200, json={"email": EMAIL, "password": PASSWORD})
    client.headers["X-CSRF-Token"] = found["csrf_token"]
    body = {"current_password": PASSWORD, "new_password": password}
    field, said = answer_of(client.post("/api/auth/password", json=body))
    return field.replace("new_password", "password"), said


def by_set_up(world: World, password: str) -> tuple[str, str]:
    with world.database.write() as tx:
        tx.execute(delete(users))
        offer_setup(tx, "printed", datetime.now(UTC))
    body = {"token": "printed", "email": EMAIL, "name": NAME, "password": password}
    return answer_of(world.anonymous().post("/api/setup", json=body))


def by_invitation(world: World, password: str) -> tuple[str, str]:
    made = world.client("ada").call("POST", f"/api/users/{tess(world)}/invitation", 201)
    form = {"token": made["invitation_url"].partition("token=")[2], "password": password}
    shown = world.anonymous().post("/invitation", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    if shown.status_code == 303:
        return "", ""
    assert shown.status_code == 400, shown.text
    said = shown.text.partition('id="f-password-about" class="wrong">')[2].partition("</p>")[0]
    return "password", said[:1].lower() + said[1:].rstrip(".")


def by_command(world: World, password: str) -> tuple[str, str]:
    tess(world)
    given = ["user", "password", EMAIL, "--password-stdin", "--database-url", world.server.settings.database_url]
    done = CliRunner().invoke(main, given, input=f"{password}\n")
    if done.exit_code == 0:
        return "", ""
    assert done.exit_code == 1, done.output
    said = done.output.strip().removeprefix("Error: ").removeprefix("The password ").removeprefix("password: ")
    return "password", said.rstrip(".")


SETTERS: list[Setter] = [by_creating, by_changing, by_oneself, by_set_up, by_invitation, by_command]


@decided_in_python
@pytest.mark.parametrize("setter", SETTERS)
def test_an_easily_guessed_password_is_rejected_everywhere(world: World, setter: Setter) -> None:
    for what, password in REFUSED.items():
        field, said = setter(world, password)
        assert field == "password", what
        if what.startswith("short"):
            assert "at least 8 characters" in said
        elif what.startswith(("common", "the product")):
            assert "one of the most common passwords" in said, what
        else:
            assert "must not be the name or the email address" in said, what
    with world.database.read() as tx:
        hashes = list(tx.execute(select(users.c.password_hash)).scalars())
    assert not any(verify_password(stored, password) for stored in set(hashes) for password in REFUSED.values())
    assert setter(world, GOOD) == ("", "")


@decided_in_python
@pytest.mark.parametrize("setter", SETTERS)
def test_there_are_no_other_rules_for_passwords(world: World, setter: Setter) -> None:
    assert setter(world, "        ") == ("", "")


def test_the_list_contains_the_most_common_passwords() -> None:
    """The passwords come from several lists, not only from that of one package."""
    for password in (
        "12345678",
        "iloveyou",
        "trustno1",
        "passw0rd",
        "letmein1",
        "qwertyuiop",
        "password123",
        "administrator",
        "swordfis",
        "21122112",
        "Manchester1",
    ):
        assert is_common(password), password
    for password in (PASSWORD, GOOD, "", "\n", "password\npassword1x", "correct", "éàüöß漢字漢字"):
        assert not is_common(password), password


@decided_in_python
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_passwords_are_equal_in_every_unicode_form(world: World, form: Any) -> None:
    """macOS, Windows and phones produce different Unicode forms."""
    ada, typed = world.client("ada"), unicodedata.normalize(form, "größere Äpfel für Amélie")
    body = {"email": "nina@helpdesk.example", "name": "Nina", "role": "technician", "password": typed}
    ada.call("POST", "/api/users", 201, json=body)
    for other in ("NFC", "NFD"):
        given = {"email": body["email"], "password": unicodedata.normalize(other, typed)}
        world.anonymous().call("POST", "/api/auth/login", 200, json=given)
    wrong = {"email": body["email"], "password": "grossere Apfel fur Amelie"}
    world.anonymous().call("POST", "/api/auth/login", 401, json=wrong)


@decided_in_python
def test_a_password_from_an_earlier_version_remains_valid(world: World) -> None:
    """Its hash is that of the text as it was typed, without normalization."""
    typed = unicodedata.normalize("NFD", "größere Äpfel")
    stored = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(typed)
    with world.database.write() as tx:
        tx.execute(update(users).where(users.c.email == CAST["tess"][0]).values(password_hash=stored))
    credentials = {"email": CAST["tess"][0], "password": typed}
    for _ in range(2):
        world.anonymous().call("POST", "/api/auth/login", 200, json=credentials)
    # The first sign-in has replaced the hash, and no other.
    with world.database.read() as tx:
        renewed = tx.execute(select(users.c.password_hash).where(users.c.email == CAST["tess"][0])).scalar_one()
    assert not needs_rehash(renewed) and verify_password(renewed, unicodedata.normalize("NFC", typed))
    world.anonymous().call("POST", "/api/auth/login", 200, json={"email": CAST["omar"][0], "password": PASSWORD})


@decided_in_python
def test_a_password_that_is_changed_during_its_verification_is_wrong(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher, seen = passwords._hasher, []

    class Changing:
        """A hasher during whose first verification the password is changed."""

        def verify(self, hash_: str, password: bytes) -> bool:
            seen.append(hash_)
            right = hasher.verify(hash_, password)
            if len(seen) == 1:
                with world.database.write() as tx:
                    tx.execute(update(users).values(password_hash=hasher.hash("changed")))
            return right

        def __getattr__(self, name: str) -> Any:
            return getattr(hasher, name)

    monkeypatch.setattr(passwords, "_hasher", Changing())
    pair = {"email": CAST["tess"][0], "password": PASSWORD}
    refused = world.anonymous().post("/api/auth/login", json=pair)
    assert refused.status_code == 401 and "set-cookie" not in refused.headers and len(seen) == 2


def test_the_length_is_that_of_the_normalized_text() -> None:
    decomposed = unicodedata.normalize("NFD", "éééé")
    assert len(decomposed) == 8
    with pytest.raises(ValueError, match="at least 8"):
        parse_password(decomposed)
    assert parse_password(unicodedata.normalize("NFD", "éèêëäöüß")) == "éèêëäöüß"
    with pytest.raises(ValueError, match="at most"):
        parse_password("x" * (MAXIMUM + 1))
