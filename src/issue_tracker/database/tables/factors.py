"""Second factors, and the sign-ins and registrations that wait for them."""

from sqlalchemy import Integer, LargeBinary, String, Text
from sqlalchemy.schema import Column, ForeignKey, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant

factors = Table(
    "factors",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("method", String(20), nullable=False),
    Column("name", Text, nullable=False),
    # For an authenticator app: its secret, encrypted with the server key, and the time step of the last code used.
    Column("secret", Text),
    Column("last_step", Id),
    # For a passkey: the credential that the authenticator created at registration, and its signature counter.
    Column("credential_id", LargeBinary, unique=True),
    Column("public_key", LargeBinary),
    Column("sign_count", Id),
    Column("transports", Text),
    Column("created_at", Instant, nullable=False),
    # An authenticator app does not count as a factor until its first code was verified.
    Column("confirmed_at", Instant),
    Column("last_used_at", Instant),
    sqlite_autoincrement=True,
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", LargeBinary(32), primary_key=True),
)

# Sign-ins whose first step succeeded, by the hash of the token that the second step must present.
sign_in_challenges = Table(
    "sign_in_challenges",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    # The identity provider that the sign-in began with (auth/single_sign_on/binding.py), as JSON.
    Column("binding", Text),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

# Signed passkey challenges that were used, until they expire, so that none works twice.
spent_challenges = Table(
    "spent_challenges",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)
