"""The open connections of one process: their maximum number, and how long a client may keep the server waiting.

If a full server simply refused new connections, one client that opens connections and sends nothing could block all
others. Therefore a full server first closes connections on which it waits for the client, the longest wait first; it
refuses a new connection only if there are none. A client that connects and sends its request at once is served.
"""

import asyncio
import resource
from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network
from operator import itemgetter
from typing import Protocol

import structlog

from issue_tracker.auth.places import networks_of
from issue_tracker.server.metrics import LoadMetrics
from issue_tracker.settings import Settings, networks

log = structlog.get_logger("issue_tracker.server")

CHECK_SECONDS = 0.5
"""Interval between checks of all connections. A slow client may be detected later than configured by this time."""

CLOSED_TOGETHER = 20
"""If there is no room, one connection in this number is closed if it waits: finding them takes time, too."""

LARGEST_LINGERING = 200
"""Maximum number of refused connections that stay open briefly, so that their clients can read the response."""

OTHER_DESCRIPTORS = 100
"""File descriptors of a process that belong neither to client connections nor to the database."""

DESCRIPTORS_OF_CONNECTION = 3
"""File descriptors of one SQLite connection: the database, its write-ahead log, and the index of the log."""

LOCAL = ("127.0.0.0/8", "::1/128")
"""Addresses without a limit of their own, because a reverse proxy on this machine connects from them."""


class Connection(Protocol):
    """The interface through which connections are counted and checked here."""

    group: str | None

    def waits_since(self) -> float | None:
        """Returns since when, in event-loop time, the server has been waiting for the client; None if it is not."""

    def check(self, now: float) -> None:
        """Closes the connection if the client is too slow. `now` is the time of the event loop."""

    def close_waiting(self) -> None:
        """Closes the connection, on which the server waits for the client."""


class Connections:
    """All connections of a process. Use it on the event loop only."""

    def __init__(self, settings: Settings, metrics: LoadMetrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self._limit = _limit_of(settings)
        trust_all = settings.trusted_proxies == "*"
        self._exempt = None if trust_all else [*map(ip_network, LOCAL), *networks(settings.trusted_proxies)]
        self._open: set[Connection] = set()
        self._groups: dict[str, set[Connection]] = {}
        self._refused: set[Connection] = set()
        self._checking = False

    def group_of(self, address: str | None) -> str | None:
        """Returns the group in which connections from an address are counted; None for a proxy or an unknown address.

        The group is what attempts to sign in are counted by: for IPv6 a /64 network.
        """
        if self._exempt is None or address is None:
            return None
        try:
            found = ip_address(address)
        except ValueError:
            return None  # a Unix socket
        if isinstance(found, IPv6Address):
            found = found.ipv4_mapped or found
        if any(found in network for network in self._exempt if network.version == found.version):
            return None
        return networks_of(str(found)).address

    def admit(self, connection: Connection) -> bool:
        """Counts a new connection. Returns False if it must be refused."""
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
        """Returns whether a refused connection may stay open until its client has read the response."""
        if connection in self._open:
            return True
        if len(self._refused) >= LARGEST_LINGERING:
            return False
        self._refused.add(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """Removes a connection, whether or not it was admitted."""
        self._open.discard(connection)
        self._refused.discard(connection)
        group = self._groups.get(connection.group) if connection.group else None
        if group is not None:
            group.discard(connection)
            if not group:
                self._groups.pop(connection.group or "", None)

    def _make_room(self, among: set[Connection], reason: str) -> bool:
        """Closes connections on which the server waits for the client. Returns False if there are none."""
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
    """Raises this process's limit of file descriptors, which child processes inherit, to the system's maximum."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems report a higher limit than they grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _limit_of(settings: Settings) -> int:
    """Returns the maximum number of connections: the setting, reduced if there are too few file descriptors."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return settings.connections
    room = max(16, descriptors - OTHER_DESCRIPTORS - DESCRIPTORS_OF_CONNECTION * (settings.threads + 16))
    if room < settings.connections:
        log.warning("fewer connections than set", connections=room, file_descriptors=descriptors)
    return min(settings.connections, room)
