"""Sign-out that begins at a provider, which sends a signed message (OpenID Connect Back-Channel Logout 1.0)."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from issue_tracker.auth.single_sign_on.binding import end_provider_sessions
from issue_tracker.auth.single_sign_on.client import ProviderClient
from issue_tracker.auth.single_sign_on.errors import TokenRefused
from issue_tracker.auth.single_sign_on.sign_in import provider_actor
from issue_tracker.database.engine import Database
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record

LONGEST = 10_000
"""Maximum length of a logout token that is read, in characters."""


def sign_out(database: Database, client: ProviderClient, token: str, request_id: str, at: datetime) -> int:
    """Ends the sessions that a logout token is about, and the sign-ins that wait for their second step. Returns the
    number of sessions.

    Sessions that were started after the token was issued continue, so that sending it again ends nothing more. Runs its
    own transaction, because it may wait for the provider's keys. Raises Invalid for an invalid token, and
    ProviderFailed.
    """
    # Loads joserfc, which takes memory that most installations do not need (client.py).
    from issue_tracker.auth.single_sign_on.tokens import LEEWAY_SECONDS, read_logout_token  # noqa: PLC0415 - loads joserfc

    if not token or len(token) > LONGEST:
        raise Invalid.field("logout_token", "is missing or too long")
    try:
        claims = read_logout_token(client.provider, token, client.keys, at)
    except TokenRefused as refused:
        raise Invalid.field("logout_token", f"is not valid: {refused}") from None
    until = datetime.fromtimestamp(claims["iat"], UTC) + timedelta(seconds=LEEWAY_SECONDS)
    with database.write() as tx:
        return _end(tx, client, claims.get("sub"), claims.get("sid"), until, request_id, at)


def _end(
    tx: Connection,
    client: ProviderClient,
    subject: str | None,
    session: str | None,
    until: datetime,
    request_id: str,
    at: datetime,
) -> int:
    issuer, actor = client.provider.issuer, provider_actor(client.provider, request_id)
    ended = end_provider_sessions(tx, issuer, subject=subject, session=session, until=until)
    notes = [f"session of {email}, who signed out at {client.provider.name}" for email in ended]
    record(tx, actor, [Change(type=EventType.SESSION_ENDED, note=note) for note in notes], at)
    return len(ended)
