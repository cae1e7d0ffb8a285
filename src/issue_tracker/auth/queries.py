"""What a change of an account reads of issues."""

from sqlalchemy import Connection, select

from issue_tracker.database.tables import assignments, issues


def lock_owned_issues(tx: Connection, user_id: int) -> None:
    """Locks the issues that show the user's name: with a new name, the database gives them new revisions. It would lock
    them in another order than `lock_issues` does. On SQLite, changes wait for each other anyway.
    """
    if tx.dialect.name == "sqlite":
        return
    assigned = select(assignments.c.issue_id).where(assignments.c.owner_id == user_id)
    owned = (issues.c.owner_id == user_id) | issues.c.issue_id.in_(assigned)
    tx.execute(select(issues.c.issue_id).where(owned).order_by(issues.c.issue_id).with_for_update())
