"""All that is stored encrypted, when the server key is replaced or the data moves to another server."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from issue_tracker.auth.factors import totp_secrets
from issue_tracker.encryption import Keyring
from issue_tracker.events import signing_secrets
from issue_tracker.settings import PREFIX


class Reencrypted(msgspec.Struct, frozen=True):
    """How many secrets were encrypted anew, and a sentence on each kind of those that no key at hand decrypts."""

    changed: int
    problems: list[str]


def has_secrets(tx: Connection) -> bool:
    """Returns whether anything is stored encrypted."""
    return signing_secrets.has_secrets(tx) or totp_secrets.has_secrets(tx)


def reencrypt(tx: Connection, keyring: Keyring) -> Reencrypted:
    """Encrypts every stored secret with the first key that is not yet. What no key decrypts stays as it is."""
    signing = signing_secrets.reencrypt(tx, keyring)
    changed, users = totp_secrets.reencrypt(tx, keyring)
    problems = []
    if signing.unreadable:
        otherwise = "give these webhooks new secrets"
        problems.append(_problem("The secrets of these webhooks", signing.unreadable, otherwise))
    if users:
        problems.append(
            _problem("Authenticator apps of the users with these ids", users, "reset the second factors of these users")
        )
    return Reencrypted(signing.changed + changed, problems)


def _problem(what: str, ids: Sequence[int], otherwise: str) -> str:
    listed = ", ".join(map(str, ids[:20]))
    return (
        f"{what} were encrypted with another server key: {listed}. Add that key behind the present one in "
        f"{PREFIX}SECRET_KEY and run `issue-tracker reencrypt`, or {otherwise}."
    )
