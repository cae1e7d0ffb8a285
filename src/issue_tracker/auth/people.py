"""The names of the helpdesk's users, for filters and for quick find."""

from sqlalchemy import Connection, select

from issue_tracker.actor import HELPDESK, Actor, require_helpdesk
from issue_tracker.database.tables import users
from issue_tracker.names import key


def list_people(tx: Connection, actor: Actor) -> list[str]:
    """Returns the distinct names of all active users with helpdesk access. Raises Forbidden without such access.

    An actor with limited company access gets none: a name could be that of a user who works for hidden companies.
    """
    require_helpdesk(actor)
    if not actor.company_access.all:
        return []
    roles = [role.value for role in HELPDESK]
    found = tx.execute(select(users.c.name).distinct().where(users.c.active.is_(True), users.c.role.in_(roles)))
    return sorted(found.scalars(), key=key)
