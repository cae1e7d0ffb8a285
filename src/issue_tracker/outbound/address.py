"""Parses the address of a webhook as a person writes it, and converts it to the form in which it is sent.

A person may write `https://hooks.müller.example/störung`. HTTP and DNS require ASCII: the host as xn--… (IDNA 2008 with
the mapping of UTS 46, like browsers; Python's own codec still follows IDNA 2003, under which ß becomes ss, which may be
another owner's host), path and query percent-encoded (RFC 3986).
"""

from ipaddress import IPv6Address
from urllib.parse import quote, urlsplit

import msgspec

from issue_tracker.host_names import ascii_host

_UNCHANGED = "%!$&'()*+,;=:@/?-._~[]|"
"""Characters that remain unchanged in path and query, including the percent sign, which may begin an encoded
character.
"""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Target(msgspec.Struct, frozen=True):
    """The target of a request. `host` is a name in ASCII or an IP address without brackets. `port` may be None."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def host_header(self) -> str:
        """The value of the Host header (RFC 9110, 7.2), with an IPv6 address in brackets (RFC 3986, 3.2.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (None, _DEFAULT_PORTS[self.scheme]) else f"{host}:{self.port}"


def parse_address(url: str) -> Target:
    """Parses an address. Raises ValueError with the reason, as part of a sentence."""
    example = "must be an http or https address, such as https://hooks.example.com/issues"
    try:
        parts = urlsplit(url)
        # Reading an impossible port raises ValueError, too.
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(example) from None
    if parts.scheme not in ("http", "https") or not host or port == 0 or not url.isprintable() or " " in url:
        raise ValueError(example)
    if parts.username is not None or parts.fragment:
        raise ValueError("must have neither a user name nor a fragment")
    path = quote(parts.path or "/", safe=_UNCHANGED)
    query = f"?{quote(parts.query, safe=_UNCHANGED)}" if parts.query else ""
    return Target(parts.scheme, _written_host(host), port, path + query)


def _written_host(host: str) -> str:
    if ":" in host:
        return str(IPv6Address(host))
    try:
        return ascii_host(host)
    except ValueError:
        raise ValueError("must have a valid host name") from None
