"""The result of a sign-in at a provider: finds or creates the account, applies its groups, and starts a session."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, select, update

from issue_tracker.actor import Actor, Role
from issue_tracker.auth.group_mappings.applying import apply_groups
from issue_tracker.auth.own_account import lock_self
from issue_tracker.auth.passwords import NO_PASSWORD
from issue_tracker.auth.sessions import Session
from issue_tracker.auth.signin import SecondStep, SignedIn, Visitor, after_first_step
from issue_tracker.auth.single_sign_on.binding import Binding
from issue_tracker.auth.single_sign_on.break_glass import is_break_glass
from issue_tracker.auth.single_sign_on.errors import SignInRefused
from issue_tracker.auth.single_sign_on.flows import Flow
from issue_tracker.auth.single_sign_on.identities import (
    Identity,
    confirm_identity,
    find_identity,
    link_identity,
    list_identities,
)
from issue_tracker.auth.single_sign_on.person import Person
from issue_tracker.auth.user_names import DisplayName, parse_display_name
from issue_tracker.auth.users import User, create_user, find_credentials, get_user, lock_user, set_own_password
from issue_tracker.database.before_commit import savepoint
from issue_tracker.database.tables import sessions, users
from issue_tracker.encryption import Keyring
from issue_tracker.errors import Invalid, Unauthenticated
from issue_tracker.settings import Settings
from issue_tracker.settings.providers import Provider

NO_ACCOUNT = "There is no account here that is linked to yours at the provider. Ask a super admin of this tracker."

PROOF_SECONDS = 60
"""How much earlier than requested a sign-in at the provider may appear, because its clock may differ."""


class ProviderSignIn(msgspec.Struct, frozen=True):
    """A person who signed in at a provider at `at` (UTC), and the refresh token, if the provider sent one."""

    provider: Provider
    person: Person
    refresh_token: str | None
    at: datetime


def provider_actor(provider: Provider, request_id: str = "") -> Actor:
    """Returns the actor of changes caused by a provider, which the operator trusts with the accounts of its users."""
    return Actor(None, provider.name, Role.SUPER_ADMIN, "session", request_id, fresh_proof=True)


def sign_in(
    tx: Connection, settings: Settings, keyring: Keyring, signed: ProviderSignIn, visitor: Visitor
) -> SignedIn | SecondStep:
    """Applies the groups of a person who signed in at a provider, and starts a session or waits for the second step.

    A new identity is linked to an account, or an account is created for it, if the provider is configured for that.
    Raises SignInRefused.
    """
    provider, person, at = signed.provider, signed.person, signed.at
    actor = provider_actor(provider, visitor.request_id)
    found = _locked_identity(tx, person)
    if found is None:
        user = _found_or_created(tx, actor, settings, signed)
        identity_id = link_identity(tx, actor, user.user_id, person.issuer, person.subject, person.email or "", at)
    else:
        user, identity_id = get_user(tx, found.user_id), found.id
        confirm_identity(tx, identity_id, at)
    if not user.active or user.service_account:
        why = "is a service account" if user.service_account else "is disabled"
        raise SignInRefused(NO_ACCOUNT, f"the account {user.email} {why}")
    apply_groups(tx, actor, settings, user.user_id, provider.id, person.groups or frozenset())
    _remove_initial_password(tx, user, at)
    binding = Binding(
        identity_id=identity_id,
        provider=provider.id,
        provider_name=provider.name,
        provider_sid=person.session,
        refresh_token=keyring.encrypt(signed.refresh_token) if signed.refresh_token else None,
        session_minutes=provider.session_minutes,
        check_minutes=provider.check_minutes,
        proved_at=person.signed_in_at,
    )
    proved = f"second factor at {provider.name}" if person.second_factor else None
    present = get_user(tx, user.user_id)
    return after_first_step(tx, settings, present, visitor, at, proved=proved, binding=binding)


def confirm(tx: Connection, session: Session, flow: Flow, signed: ProviderSignIn) -> None:
    """Gives a session fresh proof, because its user has just signed in at the provider again.

    Raises SignInRefused for another person, and if the provider does not say that the sign-in is a new one.
    """
    person = signed.person
    lock_user(tx, session.user_id)
    found = find_identity(tx, person.issuer, person.subject)
    if found is None or found.user_id != session.user_id or flow.session_id != session.id:
        raise SignInRefused("You signed in with another account. Confirm with your own.", "another person confirmed")
    if person.signed_in_at is None or person.signed_in_at < flow.at - timedelta(seconds=PROOF_SECONDS):
        raise SignInRefused(
            f"{signed.provider.name} did not ask you to sign in again, so nothing is confirmed.",
            f"auth_time is {person.signed_in_at}, the confirmation began at {flow.at}",
        )
    confirm_identity(tx, found.id, signed.at)
    tx.execute(update(sessions).where(sessions.c.id == session.id).values(confirmed_at=signed.at))


def link(tx: Connection, actor: Actor, flow: Flow, signed: ProviderSignIn) -> None:
    """Links the person's identity to the account of the acting user, in the session that began it.

    Raises SignInRefused if it is linked to another user, and if the session has ended.
    """
    person = signed.person
    if actor.user_id is None or flow.session_id != actor.session_id:
        raise SignInRefused("Your session changed in the meantime. Start again.", "the session is another one")
    try:
        lock_self(tx, actor)
    except Unauthenticated:
        raise SignInRefused("Your session has ended. Sign in again.", "the session has ended") from None
    found = find_identity(tx, person.issuer, person.subject)
    if found is not None and found.user_id != actor.user_id:
        raise SignInRefused("That account is linked to another user here.", "the identity is another user's")
    if found is None:
        email = person.email or ""
        link_identity(tx, actor, actor.user_id, person.issuer, person.subject, email, signed.at)


def _locked_identity(tx: Connection, person: Person) -> Identity | None:
    """Returns the identity of a person whose user is locked; None if it is not linked to any user.

    Without the lock, a new session would survive if the user is disabled, or the identity unlinked, at this moment.
    """
    found = find_identity(tx, person.issuer, person.subject)
    if found is None:
        return None
    lock_user(tx, found.user_id)
    present = find_identity(tx, person.issuer, person.subject)
    return present if present is not None and present.user_id == found.user_id else None


def _found_or_created(tx: Connection, actor: Actor, settings: Settings, signed: ProviderSignIn) -> User:
    """Returns the account for a new identity. Only a verified address counts, and only once for each account, because
    the address may belong to another person later.
    """
    provider, person = signed.provider, signed.person
    if person.email is None:
        raise SignInRefused(NO_ACCOUNT, "the identity is unknown, and its email address is missing or not verified")
    credentials = find_credentials(tx, person.email)
    if credentials is None:
        if not provider.create_accounts:
            raise SignInRefused(NO_ACCOUNT, f"{person.email} has no account, and create_accounts is off")
        return _created(tx, actor, person)
    user = lock_user(tx, credentials[0].user_id)
    if not provider.link_by_email:
        raise SignInRefused(NO_ACCOUNT, f"{person.email} has an account, and link_by_email is off")
    if is_break_glass(settings, user.email):
        raise SignInRefused(NO_ACCOUNT, f"{person.email} is a break-glass account")
    if list_identities(tx, user.user_id):
        raise SignInRefused(NO_ACCOUNT, f"the account of {person.email} is already linked to another identity")
    return user


def _created(tx: Connection, actor: Actor, person: Person) -> User:
    assert person.email is not None
    for shown in dict.fromkeys((person.name, person.email)):
        try:
            with savepoint(tx):
                return create_user(tx, actor, person.email, _display_name(shown, person.email), Role.MEMBER, None)
        except Invalid as refused:
            reason = refused.detail
    raise SignInRefused(NO_ACCOUNT, f"the account cannot be created: {reason}")


def _display_name(text: str, otherwise: str) -> DisplayName:
    try:
        return parse_display_name(text)
    except ValueError:
        return parse_display_name(otherwise)


def _remove_initial_password(tx: Connection, user: User, at: datetime) -> None:
    """Removes a password that a super admin chose and the user never changed, as it is no longer needed."""
    given = users.c.user_id == user.user_id, users.c.password_change_required
    if tx.execute(select(users.c.user_id).where(*given)).first() is not None:
        set_own_password(tx, user.user_id, NO_PASSWORD, at)
