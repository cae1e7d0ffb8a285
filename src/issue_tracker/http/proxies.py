"""A warning about a reverse proxy that is not in the settings."""

from collections.abc import Awaitable
from ipaddress import ip_address

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from issue_tracker.settings import PREFIX

log = structlog.get_logger("issue_tracker.http")


class UntrustedProxyWarning:
    """Warns once when a request was forwarded by a machine of one's own network, although no proxy is trusted.

    Without the client's own address, all clients are throttled together when they sign in, and logs name the proxy.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.warned = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if not self.warned and scope["type"] == "http":
            self._check(scope)
        return self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if all(name != b"x-forwarded-for" for name, _ in scope["headers"]):
            return
        address = (scope.get("client") or ("",))[0]
        try:
            private = ip_address(address).is_private
        except ValueError:
            private = True  # a socket that is not one of the network
        if private:
            self.warned = True
            log.warning(
                "requests come through a proxy that is not trusted, so all clients have its address; "
                f"name it in {PREFIX}TRUSTED_PROXIES",
                proxy=address,
            )
