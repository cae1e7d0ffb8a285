"""A message that a cookie carries over a redirect, and that is shown once on the next page."""

import base64
from collections.abc import Sequence

import msgspec

from issue_tracker.encryption import Undecryptable
from issue_tracker.http.cookies import cookie_name, set_cookie
from issue_tracker.http.request import Request

COOKIE_LIMIT = 4096
"""Maximum size of a cookie with its attributes that browsers must store, in bytes (RFC 6265, section 6.1)."""

_NAME = "flash"
_SECONDS = 60


class Flash(msgspec.Struct, frozen=True):
    """A message about the result of the previous request.

    `undo` is the `undo_id` of a change that can be undone, `note` an entered text that was not used, `secret` a
    credential that is shown only once. `undo_at` is the path of a form that undoes something else, `edit_at` that of a
    page to change it.
    """

    text: str
    undo: str | None = None
    note: str = ""
    wrong: bool = False
    secret: str | None = None
    undo_at: str | None = None
    edit_at: str | None = None


def with_look_alikes(text: str, names: Sequence[str]) -> str:
    """Returns the text, followed by a warning if existing names look like the new one."""
    if not names:
        return text
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{text} The name looks like that of “{names[0]}”{others}."


def number_of_companies(number: int) -> str:
    """Returns `1 company`, `2 companies`."""
    return f"{number} {'company' if number == 1 else 'companies'}"


def flash_cookie(request: Request, flash: Flash, session_token: str | None = None) -> str:
    """Returns the Set-Cookie value that carries a flash over a redirect.

    The cookie is signed for the session of the request, or, on a public route, for the one with `session_token`, so
    that an attacker who can set cookies in a browser cannot show messages. A secret in it is encrypted, because a
    browser may write the cookie to disk.
    """
    keyring = request.app_state.server_key.keyring()
    if flash.secret is not None:
        flash = msgspec.structs.replace(flash, secret=keyring.encrypt(flash.secret))
    text = base64.urlsafe_b64encode(msgspec.json.encode(flash)).decode()
    signature = keyring.sign(_NAME, session_token or request.session_token, text)
    return set_cookie(request.settings, _NAME, f"{signature}.{text}", seconds=_SECONDS)


def forget_flash(request: Request) -> str:
    """Returns the Set-Cookie value that deletes the flash."""
    return set_cookie(request.settings, _NAME, "", seconds=0)


def flash_of(request: Request) -> Flash | None:
    """Returns the flash that this server sent to this session, from the cookie of this request; None without one."""
    signature, _, text = (request.cookie(cookie_name(request.settings, _NAME)) or "").partition(".")
    keyring = request.app_state.server_key.keyring()
    if not text or not keyring.verify(signature, _NAME, request.session_token, text):
        return None
    try:
        flash = msgspec.json.decode(base64.urlsafe_b64decode(text), type=Flash)
        return flash if flash.secret is None else msgspec.structs.replace(flash, secret=keyring.decrypt(flash.secret))
    except (msgspec.DecodeError, Undecryptable):  # of another version of the program, or with a former key
        return None
