"""Attempts to sign in are counted by account, address, network and device, and no longer by the text that was entered.

Existing attempts are deleted, because they count only for minutes. Texts entered as an e-mail address are removed from
the audit unless they are the address of an account, because people enter passwords there.
"""

from ipaddress import IPv6Address, ip_address, ip_network

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant

revision = "0010"
down_revision = "0009"
oldest_program = "0010"


def upgrade() -> None:
    op.drop_table("sign_in_failures")
    op.create_table(
        "sign_in_failures",
        sa.Column("id", Id, nullable=False),
        sa.Column("account_key", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=True),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_failures")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sign_in_failures_account_key_at", "sign_in_failures", ["account_key", "at"], unique=False)
    op.create_index("ix_sign_in_failures_address_at", "sign_in_failures", ["address", "at"], unique=False)
    op.create_index("ix_sign_in_failures_network_at", "sign_in_failures", ["network", "at"], unique=False)
    op.create_index("ix_sign_in_failures_at", "sign_in_failures", ["at"], unique=False)
    op.create_table(
        "sign_in_devices",
        sa.Column("device_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_sign_in_devices_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_hash", "user_id", name=op.f("pk_sign_in_devices")),
    )
    op.create_index(op.f("ix_sign_in_devices_user_id"), "sign_in_devices", ["user_id"], unique=False)
    _count_networks()
    op.execute(
        "UPDATE events SET actor_name = 'an unknown address' WHERE type = 'session.failed'"
        " AND lower(actor_name) NOT IN (SELECT email_key FROM users)"
    )


def _count_networks() -> None:
    """Replaces the IPv6 addresses from which users have signed in by what now counts as one address: the /64."""
    addresses = sa.table("sign_in_addresses", sa.column("user_id"), sa.column("address"), sa.column("at"))
    connection = op.get_bind()
    ipv6 = addresses.c.address.contains(":")
    found = connection.execute(sa.select(addresses).where(ipv6)).all()
    connection.execute(sa.delete(addresses).where(ipv6))
    known = {(row.user_id, row.address) for row in connection.execute(sa.select(addresses))}
    for user_id, text, at in sorted(found, key=lambda row: row.at, reverse=True):
        counted = _counted(text)
        if (user_id, counted) not in known:
            known.add((user_id, counted))
            connection.execute(sa.insert(addresses).values(user_id=user_id, address=counted, at=at))


def _counted(text: str) -> str:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return text  # a proxy may have sent any text
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or ip_network((address, 64), strict=False))
