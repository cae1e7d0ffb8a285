"""The names of those who work at the helpdesk, for filters and for quick find."""

from sqlalchemy import Connection, select

from issue_tracker.actor import Actor, Role, require_helpdesk
from issue_tracker.database.tables import users
from issue_tracker.names import key


def list_people(tx: Connection, actor: Actor) -> list[str]:
    """Returns the names of all active users with helpdesk access, each once. Raises Forbidden without such access.

    Whoever sees some companies only gets none: a name could be that of somebody who works for the others.
    """
    require_helpdesk(actor)
    if not actor.company_access.all:
        return []
    roles = [role.value for role in (Role.TECHNICIAN, Role.SUPER_ADMIN)]
    found = tx.execute(select(users.c.name).distinct().where(users.c.active.is_(True), users.c.role.in_(roles)))
    return sorted(found.scalars(), key=key)
