"""HTTP clients of the tests. All test servers use plain HTTP on loopback."""

import ssl
from functools import lru_cache
from json import dumps
from typing import Any

import httpx

from tests.connections import Connections

NO_ROOTS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""A TLS context without any trusted certificate. By default httpx loads the system's certificates for every client,
which takes longer than most tests.
"""


class Client(httpx.Client):
    """A client with connections of its own, unless others are given. It ignores proxies of the environment.

    Most requests of tests go to a path and have no other options than headers, a query and a JSON document. For these,
    the client skips the steps in which httpx supports everything else: they take as long as the exchange.
    """

    def __init__(self, *, timeout: float = 30, connections: Connections | None = None, **options: Any) -> None:
        self._shared = connections is not None
        self._connections = connections or Connections()
        super().__init__(verify=NO_ROOTS, trust_env=False, timeout=timeout, transport=self._connections, **options)

    def close(self) -> None:
        super().close()
        if not self._shared:
            self._connections.end()

    def request(
        self, method: str, url: Any, *, headers: Any = None, params: Any = None, json: Any = None, **options: Any
    ) -> httpx.Response:
        """Sends a request, as httpx does."""
        others = any(value is not None and value is not httpx.USE_CLIENT_DEFAULT for value in options.values())
        lines = None if others else self._headers_of_plain(url, headers, params)
        if lines is None:
            return super().request(method, url, headers=headers, params=params, json=json, **options)
        to = _url(self.base_url, f"{url}?{httpx.QueryParams(params)}" if params else url)
        body = None
        if json is not None:
            body = dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            lines.setdefault("content-type", "application/json")
        if body is not None or method in ("POST", "PUT", "PATCH"):
            lines.setdefault("content-length", str(len(body or b"")))
        address, target = (to.host, to.port or 80), to.raw_path.decode("ascii")
        status, received, content = self._connections.exchange(
            address, method, target, list(lines.items()), body, self.timeout.read
        )
        response = httpx.Response(
            status, headers=received, stream=httpx.ByteStream(content), request=httpx.Request(method, to)
        )
        response.read()
        if "set-cookie" in response.headers:
            self.cookies.extract_cookies(response)
        return response

    def _headers_of_plain(self, url: Any, headers: Any, params: Any) -> dict[str, Any] | None:
        """Returns the headers that httpx would send, by lower-case names; None if the request is not a plain one."""
        if not isinstance(url, str) or url[:1] != "/" or url[:2] == "//" or (params and "?" in url):
            return None
        if self.follow_redirects or self.base_url.raw_path != b"/" or not isinstance(headers, dict | None):
            return None
        cookies, host = list(self.cookies.jar), self.base_url.host
        if any(each.domain not in ("", host) or each.path != "/" or each.expires or each.secure for each in cookies):
            return None
        lines: dict[str, Any] = {"host": self.base_url.netloc}
        lines |= {name.decode().lower(): value for name, value in self.headers.raw}
        lines |= {name.lower(): value for name, value in (headers or {}).items()}
        if cookies and "cookie" not in lines:
            lines["cookie"] = "; ".join(f"{each.name}={each.value}" for each in cookies)
        return lines

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


@lru_cache(maxsize=5000)
def _url(base: httpx.URL, path: str) -> httpx.URL:
    """Returns the URL of a path and query, with the percent-encoding of httpx."""
    return base.join(httpx.URL(path))
