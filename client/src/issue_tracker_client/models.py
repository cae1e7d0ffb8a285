"""The API's objects as frozen structs. Unknown fields are ignored, so an old client works with a newer server.

Times are aware datetimes in UTC; the API's `_iso` fields repeat them and are left out.
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
    """The statuses of an assignment. Every argument that takes one also takes a string in any form the API accepts."""

    NEW = "new"
    INVESTIGATING = "investigating"
    IN_PROGRESS = "in_progress"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all objects of the API: immutable, compared by value."""


M = TypeVar("M", bound=Model)
T = TypeVar("T")


class Owner(Model, frozen=True, kw_only=True):
    """The technician who is responsible for an issue, or for one company in it."""

    user_id: int
    name: str


class Reference(Model, frozen=True, kw_only=True):
    """The identifier of an issue or an assignment in another system."""

    system: str
    key: str
    url: str | None = None


class Assignment(Model, frozen=True, kw_only=True, omit_defaults=True):
    """The status of one company in one issue. `issue_name` and `etag`, the issue's ETag, are None inside an issue.

    `affected_since`, `owner` and `references` are set if `include="details"` was requested. `affected_since` is the
    start of the current outage, None if the status is resolved or closed.
    """

    assignment_id: int
    issue_id: int
    company_id: int
    company_name: str
    status: str
    status_label: str
    updated_at: datetime
    affected_since: datetime | None = None
    owner: Owner | None = None
    references: tuple[Reference, ...] = ()
    issue_name: str | None = None
    etag: str | None = None


class Issue(Model, frozen=True, kw_only=True, omit_defaults=True):
    """An issue with its assignments; in a filtered list, only with the matching ones.

    `severity` is `low`, `medium`, `high`, `critical` or None.
    `etag` is set on issues that were read or written individually: pass it as `if_match` to change only this version.
    """

    issue_id: int
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    assignments: tuple[Assignment, ...]
    severity: str | None = None
    owner: Owner | None = None
    next_update_at: datetime | None = None
    tags: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    external_key: str | None = None
    etag: str | None = None

    def assignment(self, company_name: str) -> Assignment | None:
        """Returns the assignment of a company by its name in any case, or None."""
        return next((one for one in self.assignments if same_name(one.company_name, company_name)), None)


class Company(Model, frozen=True, kw_only=True):
    """A company. `open_issues` counts its assignments that are neither resolved nor closed."""

    company_id: int
    name: str
    archived: bool = False
    open_issues: int = 0


class Alert(Model, frozen=True, kw_only=True):
    """The effect of a reported alert. `count` is the number of consecutive reports of its `state`.

    `action` is `opened`, `assigned`, `reopened`, `kept`, `cleared`, `ignored` or `unsorted`. Names and status are None
    if the alert belongs to no assignment.
    """

    key: str
    state: str
    action: str
    issue_name: str | None = None
    company_name: str | None = None
    status: str | None = None
    count: int


class Actor(Model, frozen=True, kw_only=True):
    """Who made a change, and through which channel: `session`, `token:<name>` or `cli`."""

    id: int | None
    name: str | None
    channel: str


class Event(Model, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One change, with the names as they were then. Resume a stream after its `event_id`.

    `field` is what an `issue.updated` changed: `name`, `description`, or one that a later server adds.
    """

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
    field: str | None = None
    note: str | None = None
    update_id: int | None = None
    undoes: str | None = None


class Update(Model, frozen=True, kw_only=True):
    """A Markdown text on an issue. If it is `public`, customers may read it. `company_names` is None if it is for all
    companies of the issue.
    """

    update_id: int
    issue_name: str
    body: str
    public: bool
    company_names: tuple[str, ...] | None
    at: datetime
    actor: Actor
    edited_at: datetime | None = None


class BulkOutcome(Model, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The effect of a bulk change on one company, or the effect it would have: `changed`, `unchanged` or `skipped`."""

    company_name: str
    outcome: str
    from_: str | None = None
    to: str | None = None


class BulkResult(Model, frozen=True, kw_only=True, omit_defaults=True):
    """The outcomes of a bulk change, which is one transaction. `changed` counts the changed companies; `etag` is the
    issue's new ETag.
    """

    issue_name: str
    status: str
    changed: int
    results: tuple[BulkOutcome, ...]
    etag: str | None = None


class User(Model, frozen=True, kw_only=True):
    """The account that is signed in."""

    user_id: int
    email: str
    name: str
    role: str


class SignedIn(Model, frozen=True, kw_only=True):
    """A session: its user and its expiry."""

    user: User
    csrf_token: str
    expires_at: datetime


class Token(Model, frozen=True, kw_only=True):
    """An API token. `token`, the secret itself, is set only in the result of `create_token`.

    `networks` is empty for a token that is accepted from anywhere.
    """

    id: int
    name: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...] = ()
    created_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    token: str | None = None


class Listing(Model, Generic[M], frozen=True, kw_only=True):
    """A list, with the number of all matches. With its `etag`, `poll_issues` returns the list only if it changed.

    `position` is set on lists of issues: with `changed_since=position` the next list contains the issues that were
    changed since then.
    """

    items: tuple[M, ...]
    total: int
    etag: str | None = None
    position: str | None = None

    def __iter__(self) -> Iterator[M]:
        return iter(self.items)


def decoder(kind: type[M]) -> Callable[[Reply | str], M]:
    """Returns a function that decodes replies, or plain JSON, of this kind.

    It stores the reply's ETag and position if the kind has fields for them, and raises UnexpectedAnswer for any other
    content.
    """
    decode = msgspec.json.Decoder(kind).decode

    def read(source: Reply | str) -> M:
        value = understood(decode, source if isinstance(source, str) else source.content)
        if isinstance(source, str):
            return value
        sent = {"etag": source.headers.get("etag"), "position": source.headers.get("x-sync-position")}
        stored = {name: text for name, text in sent.items() if text and hasattr(value, name)}
        return msgspec.structs.replace(value, **stored) if stored else value

    return read


def understood(decode: Callable[[str | bytes], T], content: str | bytes) -> T:
    """Returns the decoded JSON. Raises UnexpectedAnswer for content that `decode` refuses."""
    try:
        return decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise UnexpectedAnswer(f"This is not a response of the Issue Tracker: {wrong}.") from wrong


def same_name(one: str | None, other: str | None) -> bool:
    """Returns whether the server considers both names equal: casefolded, in NFC, trimmed."""
    return one is not None and other is not None and name_key(one) == name_key(other)


def name_key(name: str) -> str:
    # Casefolding decomposes some letters, such as `ΐ`, and leaves their capitals composed.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())


def as_json(value: object) -> str:
    """Returns the value as JSON in the API's form: its field names, times with a numeric offset, no empty ETag."""
    plain = msgspec.to_builtins(value, builtin_types=(datetime,))
    return json.dumps(plain, default=datetime.isoformat, ensure_ascii=False)
