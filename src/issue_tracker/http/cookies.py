"""Cookies. With https, all of them are Secure and have the prefix `__Host-`.

The prefix binds a cookie to exactly this host, so that a neighbouring host cannot set it (RFC 6265bis, 4.1.3.2).
"""

from issue_tracker.settings import Settings

SESSION = "issue_tracker_session"
"""The name of the session cookie, without the prefix."""

DEVICE = "issue_tracker_device"
"""The name of the cookie by which a browser is recognized at its next sign-in, without the prefix."""


def cookie_name(settings: Settings, name: str) -> str:
    """Returns the name under which browsers store a cookie."""
    return f"__Host-{name}" if settings.https else name


def set_cookie(settings: Settings, name: str, value: str, *, seconds: int) -> str:
    """Returns the Set-Cookie value of a cookie that scripts cannot read; a lifetime of 0 seconds deletes the cookie."""
    secure = "; Secure" if settings.https else ""
    return f"{cookie_name(settings, name)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
