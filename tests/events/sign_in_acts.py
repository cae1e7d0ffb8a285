"""The changes to linked identities, group mappings and saved views, for test_recorded.py."""

from collections.abc import Callable

from sqlalchemy import Connection

from issue_tracker.actor import Actor, Role
from issue_tracker.auth import users
from issue_tracker.auth.group_mappings.operations import (
    MappingFields,
    create_mapping,
    delete_mapping,
    update_mapping,
)
from issue_tracker.auth.group_mappings.queries import SCIM, list_mappings
from issue_tracker.auth.scim.groups import list_groups
from issue_tracker.auth.scim.memberships import change_group, create_group, delete_group
from issue_tracker.auth.single_sign_on.identities import link_identity, list_identities, unlink_identity
from issue_tracker.clock import now
from issue_tracker.company_access.grants import Grant
from issue_tracker.events.catalog import EventType
from issue_tracker.issues.views.operations import create_view, delete_view, update_view
from issue_tracker.issues.views.queries import list_views
from issue_tracker.names import parse_name
from issue_tracker.settings import Settings
from tests.world import CAST

ADA = Actor(None, "Ada Lund", Role.SUPER_ADMIN, "session", "request-1", fresh_proof=True)


def given(tx: Connection) -> None:
    """Creates an identity and a view of Tess, a mapping, and a group that a provider has pushed."""
    _link(tx, "given")
    _push(tx, "given")
    _map(tx, "given")
    _save(tx, "given")


def _tess(tx: Connection) -> int:
    return users.get_user_by_email(tx, CAST["tess"][0]).user_id


def _link(tx: Connection, subject: str) -> None:
    link_identity(tx, ADA, _tess(tx), "https://login.example", subject, "tess@login.example", now())


def _fields(group: str, role: Role) -> MappingFields:
    return MappingFields(SCIM, group, role, Grant([], []))


def _map(tx: Connection, group: str) -> None:
    create_mapping(tx, ADA, Settings(), _fields(group, Role.TECHNICIAN))


def _mapping(tx: Connection) -> int:
    return list_mappings(tx, ADA)[0].id


def _push(tx: Connection, name: str) -> int:
    return create_group(tx, ADA, Settings(), parse_name(name), None, [_tess(tx)]).id


def _pushed(tx: Connection) -> int:
    return list_groups(tx)[0].id


def _actor(tx: Connection) -> Actor:
    return Actor(_tess(tx), CAST["tess"][1], CAST["tess"][2], "session", "request-1")


def _save(tx: Connection, name: str) -> None:
    create_view(tx, _actor(tx), parse_name(name), "owner=me", shared=True)


def _view(tx: Connection) -> int:
    return list_views(tx, _actor(tx))[0].view_id


SIGN_IN_ACTS: dict[EventType, Callable[[Connection], object]] = {
    EventType.IDENTITY_LINKED: lambda tx: _link(tx, "new"),
    EventType.IDENTITY_UNLINKED: lambda tx: unlink_identity(tx, ADA, _tess(tx), list_identities(tx, _tess(tx))[0].id),
    EventType.GROUP_MAPPING_CREATED: lambda tx: _map(tx, "new"),
    EventType.GROUP_MAPPING_UPDATED: lambda tx: update_mapping(
        tx, ADA, Settings(), _mapping(tx), _fields("given", Role.MEMBER)
    ),
    EventType.SCIM_GROUP_CREATED: lambda tx: _push(tx, "new"),
    EventType.SCIM_GROUP_UPDATED: lambda tx: change_group(
        tx, ADA, Settings(), _pushed(tx), parse_name("given"), None, []
    ),
    EventType.SCIM_GROUP_DELETED: lambda tx: delete_group(tx, ADA, Settings(), _pushed(tx)),
    EventType.GROUP_MAPPING_DELETED: lambda tx: delete_mapping(tx, ADA, Settings(), _mapping(tx)),
    EventType.VIEW_CREATED: lambda tx: _save(tx, "new"),
    EventType.VIEW_UPDATED: lambda tx: update_view(tx, ADA, _view(tx), name=parse_name("other")),
    EventType.VIEW_DELETED: lambda tx: delete_view(tx, ADA, _view(tx)),
}
