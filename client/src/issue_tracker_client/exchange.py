"""Requests and failures in httpx's terms: what `Tracker` and `AsyncTracker` share of the network."""

import httpx

from issue_tracker_client.session import Session
from issue_tracker_client.steps import Failure, Request

CONNECT_TIMEOUT = 5.0
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


def built(http: httpx.Client | httpx.AsyncClient, session: Session, request: Request) -> httpx.Request:
    """The request for this client, with its cookies."""
    if request.signing_in:
        http.cookies.clear()
    wait = session.timeout
    timeout = httpx.Timeout(wait, connect=min(CONNECT_TIMEOUT, wait), read=request.read_timeout or wait)
    url = session.url + request.target
    return http.build_request(request.method, url, content=request.body, headers=dict(request.headers), timeout=timeout)


def failure(error: httpx.RequestError) -> Failure:
    """Why there is no answer, and whether the request may have been carried out all the same."""
    reason = str(error) or type(error).__name__
    return Failure(reason.rstrip("."), sent=not isinstance(error, NOT_SENT))
