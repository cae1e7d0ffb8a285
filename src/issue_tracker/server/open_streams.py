"""The number of open event streams: per user on this machine, and in total in this process.

The first limit restricts a user; the second protects the process. With several machines, a user may open as many
streams as the limit allows on each of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from issue_tracker.errors import Overloaded, TooManyStreams
from issue_tracker.server.metrics import LoadMetrics
from issue_tracker.server.shared_slots import SharedSlots
from issue_tracker.settings import Settings


class OpenStreams:
    """The counters of open streams. Use them on the event loop only."""

    def __init__(self, settings: Settings, metrics: LoadMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._of_users = SharedSlots(settings.streams_per_user)
        self._total = 0

    @contextmanager
    def opened(self, user_id: int) -> Iterator[None]:
        """Counts one stream of this user until the end of the block. Raises TooManyStreams or Overloaded."""
        if self._total >= self._settings.streams:
            self._metrics.refused("streams")
            raise Overloaded("The server has too many event streams open. Try again shortly.")
        slot = self._of_users.take(user_id)
        if slot is None:
            self._metrics.refused("streams_per_user")
            raise TooManyStreams(self._settings.streams_per_user)
        self._total += 1
        try:
            yield
        finally:
            self._total -= 1
            self._of_users.release(slot)
