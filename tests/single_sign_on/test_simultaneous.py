"""Sign-ins with a provider while the account, or its link to the provider, is taken away."""

import pytest

from issue_tracker.actor import command_line
from issue_tracker.auth.sessions import end_sessions
from issue_tracker.auth.signin import Visitor
from issue_tracker.auth.single_sign_on import sign_in as provider_sign_in
from issue_tracker.auth.single_sign_on.checks import SessionChecks
from issue_tracker.auth.single_sign_on.exchange import IdentityProviders
from issue_tracker.auth.single_sign_on.identities import list_identities, unlink_identity
from issue_tracker.auth.single_sign_on.person import Person
from issue_tracker.auth.single_sign_on.sign_in import ProviderSignIn
from issue_tracker.auth.users import lock_user, update_user
from issue_tracker.clock import now
from issue_tracker.database.server_key import ServerKey
from tests.auth.factors import enrol, first_step, second_step
from tests.auth.test_second_factor_pages import SECOND, answer
from tests.company_access.limits import user_id
from tests.locks import during
from tests.single_sign_on.browser import begin, come_back, sign_in, who
from tests.single_sign_on.fake import FakeProvider
from tests.single_sign_on.test_group_mappings import given_mapping
from tests.world import World

ACTOR = command_line("tests")

on_postgresql = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # on SQLite, writers take turns


def sessions_of(world: World, user: int) -> int:
    return int(world.client("ada").call("GET", f"/api/users/{user}/sessions", 200)["total"])


@on_postgresql
def test_no_session_starts_while_the_account_is_disabled(world: World, fake: FakeProvider) -> None:
    """Such a session would live again when the account is enabled."""
    sign_in(world, fake)
    tess = user_id(world, "tess")
    client = world.anonymous()
    address = begin(client, "fake")
    code = fake.grant(address)
    refused = during(
        world,
        lambda tx: update_user(tx, ACTOR, tess, active=False),
        lambda: come_back(client, address, code),
    )
    assert refused.status_code == 403
    world.client("ada").call("PUT", f"/api/users/{tess}", 200, json={"active": True})
    assert sessions_of(world, tess) == 0 and who(client) is None


@on_postgresql
def test_an_identity_is_unlinked_while_its_user_signs_in(world: World, fake: FakeProvider) -> None:
    client, _ = sign_in(world, fake)
    tess, settings = user_id(world, "tess"), world.server.settings
    with world.database.read() as tx:
        [identity] = list_identities(tx, tess)
    keyring = ServerKey(world.database, settings).keyring()
    person = Person(
        issuer=identity.issuer,
        subject=identity.subject,
        email=None,
        name="Tess Ngo",
        groups=None,
        signed_in_at=None,
        second_factor=False,
        session=None,
    )
    signed = ProviderSignIn(next(one for one in settings.providers if one.id == "fake"), person, None, now())
    during(
        world,
        lambda tx: provider_sign_in.sign_in(tx, settings, keyring, signed, Visitor("127.0.0.1", "tests", "r1")),
        lambda: world.client("ada").call("DELETE", f"/api/users/{tess}/identities/{identity.id}", 204),
    )
    assert sessions_of(world, tess) == 0 and who(client) is None


def test_the_second_step_is_refused_after_the_identity_was_unlinked(world: World, fake: FakeProvider) -> None:
    for subject, email in (("someone", "tess@helpdesk.example"), ("o", "omar@helpdesk.example")):
        sign_in(world, fake, sub=subject, email=email)
    tess, app, client = user_id(world, "tess"), enrol(world), world.anonymous()
    own, omar, other = first_step(world.anonymous()), enrol(world, "omar"), world.anonymous()
    address = begin(client, "fake")
    page = come_back(client, address, fake.grant(address))
    address = begin(other, "fake")
    waiting = come_back(other, address, fake.grant(address, sub="o"))
    with world.database.write() as tx:
        for identity in list_identities(tx, tess):
            unlink_identity(tx, ACTOR, tess, identity.id)
    refused = client.post(SECOND, data=answer(page, app.code(world)))
    assert refused.status_code == 401 and "has expired or has already been used" in refused.text
    assert who(client) is None
    # Neither a sign-in with the password ends, nor one of another user.
    second_step(world.anonymous(), own, app.code(world))
    assert other.post(SECOND, data=answer(waiting, omar.code(world))).status_code == 303


@on_postgresql
def test_a_session_is_checked_while_it_ends(world: World, fake: FakeProvider) -> None:
    """Both change the account before its session, so that neither is aborted because of the other."""
    given_mapping(world, "staff", "technician")
    client, _ = sign_in(world, fake, groups=["staff"])
    tess, settings = user_id(world, "tess"), world.server.settings
    world.clock.advance(minutes=15)
    fake.refreshed = {"groups": ["staff"]}
    checks = SessionChecks(world.database, settings, IdentityProviders(settings), ServerKey(world.database, settings))
    due = during(
        world,
        lambda tx: lock_user(tx, tess),
        lambda: checks.check_due(now()),
        lambda tx: end_sessions(tx, tess),
    )
    assert due == 1 and who(client) is None
