"""The actor: the person or program behind a change, with a role, a channel and a company access."""

import hashlib
import random
from enum import StrEnum
from functools import lru_cache

import msgspec

from issue_tracker.errors import ConfirmationRequired, Forbidden


class Role(StrEnum):
    """The role of a user. A `customer` sees the portal of some companies. A `member` may sign in, but may do nothing in
    the tracker.
    """

    # Contract, sections 3 and 12.
    SUPER_ADMIN = "super_admin"
    TECHNICIAN = "technician"
    CUSTOMER = "customer"
    MEMBER = "member"


HELPDESK = (Role.TECHNICIAN, Role.SUPER_ADMIN)
"""The roles with helpdesk access (specification, first paragraph)."""


class CompanyAccess(msgspec.Struct, frozen=True):
    """The companies that an actor may see (contract, section 12). `company_ids` is None for all companies.

    Every read that can reveal a company, an issue or an event takes it as an argument, by itself or in an `Actor`.
    """

    company_ids: frozenset[int] | None = None

    @property
    def all(self) -> bool:
        """Whether the actor may see every company."""
        return self.company_ids is None

    @property
    def key(self) -> str:
        """A part of every cache key and validator: empty for all companies, otherwise a digest of the visible ones."""
        return "" if self.company_ids is None else _digest(self.company_ids)

    def common_with(self, other: "CompanyAccess") -> "CompanyAccess":
        """Returns the access to the companies that both allow."""
        if self.company_ids is None or other.company_ids is None:
            return other if self.company_ids is None else self
        return CompanyAccess(self.company_ids & other.company_ids)

    def allows(self, company_id: int | None) -> bool:
        """Returns whether a company is visible; None, for no company, is visible only with access to all companies."""
        return self.company_ids is None or company_id in self.company_ids


@lru_cache(maxsize=64)
def _digest(company_ids: frozenset[int]) -> str:
    listed = ",".join(map(str, sorted(company_ids)))
    return hashlib.blake2b(listed.encode(), digest_size=12).hexdigest()


ALL_COMPANIES = CompanyAccess()


class Actor(msgspec.Struct, frozen=True):
    """The actor of a request or command. `channel` is `session`, `token:<name>` or `cli` (contract, section 7),
    `receiver:<name>` or `scim:<name>`.

    `user_id` is None for all but users. `request_id` connects all events of one request; `request_number` distinguishes
    the requests with which a client has sent the same id. `session_id` is the row of the session that authenticated the
    request, None for a token or the command line. `company_access` limits what the actor sees and changes to some
    companies. `fresh_proof` says that the actor has recently proved their identity: by signing in, by `POST
    /api/auth/confirm`, or as the command line.
    """

    user_id: int | None
    name: str
    role: Role
    channel: str
    request_id: str = ""
    session_id: int | None = None
    company_access: CompanyAccess = ALL_COMPANIES
    fresh_proof: bool = False
    request_number: int = msgspec.field(default_factory=lambda: random.getrandbits(63))

    @property
    def unlimited(self) -> "Actor":
        """The same actor with access to all companies, to find what the actor's changes affect."""
        return msgspec.structs.replace(self, company_access=ALL_COMPANIES)

    @property
    def helpdesk(self) -> bool:
        """Whether the actor has helpdesk access."""
        return self.role in HELPDESK

    @property
    def customer(self) -> bool:
        """Whether the actor belongs to a company that the helpdesk serves, and not to the helpdesk."""
        return self.role is Role.CUSTOMER

    @property
    def super_admin(self) -> bool:
        return self.role is Role.SUPER_ADMIN


class Permissions(msgspec.Struct, frozen=True):
    """What the user behind a session or token may do at a given time; an open stream follows its changes."""

    role: Role
    company_access: CompanyAccess = ALL_COMPANIES


def require_helpdesk(actor: Actor) -> None:
    """Raises Forbidden unless the actor is a technician or a super admin."""
    if not actor.helpdesk:
        raise Forbidden("Helpdesk technician access is required.")


def require_customer(actor: Actor) -> None:
    """Raises Forbidden unless the actor is a customer; other roles use the tracker instead of the portal."""
    if not actor.customer:
        raise Forbidden("Customer access is required.")


def require_super_admin(actor: Actor) -> None:
    """Raises Forbidden unless the actor is a super admin."""
    if not actor.super_admin:
        raise Forbidden("Super admin access is required.")


def anonymous_actor(name: str = "somebody", request_id: str = "") -> Actor:
    """Returns the actor of a request without a signed-in user; `name` is what the audit shows."""
    return Actor(user_id=None, name=name, role=Role.MEMBER, channel="session", request_id=request_id)


def require_fresh_proof(actor: Actor) -> None:
    """Raises ConfirmationRequired unless the actor has recently proved their identity.

    Every operation that creates a credential, or changes what a user may do, calls it (contract, section 11), so that a
    session that was left open or stolen is not sufficient.
    """
    if not actor.fresh_proof:
        raise ConfirmationRequired


def require_session_proof(actor: Actor) -> None:
    """Raises ConfirmationRequired like `require_fresh_proof`, and Forbidden for a token, which cannot give fresh proof.

    It is for operations that need proof only in some cases, whose routes also accept tokens.
    """
    if not actor.fresh_proof and actor.session_id is None:
        raise Forbidden("This requires a session; a token is not enough.")
    require_fresh_proof(actor)


def require_all_companies(actor: Actor) -> None:
    """Raises Forbidden unless the actor may see all companies."""
    if not actor.company_access.all:
        raise Forbidden("Access to all companies is required.")


def require_administrator(actor: Actor) -> None:
    """Raises Forbidden unless the actor is a super admin who may see all companies, because accounts, company access,
    groups and webhooks concern all of them.
    """
    require_super_admin(actor)
    require_all_companies(actor)


def command_line(name: str) -> Actor:
    """Returns the actor of a command. Anyone who can run commands on the server's machine has every permission."""
    return Actor(user_id=None, name=name, role=Role.SUPER_ADMIN, channel="cli", fresh_proof=True)
