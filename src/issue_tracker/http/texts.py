"""Kinds of text with their own rules in bodies: the function that applies the rules, and the JSON Schema."""

from collections.abc import Callable
from typing import Any

import msgspec

from issue_tracker.auth.passwords import MAXIMUM, MINIMUM, Password, parse_password
from issue_tracker.auth.user_names import DisplayName, Email, parse_display_name, parse_email
from issue_tracker.names import (
    ADDRESS_LIMIT,
    DESCRIPTION_LIMIT,
    NAME_LIMIT,
    NOTE_LIMIT,
    TAG_LIMIT,
    UPDATE_LIMIT,
    Description,
    ExternalKey,
    IssueName,
    Name,
    Note,
    Tag,
    UpdateText,
    WebAddress,
    parse_description,
    parse_external_key,
    parse_issue_name,
    parse_name,
    parse_note,
    parse_tag,
    parse_update,
    parse_web_address,
)


class Text(msgspec.Struct, frozen=True):
    """A kind of text: `parse` returns the stored form or raises ValueError with the reason; `schema` is JSON Schema."""

    parse: Callable[[str], str]
    schema: dict[str, Any]


def _line(limit: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": limit, "pattern": r"\S"}


TEXTS: dict[Any, Text] = {
    Name: Text(parse_name, _line(NAME_LIMIT)),
    IssueName: Text(parse_issue_name, _line(NAME_LIMIT)),
    DisplayName: Text(parse_display_name, _line(NAME_LIMIT)),
    ExternalKey: Text(parse_external_key, _line(NAME_LIMIT)),
    Tag: Text(parse_tag, _line(TAG_LIMIT)),
    WebAddress: Text(parse_web_address, {"type": "string", "format": "uri", "maxLength": ADDRESS_LIMIT}),
    Description: Text(parse_description, {"type": "string", "maxLength": DESCRIPTION_LIMIT}),
    Note: Text(parse_note, {"type": "string", "maxLength": NOTE_LIMIT}),
    UpdateText: Text(parse_update, {"type": "string", "minLength": 1, "maxLength": UPDATE_LIMIT}),
    Email: Text(parse_email, {"type": "string", "format": "email", "maxLength": 254}),
    Password: Text(parse_password, {"type": "string", "minLength": MINIMUM, "maxLength": MAXIMUM}),
}


def schema_of(type_: Any) -> dict[str, Any]:
    """Returns the JSON Schema of a kind of text."""
    return TEXTS[type_].schema
