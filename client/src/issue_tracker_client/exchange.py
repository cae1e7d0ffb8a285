"""Translates requests and failures to and from httpx: what `Tracker` and `AsyncTracker` share."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import httpx

from issue_tracker_client.errors import Misuse
from issue_tracker_client.session import Session
from issue_tracker_client.steps import Failure, Request

CONNECT_TIMEOUT = 5.0
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


@contextmanager
def from_environment() -> Iterator[None]:
    """Surrounds the creation of an httpx client, which reads the environment.

    Raises Misuse for a file of certificates or a proxy in the environment that cannot be used.
    """
    try:
        yield
    except (OSError, ImportError, ValueError, httpx.InvalidURL) as wrong:
        reason = str(wrong).rstrip(".")
        raise Misuse(f"SSL_CERT_FILE or a proxy variable of the environment cannot be used: {reason}") from wrong


def trusted_certificates() -> ssl.SSLContext:
    """The TLS context that all clients of this process share: loading the certificates takes longer than a request.

    They come from SSL_CERT_FILE or SSL_CERT_DIR if either is set. Raises what httpx raises when it cannot read them.
    """
    return _load_certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _load_certificates(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """httpx reads the same two variables itself; as arguments they are only the key of the cache."""
    return httpx.create_ssl_context()


def built(http: httpx.Client | httpx.AsyncClient, session: Session, request: Request) -> httpx.Request:
    """Returns the httpx request, with the client's cookies. Raises Misuse for a path or query that no URL can have."""
    if request.signing_in:
        http.cookies.clear()
    wait = session.timeout if request.timeout is None else request.timeout
    timeout = httpx.Timeout(wait, connect=min(CONNECT_TIMEOUT, wait), read=request.read_timeout or wait)
    try:
        url = httpx.URL(session.url + request.target)
    except (httpx.InvalidURL, UnicodeEncodeError) as wrong:
        raise Misuse(f"this path cannot be requested: {wrong}") from wrong
    return http.build_request(request.method, url, content=request.body, headers=dict(request.headers), timeout=timeout)


def failure(error: httpx.RequestError) -> Failure:
    """Returns why there is no response, and whether the request may have succeeded nevertheless."""
    reason = str(error) or type(error).__name__
    return Failure(reason.rstrip("."), sent=not isinstance(error, NOT_SENT))
