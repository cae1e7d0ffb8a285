"""All encrypted secrets in the database, for a change of the server key or a move to another server."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from issue_tracker.alerts.mailboxes import stored as mailboxes
from issue_tracker.auth.factors import totp_secrets
from issue_tracker.auth.single_sign_on import refresh_tokens
from issue_tracker.encryption import Keyring
from issue_tracker.events import signing_secrets
from issue_tracker.settings import PREFIX


class Reencrypted(msgspec.Struct, frozen=True):
    """The number of re-encrypted secrets, and a sentence on each kind of secret that no available key decrypts."""

    changed: int
    problems: list[str]


def has_secrets(tx: Connection) -> bool:
    """Returns whether any encrypted secret is stored."""
    return any(kind.has_secrets(tx) for kind in (signing_secrets, totp_secrets, mailboxes, refresh_tokens))


def reencrypt(tx: Connection, keyring: Keyring) -> Reencrypted:
    """Encrypts with the first key every secret that is not yet. Leaves secrets that no key decrypts unchanged."""
    signing, webhooks = signing_secrets.reencrypt(tx, keyring)
    apps, users = totp_secrets.reencrypt(tx, keyring)
    passwords, receivers = mailboxes.reencrypt(tx, keyring)
    tokens, signed_in = refresh_tokens.reencrypt(tx, keyring)
    problems = []
    if webhooks:
        problems.append(_problem("The secrets of these webhooks", webhooks, "give these webhooks new secrets"))
    if users:
        problems.append(
            _problem("Authenticator apps of the users with these ids", users, "reset the second factors of these users")
        )
    if receivers:
        what = "The passwords of the mailboxes of the receivers with these ids"
        problems.append(_problem(what, receivers, "enter these passwords again"))
    if signed_in:
        what = "Refresh tokens of sessions of the users with these ids"
        problems.append(_problem(what, signed_in, "let these users sign in again when their sessions end"))
    return Reencrypted(signing + apps + passwords + tokens, problems)


def _problem(what: str, ids: Sequence[int], otherwise: str) -> str:
    listed = ", ".join(map(str, ids[:20]))
    return (
        f"{what} were encrypted with another server key: {listed}. Add that key after the current one in "
        f"{PREFIX}SECRET_KEY and run `issue-tracker reencrypt`, or {otherwise}."
    )
