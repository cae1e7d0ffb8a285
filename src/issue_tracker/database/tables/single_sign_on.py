"""Sign-in through identity providers: linked identities, group mappings, and sign-ins in progress."""

from sqlalchemy import Boolean, LargeBinary, String, Text
from sqlalchemy.schema import Column, ForeignKey, Index, Table, UniqueConstraint

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

# An account at a provider, by the key that OpenID Connect guarantees to be unique: the issuer and its subject.
identities = Table(
    "identities",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("issuer", Key, nullable=False),
    Column("subject", Key, nullable=False),
    Column("email", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    # When the provider last confirmed that the account may sign in.
    Column("confirmed_at", Instant, nullable=False),
    UniqueConstraint("issuer", "subject", name="uq_identities_issuer_subject"),
    sqlite_autoincrement=True,
)

# The sessions that a provider started, with what is needed to check them there, and to end them from there.
provider_sessions = Table(
    "provider_sessions",
    metadata,
    Column("session_id", Id, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("identity_id", Id, ForeignKey("identities.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("provider", String(40), nullable=False),
    # The provider's own session (the claim `sid`).
    Column("provider_sid", Text),
    # Encrypted with the server key.
    Column("refresh_token", Text),
    # When to check the session next; null if that is not possible.
    Column("check_at", Instant, index=True),
    Column("at", Instant, nullable=False),
)

# Sign-ins that were sent to a provider and have not returned. Nonce and code verifier are derived from the state.
sign_in_flows = Table(
    "sign_in_flows",
    metadata,
    Column("state_hash", LargeBinary(32), primary_key=True),
    Column("browser_hash", LargeBinary(32), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("purpose", String(20), nullable=False),
    Column("session_id", Id),
    Column("target", Text, nullable=False),
    Column("carried", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_sign_in_flows_at", "at"),
    Index("ix_sign_in_flows_address_at", "address", "at"),
)

# What a group of a provider, or of SCIM, means here. `source` is the id of a provider, or `scim`.
group_mappings = Table(
    "group_mappings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(40), nullable=False),
    Column("group_name", Key, nullable=False),
    Column("role", String(20), nullable=False),
    # Whether the members may see every company. If not, the two tables below list those they may.
    Column("all_companies", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("source", "group_name", name="uq_group_mappings_source_group_name"),
    sqlite_autoincrement=True,
)

group_mapping_companies = Table(
    "group_mapping_companies",
    metadata,
    Column("mapping_id", Id, ForeignKey("group_mappings.id", ondelete="CASCADE"), primary_key=True),
    # No cascade, as for the access of a user: what a mapping names is never deleted unnoticed.
    Column("company_id", Id, ForeignKey("companies.company_id"), primary_key=True, index=True),
)

group_mapping_company_groups = Table(
    "group_mapping_company_groups",
    metadata,
    Column("mapping_id", Id, ForeignKey("group_mappings.id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", Id, ForeignKey("company_groups.group_id"), primary_key=True, index=True),
)
