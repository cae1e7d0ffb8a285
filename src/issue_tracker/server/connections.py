"""The open connections of one process: how many there may be, and how long they may keep the server waiting.

A server that refuses new connections when it is full can be closed to everybody by one client that opens connections
and sends nothing. So it first closes those that it waits for, the longest wait first; only where it waits for none is
a new one refused. Somebody who connects and sends a request at once is served.
"""

import asyncio
import resource
from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network
from operator import itemgetter
from typing import Protocol

import structlog

from issue_tracker.server.metrics import LoadMetrics
from issue_tracker.settings import Settings, networks

log = structlog.get_logger("issue_tracker.server")

CHECK_SECONDS = 0.5
"""How often all connections are checked: so much later than the settings say may a slow client be noticed."""

CLOSED_TOGETHER = 20
"""Where there is no room, one waiting connection of so many is closed: looking for them takes time, too."""

LARGEST_LINGERING = 200
"""Connections that may stay for a moment after they were refused, so that their clients can read why."""

OTHER_DESCRIPTORS = 100
"""File descriptors of a process that are neither connections of clients nor of the database."""

DESCRIPTORS_OF_CONNECTION = 3
"""File descriptors that one connection to SQLite takes: the database, its log, and the index of that."""

LOCAL = ("127.0.0.0/8", "::1/128")
"""Addresses that are not limited on their own, because a reverse proxy on this machine connects from there."""


class Connection(Protocol):
    """A connection as it is counted and checked here."""

    group: str | None

    def waits_since(self) -> float | None:
        """Since when, in the time of the event loop, the server waits for the client; None while it does not."""

    def check(self, now: float) -> None:
        """Ends the connection if the client is too slow."""

    def close_waiting(self) -> None:
        """Closes the connection, which the server waits for."""


class Connections:
    """All connections of a process. To be used on the event loop."""

    def __init__(self, settings: Settings, metrics: LoadMetrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self._limit = _limit_of(settings)
        everybody = settings.trusted_proxies == "*"
        self._exempt = None if everybody else [*map(ip_network, LOCAL), *networks(settings.trusted_proxies)]
        self._open: set[Connection] = set()
        self._groups: dict[str, set[Connection]] = {}
        self._refused: set[Connection] = set()
        self._checking = False

    def group_of(self, address: str | None) -> str | None:
        """Whom a connection from this address is counted for; None where that is not known, as behind a proxy.

        Whoever has one address of IPv6 has the 2^64 others of its network as well.
        """
        if self._exempt is None or address is None:
            return None
        try:
            found = ip_address(address)
        except ValueError:
            return None  # a socket of the file system
        if isinstance(found, IPv6Address):
            found = found.ipv4_mapped or found
        if any(found in network for network in self._exempt if network.version == found.version):
            return None
        return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else str(found)

    def admit(self, connection: Connection) -> bool:
        """Counts a new connection. False when it must be refused."""
        if not self._checking:
            self._check_later()
        group = self._groups.get(connection.group, set()) if connection.group else set()
        admitted = (len(self._open) < self._limit or self._make_room(self._open, "connections")) and (
            len(group) < self.settings.connections_per_address or self._make_room(group, "connections_per_address")
        )
        if admitted:
            self._open.add(connection)
            if connection.group:
                self._groups.setdefault(connection.group, set()).add(connection)
        return admitted

    def may_linger(self, connection: Connection) -> bool:
        """Whether a refused connection may stay open until its client has read why."""
        if connection in self._open:
            return True
        if len(self._refused) >= LARGEST_LINGERING:
            return False
        self._refused.add(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """Forgets a connection, whether or not it was admitted."""
        self._open.discard(connection)
        self._refused.discard(connection)
        group = self._groups.get(connection.group) if connection.group else None
        if group is not None:
            group.discard(connection)
            if not group:
                self._groups.pop(connection.group or "", None)

    def _make_room(self, among: set[Connection], reason: str) -> bool:
        """Closes connections that the server waits for. False when it waits for none."""
        waiting = [(since, connection) for connection in among if (since := connection.waits_since()) is not None]
        waiting.sort(key=itemgetter(0))
        for _, connection in waiting[: 1 + len(among) // CLOSED_TOGETHER]:
            self.metrics.refused(f"{reason}_waiting")
            self.remove(connection)
            connection.close_waiting()
        if not waiting:
            self.metrics.refused(reason)
        return bool(waiting)

    def _check_later(self) -> None:
        self._checking = True
        asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check)

    def _check(self) -> None:
        self._checking = False
        now = asyncio.get_running_loop().time()
        for connection in (*self._open, *self._refused):
            connection.check(now)
        if self._open or self._refused:
            self._check_later()


def allow_descriptors() -> None:
    """Lets this process and those that it starts have as many file descriptors as the system allows them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems name more than they give
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _limit_of(settings: Settings) -> int:
    """How many connections there may be: what the settings say, where there are file descriptors for them."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return settings.connections
    room = max(16, descriptors - OTHER_DESCRIPTORS - DESCRIPTORS_OF_CONNECTION * (settings.threads + 16))
    if room < settings.connections:
        log.warning("fewer connections than set", connections=room, file_descriptors=descriptors)
    return min(settings.connections, room)
