"""Errors of sign-ins through an identity provider."""

from issue_tracker.errors import AppError


class SignInRefused(AppError):
    """The sign-in is refused (403). `reason` is for the log and the audit only; `detail` is safe to show to anyone."""

    status = 403
    title = "Forbidden"

    def __init__(self, detail: str, reason: str) -> None:
        super().__init__(detail)
        self.reason = reason


class ProviderFailed(AppError):
    """The provider did not respond, violated the protocol, or refuses this server whoever the user is (503).

    `reason` is for the log only.
    """

    status = 503
    title = "Service Unavailable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Signing in with {name} does not work at the moment. Try again shortly.")
        self.headers = {"Retry-After": "30"}
        self.reason = reason


class GrantRefused(Exception):
    """The provider rejected a code or a refresh token. The message is the provider's error code, for the log."""


class TokenRefused(Exception):
    """A token does not prove what it should. The message is the reason, for the log."""
