"""Users and their credentials."""

from sqlalchemy import Boolean, LargeBinary, String, Text, false, text
from sqlalchemy.schema import Column, ForeignKey, Index, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

users = Table(
    "users",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_key", Key, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", String(20), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("password_change_required", Boolean, nullable=False, server_default=false()),
    # Whether the user may see every company. If not, `user_companies` and `user_company_groups` list those they may.
    Column("all_companies", Boolean, nullable=False, server_default=text("true")),
    # Whether the user has a second factor: confirmed rows in `factors` (auth/factors/stored.py).
    Column("has_factor", Boolean, nullable=False, server_default=false()),
    # The source whose groups last determined role and company access (auth/group_mappings); null: no groups did.
    Column("access_source", String(40)),
    # Whether this is a service account, to which no person signs in: a program uses its tokens.
    Column("service_account", Boolean, nullable=False, server_default=false()),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("confirmed_at", Instant),
    # Whether the sign-in proved a second factor, here or at an identity provider.
    Column("second_factor", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    # CIDRs separated by spaces; null: the token is accepted from every address (auth/token_networks.py).
    Column("networks", Text),
    # Whether the token has its owner's company access. If not, `token_companies` and `token_company_groups` limit it.
    Column("all_companies", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    sqlite_autoincrement=True,
)

invitations = Table(
    "invitations",
    metadata,
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

setup_tokens = Table(
    "setup_tokens",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("created_at", Instant, nullable=False),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("id", Id, primary_key=True),
    # A user's id, or, if there is no such account, a short hash of what was entered (auth/throttle.py).
    Column("account_key", Text, nullable=False),
    # The IPv4 address or IPv6 /64, and the IPv6 /48 around it or an empty text (auth/places.py).
    Column("address", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("device", String(64)),
    # Whether the user had signed in from this address or device before.
    Column("known", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_sign_in_failures_account_key_at", "account_key", "at"),
    Index("ix_sign_in_failures_address_at", "address", "at"),
    Index("ix_sign_in_failures_network_at", "network", "at"),
    Index("ix_sign_in_failures_at", "at"),
    sqlite_autoincrement=True,
)

sign_in_addresses = Table(
    "sign_in_addresses",
    metadata,
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("address", Text, primary_key=True),
    Column("at", Instant, nullable=False),
)

# The browsers in which a user has signed in, by the hash of a cookie. Several users may share one.
sign_in_devices = Table(
    "sign_in_devices",
    metadata,
    Column("device_hash", String(64), primary_key=True),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("at", Instant, nullable=False),
    # Until when no second factor is needed to sign in here.
    Column("second_factor_until", Instant),
    # The User-Agent at the last sign-in, by which the user recognizes the browser; null before it was stored.
    Column("user_agent", Text),
)
