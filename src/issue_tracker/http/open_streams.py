"""How many event streams are open in one process, in total and for each user."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from issue_tracker.errors import Overloaded, TooManyStreams
from issue_tracker.http.metrics import LoadMetrics
from issue_tracker.settings import Settings


class OpenStreams:
    """To be used on the event loop."""

    def __init__(self, settings: Settings, metrics: LoadMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._by_user: Counter[int] = Counter()

    @contextmanager
    def opened(self, user_id: int) -> Iterator[None]:
        """Counts a stream of this user until the end of the block. Raises TooManyStreams or Overloaded."""
        if self._by_user[user_id] >= self._settings.streams_per_user:
            self._metrics.refused("streams_per_user")
            raise TooManyStreams(self._settings.streams_per_user)
        if self._by_user.total() >= self._settings.streams:
            self._metrics.refused("streams")
            raise Overloaded("The server has too many event streams open. Try again shortly.")
        self._by_user[user_id] += 1
        try:
            yield
        finally:
            self._by_user[user_id] -= 1
            if not self._by_user[user_id]:
                del self._by_user[user_id]
