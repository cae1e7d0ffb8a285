"""Accounts have only states that operations produce: their company access, and how their users sign in."""

from collections.abc import Iterator

from sqlalchemy import Connection, exists, or_, select

from issue_tracker.actor import Actor, Role
from issue_tracker.auth.passwords import NO_PASSWORD
from issue_tracker.database.tables import factors, group_mappings, identities, sessions, users
from issue_tracker.invariants.queries.streams import stream


def impossible_accounts(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields customers who see all companies (docs/decisions/0025); service accounts that allow a sign-in
    (0029); and users whose `has_factor` does not match their second factors (0026).
    """
    for table, number in ((users, users.c.user_id), (group_mappings, group_mappings.c.id)):
        seeing = select(number).where(table.c.role == Role.CUSTOMER.value, table.c.all_companies)
        for (id_,) in stream(tx, actor, seeing):
            yield f"{table.name} {id_} is a customer’s and sees all companies."
    ways = [exists().where(table.c.user_id == users.c.user_id) for table in (sessions, factors, identities)]
    open_ = select(users.c.user_id).where(users.c.service_account, or_(users.c.password_hash != NO_PASSWORD, *ways))
    for (user_id,) in stream(tx, actor, open_):
        yield f"User {user_id} is a service account, and somebody can sign in to it."
    confirmed = exists().where(factors.c.user_id == users.c.user_id, factors.c.confirmed_at.is_not(None))
    wrong = select(users.c.user_id, users.c.has_factor).where(users.c.has_factor != confirmed)
    for user_id, said in stream(tx, actor, wrong):
        yield f"User {user_id} has has_factor {bool(said)}, which contradicts its factors."
