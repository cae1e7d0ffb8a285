"""The formats of messages that senders of alerts choose themselves, and errors that name the wrong field."""

import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from issue_tracker.alerts.models import AlertState
from issue_tracker.errors import Invalid

T = TypeVar("T")

ANY_KEY = "[...]"
"""What msgspec writes instead of the key of an object, which the sender has chosen."""

MISSING = re.compile("Object missing required field `(.+)`")


def decode(content: bytes, type_: type[T]) -> T:
    """Returns a JSON message as this type. Raises Invalid, with the field that does not fit."""
    try:
        return msgspec.json.decode(content, type=type_, strict=False)
    except msgspec.ValidationError as refused:
        reason, _, path = str(refused).partition(" - at ")
        field = path.strip("`").removeprefix("$").removeprefix(".").replace(ANY_KEY, "")
        missing = MISSING.fullmatch(reason)
        if missing:
            field = f"{field}.{missing[1]}".removeprefix(".")
        message = "is required" if missing else f"has the wrong format: {reason.replace('`', '')}"
        if not field:
            raise Invalid(f"The message {message}.") from None
        raise Invalid.field(field, message) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("The message is not valid JSON.") from None


def read_state(field: str, text: str, *, firing: Iterable[str], resolved: Iterable[str]) -> AlertState:
    """Returns the state that one of these words means, in any case. Raises Invalid for another word."""
    word = text.strip().lower()
    if word in resolved:
        return AlertState.RESOLVED
    if word in firing:
        return AlertState.FIRING
    raise Invalid.field(field, f"must be one of {', '.join([*firing, *resolved])}")
