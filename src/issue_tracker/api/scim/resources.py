"""The resources of SCIM with the attributes that this product stores: users and groups (RFC 7643, section 4)."""

from typing import Annotated, Any, ClassVar

from pydantic import Field
from scim2_models import (
    CaseExact,
    ComplexAttribute,
    GroupMembership,
    Mutability,
    Reference,
    Required,
    Resource,
    Uniqueness,
)
from scim2_models.urn import URN


class ScimName(ComplexAttribute):
    """The parts of the name of a person."""

    family_name: str | None = None
    """The family name."""

    given_name: str | None = None
    """The given name."""


class ScimEmail(ComplexAttribute):
    """An email address of a person."""

    value: str | None = None
    """The address."""

    type: str | None = Field(None, examples=["work"])
    """What the address is for."""

    primary: bool | None = None
    """Whether it is the address of the account."""


class User(Resource[Any]):
    """The account of a person, with the attributes that this product stores. Others in a request are ignored."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The provider's name for the user; without `emails`, also the address of the account."""

    name: ScimName | None = None
    """The parts of the user's name."""

    Name: ClassVar[type[ComplexAttribute]] = ScimName

    display_name: str | None = None
    """The name in lists and in the history."""

    active: bool | None = None
    """Whether the account may be used."""

    emails: list[ScimEmail] | None = None
    """The addresses of the user, one of which is the address of the account."""

    Emails: ClassVar[type[ComplexAttribute]] = ScimEmail

    groups: Annotated[list[GroupMembership] | None, Mutability.read_only] = None
    """The groups that the user is in."""

    Groups: ClassVar[type[ComplexAttribute]] = GroupMembership


class ScimMember(ComplexAttribute):
    """A user in a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    """The id of the user."""

    ref: Annotated[Reference[User] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The address of the user."""

    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])
    """The kind of the member: always a user."""


class Group(Resource[Any]):
    """A group of users, to which a group mapping may give a role and companies."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The name of the group in group mappings."""

    members: list[ScimMember] | None = None
    """The users in the group."""

    Members: ClassVar[type[ComplexAttribute]] = ScimMember
