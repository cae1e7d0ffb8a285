"""Patterns: what a receiver extracts from the subject and the text of an email message.

They are regular expressions of RE2, which matches any expression in linear time: the messages come from untrusted
senders (docs/decisions/0032).
"""

from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from issue_tracker.alerts.mail.message import Mail
from issue_tracker.alerts.models import AlertState
from issue_tracker.alerts.senders import Received
from issue_tracker.field_errors import FieldErrors
from issue_tracker.names import key as name_key

Expression = Annotated[str, Meta(min_length=1, max_length=500)]
Expressions = Annotated[list[Expression], Meta(max_length=20)]

SUBJECT = (
    r"(?i)^(?:\W*(?P<state>problem|firing|down|offline|critical|major|warning|error|alert|alarm|failed|failure|resolved|"
    r"recovery|recovered|restored|ok|up|online|cleared|closed)\b\W*)?(?P<issue>.*\S)"
)
"""Matches, for example, `DOWN: Line down` and `[Resolved] Line down`."""

BODY = (
    r"(?im)^[ \t]*company[ \t]*:[ \t]*(?P<company>\S.*?)[ \t]*$",
    r"(?im)^[ \t]*severity[ \t]*:[ \t]*(?P<severity>\S.*?)[ \t]*$",
    r"(?im)^[ \t]*key[ \t]*:[ \t]*(?P<key>\S.*?)[ \t]*$",
)

RESOLVED = ("resolved", "recovery", "recovered", "restored", "ok", "up", "online", "cleared", "closed")

LONGEST_GROUP = 1000
PROGRAM_BYTES = 1 << 20
"""Maximum memory of RE2 for one expression."""


class MailPatterns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Regular expressions of RE2 with named groups, such as `(?P<company>…)`, which become labels of the alert.

    The expressions of `subject` and of `body` are each searched once; if several groups have the same name, the first
    one that matches counts. The groups `key` and `state` belong to the alert: it is resolved if its state is one of
    `resolved`, regardless of case, and firing otherwise. Without a `key`, the key consists of the issue and the
    company or, without an issue, of the subject. Without a `summary`, the text of the message is the summary. With
    `automatic`, messages marked as automatic replies or mass mail are processed too, but bounces never are.
    """

    subject: Expressions = msgspec.field(default_factory=lambda: [SUBJECT])
    body: Expressions = msgspec.field(default_factory=lambda: list(BODY))
    resolved: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=100)] = msgspec.field(
        default_factory=lambda: list(RESOLVED)
    )
    automatic: bool = False


def require_valid(patterns: MailPatterns) -> None:
    """Raises Invalid for the expressions that RE2 cannot compile."""
    errors = FieldErrors()
    for field in ("subject", "body"):
        for place, expression in enumerate(getattr(patterns, field)):
            if _compiled(expression) is None:
                errors.add(f"patterns.{field}[{place}]", "is not a valid RE2 regular expression")
    errors.raise_found()


def find_alert(mail: Mail, patterns: MailPatterns) -> Received:
    """Returns the alert that the patterns find in a message."""
    groups: dict[str, str] = {}
    for text, expressions in ((mail.subject, patterns.subject), (mail.body, patterns.body)):
        for expression in expressions:
            groups = _groups(expression, text) | groups
    state = groups.get("state", "").casefold()
    issue = groups.get("issue")
    return Received(
        key=groups.get("key") or name_key(f"{issue}/{groups.get('company', '')}" if issue else mail.subject) or "-",
        state=AlertState.RESOLVED if state in {word.casefold() for word in patterns.resolved} else AlertState.FIRING,
        labels={**groups, "subject": mail.subject, "sender": mail.sender, "body": mail.body[:LONGEST_GROUP]},
        summary=groups.get("summary") or mail.body or None,
    )


def _groups(expression: str, text: str) -> dict[str, str]:
    """Returns the named groups of an expression that matched a text which is not empty."""
    compiled = _compiled(expression)
    found = None if compiled is None else compiled.search(text)
    if found is None:
        return {}
    named = {name: (value or "").strip()[:LONGEST_GROUP] for name, value in found.groupdict().items()}
    return {name: value for name, value in named.items() if value}


@lru_cache(maxsize=500)
def _compiled(expression: str) -> Any:
    """Returns the compiled expression; None if it is invalid or too large."""
    import re2  # noqa: PLC0415 - most servers have no such receiver

    options = re2.Options()
    options.log_errors = False
    options.max_mem = PROGRAM_BYTES
    try:
        return re2.compile(expression, options)
    except re2.error:
        return None
