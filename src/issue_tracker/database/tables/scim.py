"""What identity providers administer by SCIM: tokens, the attributes of provisioned accounts, and groups."""

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.schema import Column, ForeignKey, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

# The bearer tokens of `/scim/v2`. They have no owner, so they remain valid when their creator leaves.
scim_tokens = Table(
    "scim_tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False, unique=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("secret_hash", LargeBinary(32), nullable=False),
    # CIDRs separated by spaces; null: accepted from any address (auth/token_networks.py).
    Column("networks", Text),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    sqlite_autoincrement=True,
)

# Attributes from the provider that are not in `users`. Accounts that no provider has changed have no row.
scim_users = Table(
    "scim_users",
    metadata,
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # Null after the provider has deleted the user, so that another user may get the name.
    Column("user_name", Text),
    Column("user_name_key", Key, unique=True),
    Column("external_id", Text, index=True),
    Column("given_name", Text),
    Column("family_name", Text),
    # When the provider deleted the user; the account has been disabled since then.
    Column("deleted_at", Instant),
)

scim_groups = Table(
    "scim_groups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False, unique=True),
    Column("external_id", Text, index=True),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

scim_group_members = Table(
    "scim_group_members",
    metadata,
    Column("group_id", Id, ForeignKey("scim_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True, index=True),
)
