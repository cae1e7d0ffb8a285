"""The source of the groups that determine the role and the company access of a user: SCIM, or an identity provider.

Members of groups that SCIM has pushed follow SCIM. For the others, the source is recorded at their next sign-in.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
oldest_program = "0031"


def upgrade() -> None:
    op.add_column("users", sa.Column("access_source", sa.String(40), nullable=True))
    op.execute("UPDATE users SET access_source = 'scim' WHERE user_id IN (SELECT user_id FROM scim_group_members)")
