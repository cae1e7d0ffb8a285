"""A warning about a reverse proxy that the settings do not name."""

from collections.abc import Awaitable
from ipaddress import ip_address

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from issue_tracker.settings import PREFIX

log = structlog.get_logger("issue_tracker.http")


class UntrustedProxyWarning:
    """Warns once if a host with a private address forwarded a request although no proxy is trusted.

    Without the client's own address, the sign-in throttle counts all clients together, and logs name only the proxy.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.warned = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if not self.warned and scope["type"] == "http":
            self._check(scope)
        return self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if b"x-forwarded-for" not in dict(scope["headers"]):
            return
        address = (scope.get("client") or ("",))[0]
        try:
            private = ip_address(address).is_private
        except ValueError:
            private = True  # a local socket has no network address
        if private:
            self.warned = True
            log.warning(
                "requests arrive through a proxy that is not trusted, so all clients seem to have its address; "
                f"name it in {PREFIX}TRUSTED_PROXIES",
                proxy=address,
            )
