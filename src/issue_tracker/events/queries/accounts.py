"""The accounts of the actors and the owners in a history, because different people may have the same name."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, exists, select

from issue_tracker.database.tables import look_alikes, users
from issue_tracker.events.catalog import EventActor
from issue_tracker.looks import look_alike_key
from issue_tracker.names import key
from issue_tracker.new_names import Kind


class Account(msgspec.Struct, frozen=True):
    """The account of an actor: the user's id and email address.

    `needed` says that the name alone is ambiguous: another user's name looks the same, or the actor has a different
    name now.
    """

    user_id: int
    email: str
    needed: bool


def accounts_of(tx: Connection, actors: Collection[EventActor]) -> dict[EventActor, Account]:
    """Returns the accounts of those actors who have one."""
    keys = {actor: (actor.id, look_alike_key(actor.name)) for actor in actors if actor.id is not None}
    if not keys:
        return {}
    skeleton = look_alikes.c.look_alike_key
    query = (
        select(users.c.user_id, users.c.email, users.c.name, skeleton)
        .outerjoin(look_alikes, (look_alikes.c.kind == Kind.USER.value) & (look_alikes.c.id == users.c.user_id))
        .where(users.c.user_id.in_({id_ for id_, _ in keys.values()}) | skeleton.in_({key for _, key in keys.values()}))
    )
    found = {row.user_id: row for row in tx.execute(query)}
    skeletons = [row.look_alike_key for row in found.values()]
    return {
        actor: Account(id_, found[id_].email, needed=found[id_].name != actor.name or skeletons.count(key) > 1)
        for actor, (id_, key) in keys.items()
        if id_ in found
    }


def names_of(tx: Connection, emails: Collection[str]) -> dict[str, str]:
    """Returns the present names of the users with these email addresses, by address. Leaves out users who have no
    account any more, and names that several users have.
    """
    if not emails:
        return {}
    keys = {key(email): email for email in emails}
    same = users.alias()
    shared = exists().where(same.c.name == users.c.name, same.c.user_id != users.c.user_id)
    query = select(users.c.email_key, users.c.name).where(users.c.email_key.in_(list(keys)), ~shared)
    return {keys[row.email_key]: row.name for row in tx.execute(query)}
