"""The API's objects as frozen structs. Fields that a later server adds are ignored, so an old client keeps
working.

Times are aware datetimes in UTC; the `_iso` twins of the API say the same and are left out.
"""

import json
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

from issue_tracker_client.errors import UnexpectedAnswer
from issue_tracker_client.steps import Reply


class Status(StrEnum):
    """The statuses of an assignment. Wherever one is given, a plain string in any of the API's forms does
    too.
    """

    NEW = "new"
    INVESTIGATING = "investigating"
    IN_PROGRESS = "in_progress"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What all objects of the API have in common here: unchangeable, compared by value."""


M = TypeVar("M", bound=Model)
T = TypeVar("T")


class Assignment(Model, frozen=True, kw_only=True, omit_defaults=True):
    """The status of one company in one issue. `issue_name` is sent where it stands alone."""

    assignment_id: int
    issue_id: int
    company_id: int
    company_name: str
    status: str
    status_label: str
    updated_at: datetime
    issue_name: str | None = None


class Issue(Model, frozen=True, kw_only=True, omit_defaults=True):
    """An issue with its assignments, in a filtered list the matching ones only.

    `etag` is set on issues that were read or written alone: give it as `if_match` to change only this
    version.
    """

    issue_id: int
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    assignments: tuple[Assignment, ...]
    etag: str | None = None

    def assignment(self, company_name: str) -> Assignment | None:
        """The assignment of a company, by its name in any case."""
        return next((one for one in self.assignments if same_name(one.company_name, company_name)), None)


class Company(Model, frozen=True, kw_only=True):
    """`open_issues` counts the company's assignments that are neither resolved nor closed."""

    company_id: int
    name: str
    archived: bool = False
    open_issues: int = 0


class Actor(Model, frozen=True, kw_only=True):
    """Who did it, and by what: `session`, `token:<name>` or `cli`."""

    id: int | None
    name: str | None
    channel: str


class Event(Model, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One change, with the names as they were then. `event_id` is the place to resume from."""

    event_id: int
    type: str
    at: datetime
    actor: Actor
    request_id: str | None = None
    issue_id: int | None = None
    issue_name: str | None = None
    company_id: int | None = None
    company_name: str | None = None
    from_: Any = None
    to: Any = None
    note: str | None = None


class BulkOutcome(Model, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What bulk did, or would do, for one company: `changed`, `unchanged` or `skipped`."""

    company_name: str
    outcome: str
    from_: str | None = None
    to: str | None = None


class BulkResult(Model, frozen=True, kw_only=True):
    """The outcomes of one bulk change, all made in one transaction. `changed` counts them."""

    issue_name: str
    status: str
    changed: int
    results: tuple[BulkOutcome, ...]


class User(Model, frozen=True, kw_only=True):
    user_id: int
    email: str
    name: str
    role: str


class SignedIn(Model, frozen=True, kw_only=True):
    """The session: whose it is and when it ends."""

    user: User
    csrf_token: str
    expires_at: datetime


class Token(Model, frozen=True, kw_only=True):
    """An API token. `token` is the secret itself, set once, by `create_token`."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    token: str | None = None


class Listing(Model, Generic[M], frozen=True, kw_only=True):
    """A list and how many match in all. `etag` asks later whether it changed."""

    items: tuple[M, ...]
    total: int
    etag: str | None = None

    def __iter__(self) -> Iterator[M]:
        return iter(self.items)


def decoder(kind: type[M]) -> Callable[[Reply | str], M]:
    """A reader of answers (or plain JSON) of this kind; it keeps the answer's ETag where the kind has a
    place for it.

    The reader raises UnexpectedAnswer for anything else.
    """
    decode = msgspec.json.Decoder(kind).decode

    def read(source: Reply | str) -> M:
        value = understood(decode, source if isinstance(source, str) else source.content)
        etag = None if isinstance(source, str) else source.headers.get("etag")
        return msgspec.structs.replace(value, etag=etag) if etag and hasattr(value, "etag") else value

    return read


def understood(decode: Callable[[str | bytes], T], content: str | bytes) -> T:
    """What the JSON says; raises UnexpectedAnswer for what `decode` refuses."""
    try:
        return decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise UnexpectedAnswer(f"This is not an answer of the Issue Tracker: {wrong}.") from wrong


def same_name(one: str | None, other: str | None) -> bool:
    """Whether the server takes both for the same name: equal in NFC, casefolded, trimmed."""
    return one is not None and other is not None and name_key(one) == name_key(other)


def name_key(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


def as_json(value: object) -> str:
    """The value as the API writes it: its field names, times with a numeric offset, no ETag where there is
    none.
    """
    plain = msgspec.to_builtins(value, builtin_types=(datetime,))
    return json.dumps(plain, default=datetime.isoformat, ensure_ascii=False)
