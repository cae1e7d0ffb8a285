"""The ways in which a user can prove their identity again: with the password, or at an identity provider."""

import msgspec
from sqlalchemy import Connection

from issue_tracker.auth.passwords import NO_PASSWORD
from issue_tracker.auth.single_sign_on.break_glass import may_use_password
from issue_tracker.auth.single_sign_on.identities import list_identities
from issue_tracker.auth.users import get_user, password_hash_of
from issue_tracker.settings import Settings
from issue_tracker.settings.providers import Provider


class WaysToConfirm(msgspec.Struct, frozen=True):
    """`password`: the user has one and may use it. `providers`: those at which the user has a linked identity."""

    password: bool
    providers: list[Provider]


def ways_to_confirm(tx: Connection, settings: Settings, user_id: int) -> WaysToConfirm:
    """Returns the ways to confirm of an existing user."""
    issuers = {identity.issuer for identity in list_identities(tx, user_id)}
    has_password = password_hash_of(tx, user_id) != NO_PASSWORD
    return WaysToConfirm(
        has_password and may_use_password(settings, get_user(tx, user_id).email),
        [provider for provider in settings.providers if provider.issuer in issuers],
    )
