"""The company access of users and tokens: the companies, and the groups, that they may see (docs/decisions/0024).

A token sees only those of them that its owner may see, too.
"""

from sqlalchemy.schema import Column, ForeignKey, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id

user_companies = Table(
    "user_companies",
    metadata,
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    # No cascade, as for groups: what a company access names cannot be deleted, so that no access changes unnoticed.
    Column("company_id", Id, ForeignKey("companies.company_id"), primary_key=True, index=True),
)

user_company_groups = Table(
    "user_company_groups",
    metadata,
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", Id, ForeignKey("company_groups.group_id"), primary_key=True, index=True),
)

token_companies = Table(
    "token_companies",
    metadata,
    Column("token_id", Id, ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True),
    Column("company_id", Id, ForeignKey("companies.company_id"), primary_key=True, index=True),
)

token_company_groups = Table(
    "token_company_groups",
    metadata,
    Column("token_id", Id, ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", Id, ForeignKey("company_groups.group_id"), primary_key=True, index=True),
)
