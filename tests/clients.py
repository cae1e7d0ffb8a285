"""HTTP clients of the tests. All test servers use plain HTTP on loopback."""

import ssl
import threading
from typing import Any

import httpx

NO_ROOTS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""A TLS context without any trusted certificate. By default httpx loads the system's certificates for every client,
which takes longer than most tests.
"""


LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2)
"""Idle connections are closed before the servers close them, which do so after five seconds: a request that is sent at
that moment gets no response.
"""


class Connections(httpx.BaseTransport):
    """The connections of many clients, separate for each thread: httpcore sometimes closes a connection that another
    thread is about to use. A client leaves them open when it is closed: `end` closes them.
    """

    def __init__(self) -> None:
        self._own = threading.local()
        self._all: list[httpx.HTTPTransport] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not hasattr(self._own, "transport"):
            self._own.transport = httpx.HTTPTransport(verify=NO_ROOTS, trust_env=False, limits=LIMITS)
            self._all.append(self._own.transport)
        response: httpx.Response = self._own.transport.handle_request(request)
        return response

    def end(self) -> None:
        for transport in self._all:
            transport.close()


class Client(httpx.Client):
    """A client that shares one TLS context with all others and ignores proxies of the environment. It has own
    connections unless others are given.
    """

    def __init__(self, *, timeout: float = 30, connections: Connections | None = None, **options: Any) -> None:
        super().__init__(
            verify=NO_ROOTS,
            trust_env=False,
            timeout=timeout,
            transport=connections,
            **({"limits": LIMITS} | options),
        )

    def call(self, method: str, path: str, expected: int, **options: Any) -> Any:
        """Sends a request, checks the status, and returns the JSON body (None without one)."""
        response = self.request(method, path, **options)
        assert response.status_code == expected, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return response.json() if response.content and "json" in response.headers["content-type"] else None


def get(url: str, **options: Any) -> httpx.Response:
    """Returns the response to one GET, sent over a new connection."""
    with Client() as client:
        return client.get(url, **options)


def post(url: str, **options: Any) -> httpx.Response:
    """Returns the response to one POST, sent over a new connection."""
    with Client() as client:
        return client.post(url, **options)
