"""Accounts and groups as resources of SCIM. Imported with its libraries on the first request."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from scim2_models import (
    GroupMembership,
    Meta,
    NotFoundException,
    PreconditionFailedException,
    Reference,
    Resource,
    ResourceType,
    ResponseParameters,
    SearchRequest,
)
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator
from scim2_server.storage import ScimStorage, SearchPage

from issue_tracker.api.scim.fields import group_fields, person_fields
from issue_tracker.api.scim.resources import Group, ScimEmail, ScimMember, ScimName, User
from issue_tracker.auth.scim import accounts, groups, memberships, people
from issue_tracker.auth.scim.groups import Member, WantedGroups
from issue_tracker.auth.scim.people import Person, WantedPeople
from issue_tracker.auth.users import lock_user
from issue_tracker.http.request import Request
from issue_tracker.integers import LARGEST_ID
from issue_tracker.names import whole_number

T = TypeVar("T")

BATCH = 500
"""Number of resources that are loaded at a time to be compared with a filter."""


class Storage(ScimStorage):
    """The resources that the client of a request can see, in the transaction of the request."""

    def __init__(self, request: Request) -> None:
        self.tx, self.actor, self.settings = request.tx, request.actor, request.settings
        self.changes = request.method in ("PUT", "PATCH", "DELETE")

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        number = _number(resource_id)
        # The resource must not change between the read and the write of a PATCH.
        if resource_type.name == "User":
            if self.changes:
                lock_user(self.tx, number)
            return self._users([people.get_person(self.tx, self.settings, number)])[0]
        group = groups.get_group(self.tx, number, lock=self.changes)
        return self._groups([group], members=_returns_members(response_parameters))[0]

    def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        skip, stop = search_request.start_index_0 or 0, search_request.stop_index_0
        if len(resource_types) == 1 and search_request.filter is None:
            most = None if stop is None else stop - skip
            # Databases accept no larger number, and no list is this long.
            return self._page(resource_types[0], search_request, min(skip, LARGEST_ID), most)
        found = [resource for each in resource_types for resource in self._matching(each, search_request)]
        return SearchPage(len(found), found[skip:stop])

    def _page(
        self, resource_type: ResourceType, search_request: SearchRequest[Any], skip: int, most: int | None
    ) -> SearchPage:
        if resource_type.name == "User":
            found = people.list_people(self.tx, self.settings, skip=skip, most=most)
            return SearchPage(people.count_people(self.tx, self.settings), [*self._users(found)])
        listed = groups.list_groups(self.tx, skip=skip, most=most)
        shown = self._groups(listed, members=_returns_members(search_request))
        return SearchPage(groups.count_groups(self.tx), [*shown])

    def _matching(self, resource_type: ResourceType, search_request: SearchRequest[Any]) -> Iterator[Resource[Any]]:
        """Yields the resources that match the filter, which is applied to all resources found in the database."""
        wanted = search_request.filter
        texts = {} if wanted is None else _looked_up(wanted.ast)
        batches: Iterator[Sequence[Resource[Any]]]
        if resource_type.name == "User":
            selected = WantedPeople(texts.get("username"), texts.get("externalid"), texts.get("emails.value"))
            batches = map(self._users, _batches(people.list_people(self.tx, self.settings, selected)))
        else:
            chosen = WantedGroups(texts.get("displayname"), texts.get("externalid"))
            members = _returns_members(search_request) or "members" in str(wanted).lower()
            load = partial(self._groups, members=members)
            batches = map(load, _batches(groups.list_groups(self.tx, chosen)))
        for resource in chain.from_iterable(batches):
            if wanted is None or wanted.match(resource):
                yield resource

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        if isinstance(resource, User):
            fields = person_fields(resource)
            return self._users([accounts.create_person(self.tx, self.actor, self.settings, fields)])[0]
        assert isinstance(resource, Group)
        name, external_id, members = group_fields(resource)
        made = memberships.create_group(self.tx, self.actor, self.settings, name, external_id, members)
        return self._groups([made])[0]

    def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        number = self._unchanged(resource_type, resource.id or "", expected_version)
        if isinstance(resource, User):
            fields = person_fields(resource, people.get_person(self.tx, self.settings, number))
            return self._users([accounts.change_person(self.tx, self.actor, self.settings, number, fields)])[0]
        assert isinstance(resource, Group)
        name, external_id, members = group_fields(resource)
        changed = memberships.change_group(self.tx, self.actor, self.settings, number, name, external_id, members)
        return self._groups([changed])[0]

    def delete(self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None) -> None:
        number = self._unchanged(resource_type, resource_id, expected_version)
        if resource_type.name == "User":
            accounts.remove_person(self.tx, self.actor, self.settings, number)
        else:
            memberships.delete_group(self.tx, self.actor, self.settings, number)

    def _unchanged(self, resource_type: ResourceType, resource_id: str, expected: str | None) -> int:
        """Returns the id of a resource. Raises PreconditionFailedException if it does not have the expected version."""
        present = self.get(resource_type, resource_id)
        if expected is not None and (present.meta is None or present.meta.version != expected):
            raise PreconditionFailedException()
        return _number(resource_id)

    def _users(self, found: Sequence[Person]) -> list[User]:
        member_of = groups.groups_of(self.tx, [person.user_id for person in found])
        return [_user(person, member_of[person.user_id]) for person in found]

    def _groups(self, found: Sequence[groups.Group], *, members: bool = True) -> list[Group]:
        ids = [group.id for group in found]
        listed = groups.members_of(self.tx, ids) if members else {}
        numbers = {id_: len(listed[id_]) for id_ in ids} if members else groups.count_members(self.tx, ids)
        return [_group(group, listed.get(group.id, []), numbers[group.id]) for group in found]


def _user(person: Person, member_of: Sequence[Member]) -> User:
    named = person.given_name is not None or person.family_name is not None
    return User(
        id=str(person.user_id),
        external_id=person.external_id,
        user_name=person.user_name,
        name=ScimName(given_name=person.given_name, family_name=person.family_name) if named else None,
        display_name=person.name,
        active=person.active,
        emails=[ScimEmail(value=person.email, type="work", primary=True)],
        groups=[
            GroupMembership(value=str(group.id), ref=Reference(f"Groups/{group.id}"), display=group.name, type="direct")
            for group in member_of
        ]
        or None,
        meta=_meta("User", person.created_at, person.updated_at, person, member_of),
    )


def _group(group: groups.Group, members: Sequence[Member], number: int) -> Group:
    """Returns a group with these members, or without members that the request excludes. Its version depends on the
    number of all members too, because a deleted user leaves the group without changing its row.
    """
    return Group(
        id=str(group.id),
        external_id=group.external_id,
        display_name=group.name,
        members=[
            ScimMember(value=str(member.id), ref=Reference(f"Users/{member.id}"), type="User") for member in members
        ]
        or None,
        meta=_meta("Group", group.created_at, group.updated_at, group, number),
    )


def _meta(kind: str, created_at: str, updated_at: str, *content: object) -> Meta:
    version = hashlib.blake2b(repr(content).encode(), digest_size=12).hexdigest()
    return Meta(
        resource_type=kind,
        created=datetime.fromisoformat(created_at),
        last_modified=datetime.fromisoformat(updated_at),
        version=f'W/"{version}"',
    )


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _looked_up(node: FilterNode) -> dict[str, str]:
    """Returns the texts to which a filter requires attributes to be equal, by lower-case path."""
    if isinstance(node, Comparison) and node.op is CompareOperator.eq and isinstance(node.value, str):
        path = node.attr_path
        return {f"{path.attr}.{path.sub_attr}".lower() if path.sub_attr else path.attr.lower(): node.value}
    if isinstance(node, LogicalExpr) and node.op is LogicalOperator.and_:
        return {path: text for term in node.terms for path, text in _looked_up(term).items()}
    return {}


def _returns_members(parameters: ResponseParameters[Any] | None) -> bool:
    excluded = None if parameters is None else parameters.excluded_attributes
    return all(str(path).lower() != "members" for path in excluded or ())


def _number(resource_id: str) -> int:
    """Returns the id of a row. Raises NotFoundException for a text that is not an id."""
    number = whole_number(resource_id)
    if not number:
        raise NotFoundException(detail="There is nothing with this id.")
    return number
