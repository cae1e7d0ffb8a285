"""Who acts: the person or program behind a change, in which role, through which channel."""

from enum import StrEnum

import msgspec

from issue_tracker.errors import Forbidden


class Role(StrEnum):
    """Contract, section 3. A `member` signs in, and may do nothing in the tracker."""

    SUPER_ADMIN = "super_admin"
    TECHNICIAN = "technician"
    MEMBER = "member"


class Actor(msgspec.Struct, frozen=True):
    """Who acts. `channel` is `session`, `token:<name>` or `cli` (contract, section 7).

    `user_id` is None for the command line. `request_id` ties all events of one request together.
    `session_id` is the row of the session that authenticated the request, None for a token or the command line.
    """

    user_id: int | None
    name: str
    role: Role
    channel: str
    request_id: str = ""
    session_id: int | None = None

    @property
    def helpdesk(self) -> bool:
        """Whether the actor has helpdesk access (specification, first paragraph)."""
        return self.role in (Role.TECHNICIAN, Role.SUPER_ADMIN)

    @property
    def super_admin(self) -> bool:
        return self.role is Role.SUPER_ADMIN


def require_helpdesk(actor: Actor) -> None:
    """Raises Forbidden unless the actor is a technician or a super admin."""
    if not actor.helpdesk:
        raise Forbidden("Helpdesk technician access is required.")


def require_super_admin(actor: Actor) -> None:
    """Raises Forbidden unless the actor is a super admin."""
    if not actor.super_admin:
        raise Forbidden("Super admin access is required.")


def command_line(name: str) -> Actor:
    """The actor behind a command: whoever can run it on the server's machine is trusted with everything."""
    return Actor(user_id=None, name=name, role=Role.SUPER_ADMIN, channel="cli")
