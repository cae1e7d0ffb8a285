"""The networks from which an API token is accepted: CIDRs, stored separated by spaces."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from issue_tracker.errors import FieldError

MOST = 50
"""Maximum number of networks of one token."""


def read_networks(texts: Sequence[str]) -> tuple[list[str], list[FieldError]]:
    """Returns the distinct networks in canonical form, and the errors of the others.

    A single address is a network of one address, and an IPv4-mapped IPv6 network is one of IPv4. A network whose
    address has bits beyond its prefix length is rejected, because it may be a mistake: `10.1.2.3/8`. So is one with a
    zone (`%eth0`), because the addresses of clients have none.
    """
    found: dict[str, None] = {}
    wrong = []
    for number, text in enumerate(texts):
        try:
            found[str(_network(text.strip()))] = None
        except ValueError:
            wrong.append(FieldError(f"networks[{number}]", "must be a network such as 192.0.2.0/24 or 2001:db8::/32"))
    if len(texts) > MOST:
        wrong.append(FieldError("networks", f"must have at most {MOST} items"))
    return list(found), wrong


def _network(text: str) -> IPv4Network | IPv6Network:
    if "%" in text:
        raise ValueError("a network has no zone")
    network = ip_network(text)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None or network.prefixlen < 96 else ip_network((mapped, network.prefixlen - 96))


def stored_networks(networks: Sequence[str]) -> str | None:
    """Returns the stored form; None for a token that is accepted from every address."""
    return " ".join(networks) or None


def shown_networks(stored: str | None) -> list[str]:
    """Returns the networks of a token; an empty list means every address."""
    return stored.split() if stored else []


def accepts(stored: str | None, address: str) -> bool:
    """Returns whether a token is accepted from an IP address. If it is limited to networks, unknown addresses are not.

    An IPv4-mapped IPv6 address (`::ffff:192.0.2.7`) counts as IPv4.
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
