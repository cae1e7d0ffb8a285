"""A message that is carried over a redirect in a cookie, and shown once on the page after it."""

import base64
from collections.abc import Sequence

import msgspec

from issue_tracker.http.request import Request

COOKIE_LIMIT = 4096
"""Bytes of a cookie with its attributes that browsers are bound to store (RFC 6265, section 6.1)."""

FORGET_FLASH = "flash=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"


class Flash(msgspec.Struct, frozen=True):
    """What the step before this page did, or why it did nothing.

    `undo` is the id of the request that can be undone, `note` what was typed and was not used.
    """

    text: str
    undo: str | None = None
    note: str = ""
    wrong: bool = False


def with_look_alikes(text: str, names: Sequence[str]) -> str:
    """The text, and a warning when names that exist look like the one just given."""
    if not names:
        return text
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{text} The name looks like that of “{names[0]}”{others}."


def flash_cookie(flash: Flash) -> str:
    """The Set-Cookie value that carries a flash over a redirect."""
    text = base64.urlsafe_b64encode(msgspec.json.encode(flash)).decode()
    return f"flash={text}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"


def flash_of(request: Request) -> Flash | None:
    """The flash that came with this request."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(request.cookie("flash") or ""), type=Flash)
    except (ValueError, msgspec.DecodeError):
        return None
