"""A message that is carried over a redirect in a cookie, and shown once on the page after it."""

import base64
from collections.abc import Sequence

import msgspec

from issue_tracker.encryption import Undecryptable
from issue_tracker.http.cookies import cookie_name, set_cookie
from issue_tracker.http.request import Request

COOKIE_LIMIT = 4096
"""Bytes of a cookie with its attributes that browsers are bound to store (RFC 6265, section 6.1)."""

_NAME = "flash"
_SECONDS = 60


class Flash(msgspec.Struct, frozen=True):
    """What the step before this page did, or why it did nothing.

    `undo` is the id of the request that can be undone, `note` what was typed and was not used, `secret` a credential
    that is shown this once.
    """

    text: str
    undo: str | None = None
    note: str = ""
    wrong: bool = False
    secret: str | None = None


def with_look_alikes(text: str, names: Sequence[str]) -> str:
    """The text, and a warning when names that exist look like the one just given."""
    if not names:
        return text
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{text} The name looks like that of “{names[0]}”{others}."


def flash_cookie(request: Request, flash: Flash, session_token: str | None = None) -> str:
    """The Set-Cookie value that carries a flash over a redirect.

    It is signed for the session of the request, or on a public route for the one with `session_token`: whoever can set
    cookies in a browser can show it no message.
    A secret in it is encrypted, because a browser may write the cookie to its disk.
    """
    keyring = request.app_state.server_key.keyring()
    if flash.secret is not None:
        flash = msgspec.structs.replace(flash, secret=keyring.encrypt(flash.secret))
    text = base64.urlsafe_b64encode(msgspec.json.encode(flash)).decode()
    signature = keyring.sign(_NAME, session_token or request.session_token, text)
    return set_cookie(request.settings, _NAME, f"{signature}.{text}", seconds=_SECONDS)


def forget_flash(request: Request) -> str:
    """The Set-Cookie value that removes the flash."""
    return set_cookie(request.settings, _NAME, "", seconds=0)


def flash_of(request: Request) -> Flash | None:
    """The flash that this server sent to this session and that came with this request."""
    signature, _, text = (request.cookie(cookie_name(request.settings, _NAME)) or "").partition(".")
    keyring = request.app_state.server_key.keyring()
    if not text or not keyring.verify(signature, _NAME, request.session_token, text):
        return None
    try:
        flash = msgspec.json.decode(base64.urlsafe_b64decode(text), type=Flash)
        return flash if flash.secret is None else msgspec.structs.replace(flash, secret=keyring.decrypt(flash.secret))
    except (msgspec.DecodeError, Undecryptable):  # of another version of the program, or with a former key
        return None
