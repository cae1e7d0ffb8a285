"""The sockets on which a server listens, whatever the number of its processes."""

import errno
import socket
from typing import Any

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Errors for an address family that the system does not have."""


def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Returns sockets that are bound to every address of a host, and do not listen yet.

    The address `::` is that of all networks, IPv4 included where the system allows it. Raises OSError if an address
    cannot be used, except for a host with several addresses of which the system does not have some.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = dict.fromkeys((family, address) for family, _, _, _, address in found)
    bound: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, address in addresses:
            try:
                bound.append(_bound(family, address, dual=len(addresses) == 1))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
        if missing is not None and not bound:
            raise missing
    except OSError:
        for other in bound:
            other.close()
        raise
    return bound


def _bound(family: int, address: tuple[Any, ...], *, dual: bool) -> socket.socket:
    """Returns a socket bound to one address. `dual`: an IPv6 socket also accepts IPv4, if the system can do that."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            dual = dual and socket.has_dualstack_ipv6()
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
