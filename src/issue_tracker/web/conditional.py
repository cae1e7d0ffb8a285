"""Conditional requests (RFC 9110, 13; contract, section 5): strong ETags, 304, and 412."""

import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, Text, cast, func, null, select

from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import events
from issue_tracker.errors import PreconditionFailed
from issue_tracker.issues.models import IssueHead
from issue_tracker.web.answer import Answer
from issue_tracker.web.call import Call
from issue_tracker.web.context import Context

CACHE_CONTROL = "private, no-cache"


def answer(call: Call, found: Answer) -> Answer:
    """The answer to a GET with its validator, or 304 when the caller has it already."""
    if found.status == 304:
        return found
    if found.status != 200 or (found.stream is not None and found.etag is None):
        return found
    bare = found.etag or hashlib.blake2b(found.body, digest_size=16).hexdigest()
    if matches(call.headers.get("if-none-match"), bare):
        return not_modified(bare, next((value for name, value in found.headers if name == "Vary"), None))
    if not any(name == "Cache-Control" for name, _ in found.headers):
        found.headers.append(("Cache-Control", CACHE_CONTROL))
    found.headers.append(("ETag", f'"{bare}"'))
    return found


def not_modified(bare: str, vary: str | None = None) -> Answer:
    """304, with the validator, and the Vary that the 200 would have had (RFC 9110, 15.4.5)."""
    answer = Answer(status=304, headers={"ETag": f'"{bare}"', "Cache-Control": CACHE_CONTROL})
    if vary is not None:
        answer.headers.append(("Vary", vary))
    return answer


def matches(header: str | None, bare: str) -> bool:
    """Whether an If-None-Match header names the validator; weak comparison (RFC 9110, 13.1.2)."""
    if header is None:
        return False
    given = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in given or f'"{bare}"' in given


def _select_state(dialect: str) -> Select[Any]:
    """The last event and, on PostgreSQL, what this transaction sees of those under way."""
    snapshot = cast(func.pg_current_snapshot(), Text) if dialect == "postgresql" else null()
    return select(select(func.max(events.c.event_id)).scalar_subquery(), snapshot)


_state = Prepared(_select_state)


def data_etag(context: Context, *representation: str) -> str:
    """A validator for any read of issues and companies that costs two look-ups by primary key.

    Every change of data writes an event in its own transaction, so the number of the last event stands for the
    state of all data; on PostgreSQL, where a late transaction may add a lower number, together with the snapshot
    that says which transactions are seen (docs/decisions/0005-etags.md). `representation` tells answers from the
    same state apart.
    """
    last, snapshot = _state.all(context.tx)[0]
    seen = f"{last}"
    if snapshot is not None:
        seen += f";{snapshot}"
    parts = (seen, context.call.path, context.call.scope["query_string"].decode("latin-1"), *representation)
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


def fresh(context: Context, etag: str) -> bool:
    """Whether the caller has this state already, so that reading it can be spared.

    `*` is no knowledge of it: whether there is anything to match shows only when it was read.
    """
    header = context.header("if-none-match")
    return header is not None and "*" not in header and matches(header, etag)


def issue_etag(issue: IssueHead) -> str:
    """An issue's validator: it covers the issue with all its assignments."""
    return f"{issue.issue_id}-{issue.revision}"


def check_if_match(context: Context, issue: IssueHead) -> None:
    """Raises PreconditionFailed unless If-Match is absent or names the issue's current validator.

    `issue` must have been read with a lock in the transaction of the change. Strong comparison (RFC 9110, 13.1.1).
    """
    header = context.header("if-match")
    if header is None:
        return
    current = f'"{issue_etag(issue)}"'
    given = _list(header)
    if "*" not in given and current not in given:
        raise PreconditionFailed("The issue has changed since you read it; read it again.", headers={"ETag": current})


def _list(header: str) -> Iterable[str]:
    return [part.strip() for part in header.split(",")]
