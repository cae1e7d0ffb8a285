"""What monitoring has reported (contract, section 14)."""

from sqlalchemy import String, Text
from sqlalchemy.schema import Column, Index, Table, UniqueConstraint

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Id, primary_key=True),
    # Whose key it is: 0 for everybody who sees all companies, otherwise one user's id. Whoever sees some companies only
    # could find out otherwise which keys others use.
    Column("namespace", Id, nullable=False),
    Column("key", Key, nullable=False),
    Column("state", String(10), nullable=False),
    # The names as they were sent; the keys show whether the sender means something else than the last time.
    Column("issue_text", Text, nullable=False),
    Column("company_text", Text, nullable=False),
    Column("issue_key", Key, nullable=False),
    Column("company_key", Key, nullable=False),
    Column("severity", String(20)),
    Column("summary", Text),
    Column("url", Text),
    # Which assignment it is about; both are null while the alert is unsorted. They are copies, not references: the
    # alert outlives the issue.
    Column("issue_id", Id),
    Column("company_id", Id),
    # The event by which alerts opened the assignment; null where a person had opened it before.
    Column("opening_event_id", Id),
    # How often in a row the state was reported. 0 only within the transaction that inserts the row.
    Column("count", Id, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    UniqueConstraint("namespace", "key"),
    Index("ix_alerts_state_alert_id", "state", "alert_id"),
    Index("ix_alerts_issue_id_company_id", "issue_id", "company_id"),
    sqlite_autoincrement=True,
)
