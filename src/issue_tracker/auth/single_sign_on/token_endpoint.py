"""The requests of Authlib's client to the token endpoint of a provider, sent by a function of ours."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import msgspec


class TokenSession:
    """Sends requests with `fetch`; it has the part of the interface of requests.Session that Authlib's client uses."""

    def __init__(self, fetch: Callable[..., tuple[int, bytes]]) -> None:
        self._fetch = fetch

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> "_Response":
        url, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return _Response(*self._fetch("POST", url, sent, body.encode()))


class _Response:
    """A response with the interface of requests.Response."""

    def __init__(self, code: int, body: bytes) -> None:
        self.status_code = code
        self._body = body

    def json(self) -> Any:
        """Returns the tokens, or the refusal with its `error` (RFC 6749, sections 5.1 and 5.2).

        Raises ValueError for anything else: Authlib would take every other object for tokens, and the response of a
        provider that limits requests for the refusal of a person.
        """
        found = msgspec.json.decode(self._body)
        refused = "error" in found and self.status_code != HTTPStatus.TOO_MANY_REQUESTS
        if self.status_code != HTTPStatus.OK and not refused:
            raise ValueError(f"status {self.status_code}")
        return found

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise ValueError(f"status {self.status_code}")
