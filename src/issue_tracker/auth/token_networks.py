"""The networks that an API token is accepted from: CIDRs, stored as words with spaces between them."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from issue_tracker.errors import FieldError

MOST = 50
"""How many networks one token has."""


def read_networks(texts: Sequence[str]) -> tuple[list[str], list[FieldError]]:
    """Returns networks in their usual form, each once, and what is wrong with the others.

    An address alone is the network of this address. A network whose address has bits beyond its length is refused,
    because it may be a slip: `10.1.2.3/8`.
    """
    found: dict[str, None] = {}
    wrong = []
    for number, text in enumerate(texts):
        try:
            found[str(ip_network(text.strip()))] = None
        except ValueError:
            wrong.append(FieldError(f"networks[{number}]", "must be a network such as 192.0.2.0/24 or 2001:db8::/32"))
    if len(texts) > MOST:
        wrong.append(FieldError("networks", f"must have at most {MOST} items"))
    return list(found), wrong


def stored_networks(networks: Sequence[str]) -> str | None:
    """Returns what is stored; None for a token that is accepted from anywhere."""
    return " ".join(networks) or None


def shown_networks(stored: str | None) -> list[str]:
    """Returns the networks of a token; none means anywhere."""
    return stored.split() if stored else []


def accepts(stored: str | None, address: str) -> bool:
    """Returns whether a token is accepted from an IP address. One that is bound to networks is not from an unknown one.

    IPv4 that arrives on an IPv6 socket (`::ffff:192.0.2.7`) is IPv4.
    """
    if stored is None:
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if found.version == 6 and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in network for network in _parsed(stored))


@lru_cache(maxsize=1024)
def _parsed(stored: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in stored.split())
