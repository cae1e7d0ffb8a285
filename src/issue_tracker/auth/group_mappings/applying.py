"""Applies group mappings: the groups of a user determine the user's role and company access.

Several sources may have mappings for the same user. One of them determines both, so that a right that it withdraws is
not retained by another: SCIM, as soon as it has put the user in a group, and otherwise the provider of the last
sign-in. `users.access_source` records which one it is.
"""

from collections.abc import Collection

import structlog
from sqlalchemy import Connection, select, update

from issue_tracker.actor import Actor, Role
from issue_tracker.auth.company_access import set_company_access
from issue_tracker.auth.group_mappings.queries import SCIM, find_access_sources
from issue_tracker.auth.single_sign_on.break_glass import is_break_glass
from issue_tracker.auth.users import lock_user, update_user
from issue_tracker.company_access.grants import Grant
from issue_tracker.database.before_commit import savepoint
from issue_tracker.database.tables import group_mapping_companies, group_mapping_company_groups, group_mappings, users
from issue_tracker.errors import Invalid
from issue_tracker.settings import Settings

log = structlog.get_logger("issue_tracker.sign_in")

_RANKS = {Role.SUPER_ADMIN: 3, Role.TECHNICIAN: 2, Role.CUSTOMER: 1, Role.MEMBER: 0}
"""The order of roles: of several roles, the one with the most rights applies."""


def apply_groups(
    tx: Connection,
    actor: Actor,
    settings: Settings,
    user_id: int,
    source: str,
    groups: Collection[str],
    *,
    of_running_session: bool = False,
) -> None:
    """Sets the role and the company access of a user according to the user's groups. `actor` is the provider, or SCIM.

    Changes nothing if another source determines them: SCIM; or, for the groups `of_running_session`, the provider at
    which the user signed in since.

    If several mappings match, the role with the most rights and the union of their company accesses apply. If none
    matches, the user becomes a member, without helpdesk access. As long as a source has no mappings, roles are
    administered in this product, and nothing changes. A break-glass account never changes, and the last super admin
    with access to all companies remains one, whatever the groups are.
    """
    rows = tx.execute(select(group_mappings).where(group_mappings.c.source == source)).all()
    if not rows:
        return
    user = lock_user(tx, user_id)
    if is_break_glass(settings, user.email):
        return
    present = find_access_sources(tx, actor, [user_id]).get(user_id)
    another = present is not None and present != source
    if another and source != SCIM and (present == SCIM or of_running_session):
        return
    if present != source:
        tx.execute(update(users).where(users.c.user_id == user_id).values(access_source=source))
    matching = [row for row in rows if row.group_name in groups]
    role = max((Role(row.role) for row in matching), key=_RANKS.__getitem__, default=Role.MEMBER)
    try:
        with savepoint(tx):
            update_user(tx, actor, user_id, role=role)
            seeing = [row for row in matching if row.role != Role.MEMBER.value]
            if seeing:
                everything = any(row.all_companies for row in seeing)
                granted = None if everything else _granted(tx, [row.id for row in seeing])
                set_company_access(tx, actor, user_id, granted)
    except Invalid as refused:
        log.warning("groups were not applied", user_id=user_id, source=source, reason=refused.detail)


def _granted(tx: Connection, mapping_ids: Collection[int]) -> Grant:
    direct, grouped = group_mapping_companies.c, group_mapping_company_groups.c
    company_ids = tx.execute(select(direct.company_id).where(direct.mapping_id.in_(mapping_ids))).scalars()
    group_ids = tx.execute(select(grouped.group_id).where(grouped.mapping_id.in_(mapping_ids))).scalars()
    return Grant(sorted(set(company_ids)), sorted(set(group_ids)))
