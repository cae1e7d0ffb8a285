"""Runs migrations on the connection, and in the transaction, that `issue_tracker.database.migrate` opened."""

from alembic import context

from issue_tracker.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
