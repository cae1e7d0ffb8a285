"""${message}"""

from alembic import op
import sqlalchemy as sa

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
# The version of the oldest program that may run on the schema after this migration (docs/decisions/0021).
oldest_program = ${repr(up_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
