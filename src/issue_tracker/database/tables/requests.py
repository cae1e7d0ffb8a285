"""Responses stored for the retries of requests."""

from sqlalchemy import Integer, LargeBinary, String, Text
from sqlalchemy.schema import Column, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Instant

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("actor_key", Text, primary_key=True),
    Column("method", String(10), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", LargeBinary(32), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
)
