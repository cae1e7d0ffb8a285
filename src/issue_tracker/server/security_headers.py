"""The security headers of every response."""

from collections.abc import Iterable

from issue_tracker.settings import Settings

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"
)

Headers = list[tuple[bytes, bytes]]


class SecurityHeaders:
    """The headers with these settings."""

    def __init__(self, settings: Settings) -> None:
        self._headers: Headers = [
            (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]
        if settings.https:
            self._headers.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))

    def added_to(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Returns the headers of a response with this status, followed by the security headers."""
        # A 304 updates the client's stored response (RFC 9110, section 15.4.5), which has the security headers.
        return [*headers] if status == 304 else [*headers, *self._headers]
