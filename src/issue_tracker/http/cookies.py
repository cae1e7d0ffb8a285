"""Cookies: with https all of them are Secure and have the prefix `__Host-`.

The prefix binds a cookie to exactly this host, so that a neighbour under the same domain cannot set it (RFC 6265bis,
section 4.1.3.2).
"""

from issue_tracker.settings import Settings

SESSION = "issue_tracker_session"
"""The session cookie, without its prefix."""

DEVICE = "issue_tracker_device"
"""The cookie by which a browser is recognized at the next sign-in, without its prefix."""


def cookie_name(settings: Settings, name: str) -> str:
    """The name under which browsers have a cookie."""
    return f"__Host-{name}" if settings.https else name


def set_cookie(settings: Settings, name: str, value: str, *, seconds: int) -> str:
    """The Set-Cookie value of a cookie that scripts cannot read; one that lasts 0 seconds is removed."""
    secure = "; Secure" if settings.https else ""
    return f"{cookie_name(settings, name)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
